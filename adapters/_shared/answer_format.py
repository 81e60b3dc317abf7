"""Text forms of options, for adapters that score options by log-likelihood."""

from string import ascii_lowercase, ascii_uppercase

from alm_bench.core import Request


def format_letters_and_options(request: Request) -> tuple[list[str], list[str]]:
    """Return two lists with one text per option: the option's letter, and the whole option.

    Both are written as in the prompt: `(B)` and `(B) Dog`, or `b)` and `b) dog`. If the prompt contains neither form,
    they are `B` and `Dog`.
    """
    choices = request.choices
    upper, lower = ([form.format(letter) for letter in letters] for form, letters in _FORMS)
    for letters, texts in ((upper, list(choices)), (lower, [text.lower() for text in choices])):
        shown = [f"{letter} {text}" for letter, text in zip(letters, texts, strict=False)]
        if len(shown) == len(choices) and all(one in request.prompt for one in shown):
            return letters[: len(choices)], shown
    return list(ascii_uppercase[: len(choices)]), list(choices)


_FORMS = (("({})", ascii_uppercase), ("{})", ascii_lowercase))
