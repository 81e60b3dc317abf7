"""The formats in which models answer multiple choice, right answers and none."""

from collections.abc import Callable, Sequence

LETTERS = "ABCDEFGHIJ"
Form = Callable[[str, str, str, str], str]
"""From the gold's letter and text, and another option's, to an answer."""

RIGHT: dict[str, Form] = {
    "B": lambda letter, text, other, theirs: letter,
    "(b)": lambda letter, text, other, theirs: f"({letter.lower()})",
    "(B) text": lambda letter, text, other, theirs: f"({letter}) {text}",
    "c) text, lower case": lambda letter, text, other, theirs: f"{letter.lower()}) {text.lower()}",
    "B. text": lambda letter, text, other, theirs: f"{letter}. {text}",
    "text": lambda letter, text, other, theirs: text,
    "The answer is text.": lambda letter, text, other, theirs: f"The answer is {text}.",
    "The correct answer is (B) text.": lambda letter, text, other, theirs: f"The correct answer is ({letter}) {text}.",
    "**B**": lambda letter, text, other, theirs: f"**{letter}**",
    "<answer>B</answer>": lambda letter, text, other, theirs: f"<answer>{letter}</answer>",
    "<answer>text</answer>": lambda letter, text, other, theirs: f"<answer>{text}</answer>",
    "<answer>['text']</answer>": lambda letter, text, other, theirs: f"<answer>['{text}']</answer>",
    "reasoning first": lambda letter, text, other, theirs: f"<think>{theirs}? No.</think>\n{text}",
    "not another": lambda letter, text, other, theirs: f"The answer is ({letter}) {text}, not ({other}) {theirs}",
}
NOTHING: dict[str, Form] = {
    "empty": lambda letter, text, other, theirs: "",
    "refusal": lambda letter, text, other, theirs: "I cannot determine the answer",
    "none": lambda letter, text, other, theirs: "None of the options is correct.",
    "negation": lambda letter, text, other, theirs: f"It is not {text}.",
}


def texts(choices: Sequence[str], gold: int, form: Form) -> str:
    other = next(i for i, choice in enumerate(choices) if choice.casefold() != choices[gold].casefold())
    return form(LETTERS[gold], choices[gold], LETTERS[other], choices[other])
