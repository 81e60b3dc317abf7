"""Text of an answer with an option, for adapters that score options by log-likelihood."""

from string import ascii_lowercase, ascii_uppercase

from alm_bench.core import Request


def format_options(request: Request) -> tuple[list[str], list[str]]:
    """Return the letters of a request's options, and the options with their letters, as the prompt shows them: `(B)`
    and `(B) Dog`, or `b)` and `b) dog`. Returns `B` and `Dog` if it shows them in neither form."""
    choices = request.choices
    upper, lower = ([form.format(letter) for letter in letters] for form, letters in _FORMS)
    for letters, texts in ((upper, list(choices)), (lower, [text.lower() for text in choices])):
        shown = [f"{letter} {text}" for letter, text in zip(letters, texts, strict=False)]
        if len(shown) == len(choices) and all(one in request.prompt for one in shown):
            return letters[: len(choices)], shown
    return list(ascii_uppercase[: len(choices)]), list(choices)


_FORMS = (("({})", ascii_uppercase), ("{})", ascii_lowercase))
