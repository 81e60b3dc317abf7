"""Endings that state an answer, to be appended to a chain of thought: from a letter and a text to the last words."""

from collections.abc import Callable, Iterator
from itertools import product

LETTERS = "ABCDEFGHIJ"
Ending = Callable[[str, str], str]

OWN: dict[str, Ending] = {
    "last line `B`": lambda letter, text: f"\n\n{letter}",
    "last line `(B)`": lambda letter, text: f"\n\n({letter})",
    "option's text on the last line": lambda letter, text: f"\n\n{text}",
    "last line `B. text`": lambda letter, text: f"\n\n{letter}. {text}",
    "`... is: (B) text`": lambda letter, text: f" Therefore, the most fitting description is: ({letter}) {text}",
    "`described as: (B) text`": lambda letter, text: f" So it is best described as: ({letter}) {text}",
    "`the answer is:`, `* text`": lambda letter, text: f"\n\nTherefore, the correct answer is:\n\n* {text}",
    "`the answer is:`, text": lambda letter, text: f"\n\nTherefore, the correct answer is:\n\n{text}",
    "`Thus, B. text`": lambda letter, text: f"\n\nThus:\n\n{letter}. {text}",
}
"""With the chain's own answer."""

STATED: dict[str, Ending] = {
    "`Answer: B`": lambda letter, text: f"\n\nAnswer: {letter}",
    "`Final answer: B`": lambda letter, text: f"\nFinal answer: {letter}",
    "`The correct answer is (B)`": lambda letter, text: f" The correct answer is ({letter})",
    "`the answer is B`": lambda letter, text: f" So the answer is {letter}",
    "boxed": lambda letter, text: f" \\boxed{{{letter}}}",
    "`<answer>`": lambda letter, text: f"\n<answer>{letter}</answer>",
    "`<answer>text`": lambda letter, text: f"\n<answer>{text}</answer>",
    "`<Conclusion>`": lambda letter, text: f"\n<Conclusion>{letter}</Conclusion>",
    "`<RESPONSE>`": lambda letter, text: f"\n<RESPONSE>{letter}</RESPONSE>",
    "`### Conclusion`": lambda letter, text: f"\n\n### Conclusion\n{letter}",
    "`### Final Answer`": lambda letter, text: f"\n\n### Final Answer\n\n{letter}. {text}",
    "JSON": lambda letter, text: f'\n\n{{"answer": "{letter}"}}',
    "`the correct option is (B) text`": lambda letter, text: f" Therefore, the correct option is ({letter}) {text}",
    "`I choose option B`": lambda letter, text: f" I choose option {letter}",
    "`option (B) best matches`": lambda letter, text: f" Therefore, option ({letter}) best matches the audio",
    "`(B) is the best answer`": lambda letter, text: f" Thus, ({letter}) is the best answer",
    "`My final choice: B`": lambda letter, text: f"\nMy final choice: {letter}",
}
"""With any option, also against what the chain led to."""

AROUND: dict[str, Callable[[str, str], str]] = {
    "`</think>B`": lambda chain, letter: f"<think>{chain}</think>{letter}",
    "`<Reasoning>`, `<Conclusion>`": lambda chain, letter: (
        f"<Reasoning>{chain}</Reasoning><Conclusion>{letter}</Conclusion>"
    ),
    "only `</think>`": lambda chain, letter: f"{chain}</think>\n{letter}",
}


def variants(ending: str) -> Iterator[str]:
    """Yield an ending with and without bold, a closing full stop and a trailing line break."""
    lead = ending[: len(ending) - len(ending.lstrip())]
    for bold, stop, line in product((False, True), repeat=3):
        marked = bold and not set("*<{") & set(ending)
        body = f"{lead}**{ending.lstrip()}**" if marked else ending
        if not (bold and not marked):
            yield body + "." * stop + "\n" * line


def chain_texts(chain: str, choices: list[str], answer: int, step: int = 1) -> Iterator[tuple[str, str, int]]:
    """Yield the name of an ending, a whole text and the option that it states; `step` thins the variants out."""
    for name, ending in OWN.items():
        for text in list(variants(ending(LETTERS[answer], choices[answer])))[::step]:
            yield name, chain + text, answer
    for index, choice in enumerate(choices):
        for name, ending in STATED.items():
            for text in list(variants(ending(LETTERS[index], choice)))[::step]:
                yield name, chain + text, index
        for name, around in AROUND.items():
            yield name, around(chain, LETTERS[index]), index
