"""Question files in the many forms in which people write them: read rightly, or refused in one line."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from alm_bench.core import DataError, Sample, UsageError
from alm_bench.plugins import catalogue
from alm_bench.resolve import pick_split

DOG_CAT = ("dog", "cat")


def read(path: Path, **options: str) -> list[Sample]:
    """The questions of a file, as a run asks them."""
    entry = catalogue().task(str(path))
    task: Any = entry.create(options)
    split = entry.card.default_split
    return list(task.samples(task.open_root(split), split))


def lines(*rows: str, end: str = "\n") -> str:
    return end.join(rows) + end


def listed(**columns: Sequence[Any]) -> str:
    """A JSON list with one object a row."""
    return json.dumps([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])


AUDIO, QUESTION = ["a.wav", "b.wav"], ["Which animal?", "Which bird?"]
OPTIONS = [["dog", "cat"], ["wren", "owl", "robin"]]
TWO = [("Which animal?", DOG_CAT, 1), ("Which bird?", ("wren", "owl", "robin"), 0)]
"""The questions of most files below: text, options, index of the right one."""

Shape = tuple[str, str | bytes, Mapping[str, str], Any]

RIGHTLY: dict[str, Shape] = {
    "letters in columns A, B, C": (
        "x.csv",
        lines("audio,question,A,B,C,answer", "a.wav,Which animal?,dog,cat,,B", "b.wav,Which bird?,wren,owl,robin,A"),
        {},
        TWO,
    ),
    "small letters, brackets and blanks": (
        "x.csv",
        lines(
            "audio,question,A,B,C,answer", "a.wav,Which animal?,dog,cat,, b ", "b.wav,Which bird?,wren,owl,robin,(a)"
        ),
        {},
        TWO,
    ),
    "option_a and the answer as text in another case": (
        "x.csv",
        lines(
            "wav_path,Question,option_a,option_b,option_c,correct_answer",
            "a.wav,Which animal?,dog,cat,,CAT",
            "b.wav,Which bird?,wren,owl,robin,wren.",
        ),
        {},
        TWO,
    ),
    "choice_a": (
        "x.tsv",
        lines(
            "file_name\tquestion\tchoice_a\tchoice_b\tchoice_c\tanswer_gt",
            "a.wav\tWhich animal?\tdog\tcat\t\tcat",
            "b.wav\tWhich bird?\twren\towl\trobin\twren",
        ),
        {},
        TWO,
    ),
    "optionA, in camel case": (
        "x.jsonl",
        lines(
            '{"audioPath": "a.wav", "questionText": "Which animal?", "optionA": "dog", "optionB": "cat", "gold": "B"}',
            '{"audioPath": "b.wav", "questionText": "Which bird?", "optionA": "wren", "optionB": "owl",'
            ' "optionC": "robin", "gold": "A"}',
        ),
        {},
        TWO,
    ),
    "option1, option2 and numbers from 1": (
        "x.csv",
        lines(
            "clip,question,option1,option2,option3,label",
            "a.wav,Which animal?,dog,cat,,2",
            "b.wav,Which bird?,a x,b x,c x,1",
        ),
        {},
        [("Which animal?", DOG_CAT, 1), ("Which bird?", ("a x", "b x", "c x"), 0)],
    ),
    "a list, and the answer as text": (
        "x.json",
        listed(audio=AUDIO, question=QUESTION, choices=OPTIONS, answer=["cat", "wren"]),
        {},
        TWO,
    ),
    "numbers from 0, proved by a 0": (
        "x.json",
        listed(audio=AUDIO, question=QUESTION, options=OPTIONS, answer=[1, 0]),
        {},
        TWO,
    ),
    "numbers from 1, proved by the last": (
        "x.json",
        listed(audio=AUDIO, question=QUESTION, options=OPTIONS, label=["2", "1"]),
        {},
        TWO,
    ),
    "numbers, declared": (
        "x.json",
        listed(audio=AUDIO, question=QUESTION, options=[["dog", "cat", "cow"], OPTIONS[1]], answer=[1, 1]),
        {"map": "answer_is=index1"},
        [("Which animal?", ("dog", "cat", "cow"), 0), TWO[1]],
    ),
    "numbers as options": (
        "x.json",
        listed(audio=AUDIO, question=QUESTION, options=[["2", "3", "7"], ["5", "9"]], answer=[7, 5]),
        {},
        [("Which animal?", ("2", "3", "7"), 2), ("Which bird?", ("5", "9"), 0)],
    ),
    "a list in a cell, as Python writes it": (
        "x.csv",
        lines(
            "audio,question,choices,answer",
            "a.wav,Which animal?,\"['dog', 'cat']\",cat",
            "b.wav,Which bird?,\"['wren', 'owl', 'robin']\",A",
        ),
        {},
        TWO,
    ),
    "a list in a cell, as JSON": (
        "x.csv",
        lines(
            "audio,question,choices,answer",
            'a.wav,Which animal?,"[""dog"", ""cat""]",cat',
            'b.wav,Which bird?,"[""wren"", ""owl"", ""robin""]",wren',
        ),
        {},
        TWO,
    ),
    "a list in a cell, as numpy prints it": (
        "x.csv",
        lines(
            "audio,question,choices,answer",
            "a.wav,Which animal?,['dog' 'cat'],cat",
            "b.wav,Which bird?,['wren' 'owl' 'robin'],wren",
        ),
        {},
        TWO,
    ),
    "a list of questions per clip": (
        "x.json",
        json.dumps(
            [
                {"audio": a, "qa": [{"question": q, "choices": c, "answer": c[i]}]}
                for a, q, c, i in zip(AUDIO, QUESTION, OPTIONS, [1, 0], strict=True)
            ]
        ),
        {},
        TWO,
    ),
    "lists of questions by clip": (
        "x.json",
        json.dumps(
            {
                a: [{"question": q, "choices": c, "answer": c[i]}]
                for a, q, c, i in zip(AUDIO, QUESTION, OPTIONS, [1, 0], strict=True)
            }
        ),
        {},
        TWO,
    ),
    "a separator that the answers prove": (
        "x.csv",
        lines(
            "audio,question,options,answer",
            "a.wav,Which animal?,dog;cat,cat",
            "b.wav,Which bird?,wren; owl; robin,wren",
        ),
        {},
        TWO,
    ),
    "a separator, declared": (
        "x.csv",
        lines("audio,question,options,answer", "a.wav,Which animal?,dog|cat,B", "b.wav,Which bird?,wren|owl|robin,A"),
        {"map": "separator=|"},
        TWO,
    ),
    "an object from letters to options": (
        "x.json",
        listed(
            audio=AUDIO,
            question=QUESTION,
            options=[{"A": "dog", "B": "cat"}, {"A": "wren", "B": "owl", "C": "robin"}],
            answer=["B", "A"],
        ),
        {},
        TWO,
    ),
    "the two lists text and label": (
        "x.json",
        listed(
            audio=AUDIO,
            question=QUESTION,
            choices=[{"text": one, "label": list("ABC")[: len(one)]} for one in OPTIONS],
            answerKey=["B", "A"],
        ),
        {},
        TWO,
    ),
    "a list of objects": (
        "x.json",
        listed(
            audio=AUDIO,
            question=QUESTION,
            choices=[[{"key": "ABC"[i], "text": text} for i, text in enumerate(one)] for one in OPTIONS],
            answer=["B", "A"],
        ),
        {},
        TWO,
    ),
    "lettered options and lettered answers": (
        "x.json",
        listed(
            audio=AUDIO,
            question=QUESTION,
            choices=[["(A) dog", "(B) cat"], ["A. wren", "B. owl", "C. robin"]],
            answer=["(B) cat", "A. wren"],
        ),
        {},
        TWO,
    ),
    "options within the question, blanks before the answer": (
        "x.csv",
        lines(
            "file,question,answer",
            "a.wav,Which animal? (a) dog (b) cat, (b) cat",
            "b.wav,Which bird? (a) wren (b) owl (c) robin,(a) wren",
        ),
        {},
        TWO,
    ),
    "options on lines of the question": (
        "x.json",
        listed(
            audio=AUDIO,
            question=["Which animal?\nA. dog\nB. cat", "Which bird?\nA. wren\nB. owl\nC. robin"],
            answer=["B", "A"],
        ),
        {},
        TWO,
    ),
    "an instruction after the options of every question": (
        "x.json",
        listed(
            name=AUDIO,
            prompt=[
                "Which animal?\n(A) dog. (B) cat. Think aloud and then answer.",
                "Which bird?\n(A) wren. (B) owl. (C) robin. Think aloud and then answer.",
            ],
            output=["(B) cat", "(A) wren"],
        ),
        {},
        TWO,
    ),
    "true and false as options, numbers from 1": (
        "x.json",
        listed(audio=AUDIO, question=QUESTION, options=[[True, False], ["a x", "b x", "c x"]], label=[1, 3]),
        {},
        [("Which animal?", ("True", "False"), 0), ("Which bird?", ("a x", "b x", "c x"), 2)],
    ),
    "true and false as answers to yes and no": (
        "x.json",
        listed(audio=AUDIO, question=QUESTION, options=[["yes", "no"], ["yes", "no"]], answer=[True, False]),
        {},
        [("Which animal?", ("yes", "no"), 0), ("Which bird?", ("yes", "no"), 1)],
    ),
    "an object of objects by id": (
        "x.json",
        json.dumps(
            {
                str(n): {"audio": f"{n}.wav", "question": q, "choices": c, "answer": c[n % 2]}
                for n, (q, c) in enumerate(zip(QUESTION, OPTIONS, strict=True))
            }
        ),
        {},
        [("Which animal?", DOG_CAT, 0), ("Which bird?", ("wren", "owl", "robin"), 1)],
    ),
    "an object by clip": (
        "x.json",
        json.dumps(
            {
                f"clips/{n}.wav": {"question": q, "choices": c, "answer": c[0]}
                for n, (q, c) in enumerate(zip(QUESTION, OPTIONS, strict=True))
            }
        ),
        {},
        [("Which animal?", DOG_CAT, 0), TWO[1]],
    ),
    "rows below a key, with a head": (
        "x.json",
        '{"version": "1", "licence": "none", "data": '
        + listed(audio=AUDIO, question=QUESTION, choices=OPTIONS, answer=["cat", "wren"])
        + "}",
        {},
        TWO,
    ),
    "rows of unusual names below a key": (
        "x.json",
        json.dumps({"n": 2, "items": [{"wo": a, "was": q, "hier": "x"} for a, q in zip(AUDIO, QUESTION, strict=True)]}),
        {"map": "audio=wo,question=was,answer=hier"},
        [("Which animal?", (), ["x"]), ("Which bird?", (), ["x"])],
    ),
    "conversations": (
        "x.json",
        listed(
            audio=AUDIO,
            conversations=[
                [{"from": "human", "value": f"<audio>\n{q}"}, {"from": "gpt", "value": "x"}] for q in QUESTION
            ],
        ),
        {},
        [("Which animal?", (), ["x"]), ("Which bird?", (), ["x"])],
    ),
    "messages with clips in them": (
        "x.jsonl",
        lines(
            *(
                json.dumps(
                    {
                        "messages": [
                            {"role": "user", "content": [{"type": "audio", "audio": a}, {"type": "text", "text": q}]},
                            {"role": "assistant", "content": "x"},
                        ]
                    }
                )
                for a, q in zip(AUDIO, QUESTION, strict=True)
            )
        ),
        {},
        [("Which animal?", (), ["x"]), ("Which bird?", (), ["x"])],
    ),
    "an object of columns": (
        "x.json",
        json.dumps({"audio": AUDIO, "question": QUESTION, "choices": OPTIONS, "answer": ["cat", "wren"]}),
        {},
        TWO,
    ),
    "JSON lines under the suffix json": (
        "x.json",
        lines(
            *(
                json.dumps({"audio": a, "question": q, "choices": c, "answer": c[i]})
                for a, q, c, i in zip(AUDIO, QUESTION, OPTIONS, [1, 0], strict=True)
            )
        ),
        {},
        TWO,
    ),
    "JSON lines without a last line end": (
        "x.jsonl",
        "\n".join(
            json.dumps({"audio": a, "question": q, "choices": c, "answer": c[i]})
            for a, q, c, i in zip(AUDIO, QUESTION, OPTIONS, [1, 0], strict=True)
        ),
        {},
        TWO,
    ),
    "a byte order mark and CRLF": (
        "x.csv",
        b"\xef\xbb\xbf"
        + lines(
            "audio,question,A,B,C,answer",
            "a.wav,Which animal?,dog,cat,,B",
            "b.wav,Which bird?,wren,owl,robin,A",
            end="\r\n",
        ).encode(),
        {},
        TWO,
    ),
    "semicolons between cells, blanks in the header": (
        "x.csv",
        lines("audio ; question;A;B;C;answer", "a.wav;Which animal?;dog;cat;;B", "b.wav;Which bird?;wren;owl;robin;A"),
        {},
        TWO,
    ),
    "a column of row numbers, and rows of empty cells": (
        "x.csv",
        lines(
            ",audio,question,A,B,C,answer",
            "0,a.wav,Which animal?,dog,cat,,B",
            ",,,,,,",
            "1,b.wav,Which bird?,wren,owl,robin,A",
        ),
        {},
        TWO,
    ),
    "line ends and commas within cells": (
        "x.csv",
        'audio,question,A,B,answer\n"a,1.wav","Which\nanimal?","dog, big",cat,"dog, big"\n',
        {},
        [("Which\nanimal?", ("dog, big", "cat"), 0)],
    ),
    "columns of other names, mapped": (
        "x.csv",
        lines("where,what,A,B,C,truth", "a.wav,Which animal?,dog,cat,,B", "b.wav,Which bird?,wren,owl,robin,A"),
        {"map": "audio=where,question=what,answer=truth"},
        TWO,
    ),
    "one question of several, mapped; its answer has the same prefix": (
        "x.csv",
        lines(
            "file,easy_question,easy_answer,hard_question,hard_answer",
            "a.wav,Which animal? (a) dog (b) cat,(b) cat,Why? (a) x (b) y,(a) x",
            "b.wav,Which bird? (a) wren (b) owl (c) robin,(a) wren,Why? (a) x (b) y,(b) y",
        ),
        {"map": "question=easy_question"},
        TWO,
    ),
    "objects by language, one mapped": (
        "x.jsonl",
        lines(
            *(
                json.dumps(
                    {
                        "n": n,
                        "en": {"audio": a, "question": q, "answer": "x"},
                        "de": {"audio": "z.wav", "question": "Wer?", "answer": "y"},
                    }
                )
                for n, (a, q) in enumerate(zip(AUDIO, QUESTION, strict=True))
            )
        ),
        {"map": "question=en.question"},
        [("Which animal?", (), ["x"]), ("Which bird?", (), ["x"])],
    ),
    "one question for all rows": (
        "x.csv",
        lines("file,label", "a.wav,dog", "b.wav,owl"),
        {"map": "question=text:What is it, please?"},
        [("What is it, please?", (), ["dog"]), ("What is it, please?", (), ["owl"])],
    ),
    "yes and no in another language": (
        "x.csv",
        lines("audio,question,answer", "a.wav,Bellt ein Hund?,Ja", "b.wav,Regnet es?,NEIN"),
        {},
        [("Bellt ein Hund?", (), ["yes"]), ("Regnet es?", (), ["no"])],
    ),
    "three annotators a question": (
        "x.csv",
        lines(
            "audio,question,answer",
            *(
                f"{clip},Is it loud?,{said}"
                for clip, said in zip("aaabbb", ["yes", "no", "YES", "no", "no", "no"], strict=True)
            ),
        ),
        {},
        [("Is it loud?", (), ["yes", "no", "yes"]), ("Is it loud?", (), ["no", "no", "no"])],
    ),
    "two questions of the same words, three annotators each": (
        "x.csv",
        lines(
            "audio,question,answer",
            *(f"{clip}.wav,Loud?,{said}" for clip, said in zip("aaabbbbbb", ["yes"] * 4 + ["no"] * 5, strict=True)),
        ),
        {},
        [("Loud?", (), ["yes"] * 3), ("Loud?", (), ["yes", "no", "no"]), ("Loud?", (), ["no"] * 3)],
    ),
    "numbers": (
        "x.csv",
        lines("audio,question,answer", "a.wav,How many dogs?,3", "b.wav,How many birds?,12"),
        {},
        [("How many dogs?", (), ["3"]), ("How many birds?", (), ["12"])],
    ),
    "several references": (
        "x.json",
        listed(audio=AUDIO, question=QUESTION, references=[["a dog", "a hound"], ["a wren"]]),
        {},
        [("Which animal?", (), ["a dog", "a hound"]), ("Which bird?", (), ["a wren"])],
    ),
    "references in columns": (
        "x.csv",
        lines("audio,question,answer1,answer2", "a.wav,Which animal?,a dog,a hound", "b.wav,Which bird?,a wren,"),
        {},
        [("Which animal?", (), ["a dog", "a hound"]), ("Which bird?", (), ["a wren"])],
    ),
    "several right options": (
        "x.json",
        listed(
            audio=AUDIO,
            question=QUESTION,
            choices=[["dog", "cat", "cow"], OPTIONS[1]],
            answer=[["dog", "cow"], ["wren"]],
        ),
        {},
        [("Which animal?", ("dog", "cat", "cow"), (0, 2)), ("Which bird?", ("wren", "owl", "robin"), (0,))],
    ),
    "several right options, by letters": (
        "x.csv",
        lines(
            "audio,question,A,B,C,answer",
            'a.wav,Which animal?,dog,cat,cow,"A, C"',
            "b.wav,Which bird?,wren,owl,robin,A",
        ),
        {},
        [("Which animal?", ("dog", "cat", "cow"), (0, 2)), ("Which bird?", ("wren", "owl", "robin"), (0,))],
    ),
    "answers withheld": (
        "x.csv",
        lines("audio,question,A,B,C", "a.wav,Which animal?,dog,cat,", "b.wav,Which bird?,wren,owl,robin"),
        {"map": "answer=none"},
        [("Which animal?", DOG_CAT, None), ("Which bird?", ("wren", "owl", "robin"), None)],
    ),
    "asked openly although there are options": (
        "x.csv",
        lines("audio,question,A,B,C,answer", "a.wav,Which animal?,dog,cat,,B", "b.wav,Which bird?,wren,owl,robin,A"),
        {"kind": "open"},
        [("Which animal?", (), ["cat"]), ("Which bird?", (), ["wren"])],
    ),
    "twelve options": (
        "x.json",
        listed(audio=["a.wav"], question=["Which key?"], choices=[[f"key {n}" for n in range(12)]], answer=["key 11"]),
        {},
        [("Which key?", tuple(f"key {n}" for n in range(12)), 11)],
    ),
    "a list as text among options that are lists": (
        "x.json",
        listed(
            audio=AUDIO,
            question=QUESTION,
            choices=[["['a', 'b']", "['b', 'a']"], ["['c']", "['d']"]],
            answer=["['b', 'a']", "['c']"],
        ),
        {},
        [("Which animal?", ("['a', 'b']", "['b', 'a']"), 1), ("Which bird?", ("['c']", "['d']"), 0)],
    ),
}

REFUSED: dict[str, tuple[str, str | bytes, Mapping[str, str], str]] = {
    "Latin-1": (
        "x.csv",
        "audio,question,answer\na.wav,Où?,là\n".encode("latin-1"),
        {},
        "not UTF-8 text.*save it as UTF-8",
    ),
    "a wrong answer": (
        "x.csv",
        lines("audio,question,A,B,answer", "a.wav,Which?,dog,cat,cat", "b.wav,Which?,dog,cat,cow"),
        {},
        "row 2, column answer: 'cow' is none of the options .dog; cat.",
    ),
    "letter and text that differ": (
        "x.csv",
        lines("audio,question,A,B,answer", "a.wav,Which?,dog,cat,(A) cat", "b.wav,Which?,dog,cat,(A) dog"),
        {},
        "row 1, column answer: '.A. cat' is none",
    ),
    "numbers from 0 or from 1": (
        "x.json",
        listed(audio=AUDIO, question=QUESTION, options=[["dog", "cat", "cow"]] * 2, answer=[1, 2]),
        {},
        "row 1, column answer: .*counted from 0 or numbers counted from 1: .*answer_is=index0 or answer_is=index1",
    ),
    "a number that is an option, and the number of another": (
        "x.json",
        listed(audio=AUDIO, question=QUESTION, options=[["2", "1"], ["1", "2"]], answer=[1, 2]),
        {},
        "row 1, column answer: .*the options' texts or numbers counted from 1.*answer_is=text or answer_is=index1",
    ),
    "letters without options": (
        "x.csv",
        lines("audio,question,right_answer,picks", "a.wav,Q?,B,dog or cat", "b.wav,Q?,A,dog or cow"),
        {},
        "column right_answer holds letters .such as B., and no options were found: .*--map choices=COLUMN",
    ),
    "two answers to one question with options": (
        "x.csv",
        lines("audio,question,A,B,answer", "a.wav,Which?,dog,cat,A", "a.wav,Which?,dog,cat,B"),
        {},
        "row 2, column answer: answers the question of row 1 otherwise",
    ),
    "lists that may be options or references": (
        "x.json",
        listed(audio=AUDIO, question=QUESTION, answers=[["x", "y", "z"], ["u", "v", "w"]]),
        {},
        "column answers holds lists of 3, which may be options or references: say --kind open, or .*choices=answers",
    ),
    "a conversation of two questions": (
        "x.json",
        listed(
            audio=["a.wav"],
            messages=[[{"role": role, "content": "x"} for role in ("user", "assistant", "user", "assistant")]],
        ),
        {},
        "row 1, column messages: has 2 questions and 2 answers, expected one of each",
    ),
    "an object without questions": (
        "x.json",
        '{\n"a": {"b": [1]}\n}',
        {},
        "found an object with a, and no list of rows of questions",
    ),
    "an empty question": (
        "x.csv",
        lines("audio,question,answer", "a.wav,Which?,x", "b.wav,,y"),
        {},
        "row 2, column question: is empty",
    ),
    "an empty answer": (
        "x.csv",
        lines("audio,question,A,B,answer", "a.wav,Q?,x,y,x", "b.wav,Q?,x,y,"),
        {},
        "row 2, column answer: is empty",
    ),
    "a gap between options": (
        "x.csv",
        lines("audio,question,A,B,C,answer", "a.wav,Q?,x,,z,x"),
        {},
        "row 1, column B: is empty before",
    ),
    "one option": (
        "x.json",
        listed(audio=["a.wav"], question=["Q?"], choices=[["x"]], answer=["x"]),
        {},
        "row 1, column choices: .*two or more",
    ),
    "one option, among rows with letters": (
        "x.json",
        listed(audio=AUDIO, question=QUESTION, choices=[["dog", "cat"], ["x"]], answer=["B", "A"]),
        {},
        "row 2, column choices: .*two or more",
    ),
    "no clip in a row": (
        "x.csv",
        lines("audio,question,answer", "a.wav,Q?,x", ",Q?,y"),
        {},
        "row 2, column audio: names no clip",
    ),
    "an address": (
        "x.csv",
        lines("audio,question,answer", "https://x.org/a.wav,Q?,x"),
        {},
        "row 1, column audio: .*download",
    ),
    "no question": (
        "x.csv",
        lines("audio,answer", "a.wav,x"),
        {},
        "no column with the question; it has .*--map question=COLUMN",
    ),
    "no answer": ("x.csv", lines("audio,question", "a.wav,Q?"), {}, "no column with the answer.*--map answer=COLUMN"),
    "two questions": (
        "x.csv",
        lines("file,easy_question,easy_answer,hard_question,hard_answer", "a.wav,Q?,x,P?,y"),
        {},
        "several columns could hold the question .easy_question, hard_question.: .*--map question=COLUMN",
    ),
    "two columns of clips": (
        "x.csv",
        lines("audio,recording,question,answer", "a.wav,b.wav,Q?,x"),
        {},
        "several columns could hold the audio",
    ),
    "no separator": (
        "x.csv",
        lines("audio,question,options,answer", "a.wav,Q?,dog; cat,A"),
        {},
        "column options holds text such as 'dog; cat': .*--map separator",
    ),
    "0 and 1 alone": (
        "x.csv",
        lines("audio,question,answer", "a.wav,Q?,0", "b.wav,Q?,1"),
        {},
        "--kind yes_no or --kind number",
    ),
    "an id twice": (
        "x.csv",
        lines("id,audio,question,answer", "1,a.wav,Q?,x", "1,b.wav,P?,y"),
        {},
        "row 2, column id: has the id of row 1",
    ),
    "a mapped column that is not there": (
        "x.csv",
        lines("audio,question,answer", "a.wav,Q?,x"),
        {"map": "audio=pth"},
        "no column 'pth' for audio",
    ),
    "an unknown role": (
        "x.csv",
        lines("audio,question,answer", "a.wav,Q?,x"),
        {"map": "sound=audio"},
        "no 'sound'; known: .*audio",
    ),
    "an unknown kind": ("x.csv", lines("audio,question,answer", "a.wav,Q?,x"), {"kind": "mcq"}, "--kind takes choice"),
    "the kind of other answers": (
        "x.csv",
        lines("audio,question,answer", "a.wav,Q?,5", "b.wav,Q?,five"),
        {"kind": "number"},
        "row 2, column answer: 'five' is not a number",
    ),
    "no options for the kind": (
        "x.csv",
        lines("audio,question,answer", "a.wav,Q?,x"),
        {"kind": "choice"},
        "row 1 has no options",
    ),
    "no rows": ("x.csv", lines("audio,question,answer"), {}, "no rows"),
    "an empty file": ("x.csv", "", {}, "no header|no rows"),
    "broken JSON": ("x.json", '[{"audio": "a.wav"', {}, "not JSON at line 1"),
    "a row with too many cells": ("x.csv", lines("audio,question,answer", "a.wav,Q?,x,y"), {}, "line 2 has 4 fields"),
    "a column twice": (
        "x.csv",
        lines("audio,question,answer,answer", "a.wav,Q?,x,y"),
        {},
        "the column 'answer' 2 times",
    ),
    "a number as clip": (
        "x.json",
        listed(audio=[5], question=["Q?"], answer=["x"]),
        {"map": "audio=audio"},
        "row 1, column audio: 5 is no clip",
    ),
    "thirty options": (
        "x.json",
        listed(audio=["a.wav"], question=["Q?"], choices=[[f"x{n}" for n in range(30)]], answer=["x1"]),
        {},
        "row 1, column choices: has 30 options, expected at most 26",
    ),
}


def summarise(sample: Sample) -> tuple[str, tuple[str, ...], Any]:
    return sample.fields["question"], sample.choices, sample.target if sample.targets is None else sample.targets


@pytest.mark.parametrize("shape", RIGHTLY)
def test_a_form_is_read_rightly(shape: str, tmp_path: Path) -> None:
    name, content, options, expected = RIGHTLY[shape]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    samples = read(tmp_path / name, **options)
    assert [summarise(sample) for sample in samples] == expected
    assert all(len(sample.audio) == 1 and sample.skip is None for sample in samples)
    assert len({sample.id for sample in samples}) == len(samples)


@pytest.mark.parametrize("shape", REFUSED)
def test_a_form_is_refused_in_one_line_that_says_what_to_do(shape: str, tmp_path: Path) -> None:
    name, content, options, message = REFUSED[shape]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises((DataError, UsageError), match=message) as refused:
        read(tmp_path / name, **options)
    assert "\n" not in str(refused.value)


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_wrong_options_beside_the_answer_are_put_in_an_order_that_the_id_draws(tmp_path: Path) -> None:
    rows = [
        {"id": f"q{n}", "audio": "a.wav", "question": "Which?", "correct_answer": "dog", "distractors": ["cat", "cow"]}
        for n in range(30)
    ]
    first = read(write(tmp_path / "x.json", rows))
    assert all(sample.choices[sample.target] == "dog" and len(sample.choices) == 3 for sample in first)
    assert {sample.target for sample in first} == {0, 1, 2}
    again = {sample.id: sample.choices for sample in read(write(tmp_path / "y.json", rows[::-1]))}
    assert again == {sample.id: sample.choices for sample in first}, "the order of rows changes none"


def test_every_other_column_is_a_group_unless_it_tells_items_apart(tmp_path: Path) -> None:
    rows = [
        {
            **{"id": n, "audio": f"{n}.wav", "question": "Which?", "choices": ["a x", "b x"], "answer": "a x"},
            **{"site": ["wood", "town"][n % 2], "year": 2020 + n % 3, "note": f"note {n}", "tags": ["x"]},
        }
        for n in range(30)
    ]
    samples = read(write(tmp_path / "x.json", rows))
    assert samples[1].groups == {"site": "town", "year": "2021", "clip": "1.wav"}
    named = read(tmp_path / "x.json", group_by="note")
    assert named[1].groups == {"note": "note 1", "clip": "1.wav"}


def test_ids_are_made_of_the_content(tmp_path: Path) -> None:
    row = {"audio": "a.wav", "question": "Which?", "choices": ["x", "y"], "answer": "x"}
    one, two, three = read(write(tmp_path / "x.json", [row, {**row, "audio": "b.wav"}, row]))
    (alone,) = read(write(tmp_path / "y.json", [row]))
    assert one.id == alone.id != two.id
    assert three.id == f"{one.id}-2"


def test_an_item_has_any_number_of_clips(tmp_path: Path) -> None:
    rows = [
        {"audio": ["a.wav", "b.wav", "c.wav"], "question": "Which differs?", "answer": "x"},
        {"audio": "['d.wav', 'e.wav']", "question": "Which differs?", "answer": "x"},
    ]
    assert [[ref.id for ref in sample.audio] for sample in read(write(tmp_path / "x.json", rows))] == [
        ["a.wav", "b.wav", "c.wav"],
        ["d.wav", "e.wav"],
    ]
    columns = [{"audio_1": "a.wav", "audio_2": "b.wav", "audio_3": "", "question": "Louder?", "answer": "x"}]
    assert [ref.id for ref in read(write(tmp_path / "y.json", columns))[0].audio] == ["a.wav", "b.wav"]
    texts = [{"audio": "a.wav; b.wav", "question": "Louder?", "answer": "x"}]
    assert [ref.id for ref in read(write(tmp_path / "w.json", texts))[0].audio] == ["a.wav", "b.wav"]
    pairs = [{"filepath1": "a.wav", "filepath2": "b.wav", "input": "Louder?", "answer": "x"}]
    assert [ref.id for ref in read(write(tmp_path / "z.json", pairs))[0].audio] == ["a.wav", "b.wav"]


def test_clips_are_found_beside_the_file_below_another_root_and_by_the_id(tmp_path: Path) -> None:
    row = {"id": "17", "question": "Which?", "choices": ["x", "y"], "answer": "x"}
    (tmp_path / "far/deep").mkdir(parents=True)
    for name in ("near.wav", "far/deep/there.wav", "17.mp3"):
        (tmp_path / name).write_bytes(b"sound")
    near, there = read(
        write(tmp_path / "x.json", [{**row, "audio": "near.wav"}, {**row, "id": "2", "audio": "there.wav"}])
    )
    assert [near.audio[0].path, there.audio[0].path] == [tmp_path / "near.wav", tmp_path / "far/deep/there.wav"]
    (moved,) = read(write(tmp_path / "y.json", [{**row, "audio": "there.wav"}]), audio_root=str(tmp_path / "far"))
    assert moved.audio[0].path == tmp_path / "far/deep/there.wav"
    (by_id,) = read(write(tmp_path / "z.json", [row]))
    assert by_id.audio[0].path == tmp_path / "17.mp3"
    (absolute,) = read(write(tmp_path / "w.json", [{**row, "audio": str(tmp_path / "near.wav")}]))
    assert absolute.audio[0].path == tmp_path / "near.wav"


def test_a_parquet_file_and_a_data_set_on_disk_hold_their_clips(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "audio": [{"bytes": b"one", "path": "a.wav"}, {"bytes": b"two", "path": "b.wav"}],
        "question": QUESTION,
        "choices": OPTIONS,
        "answer": ["cat", "wren"],
    }
    table = pa.table(columns)
    pq.write_table(table, tmp_path / "birds.parquet")
    pq.write_table(pa.table({**columns, "audio": pa.array([b"one", b"two"])}), tmp_path / "plain.parquet")
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "state.json").write_text("{}")
    with (
        pa.OSFile(str(saved / "data-00000-of-00001.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as out,
    ):
        out.write_table(table)
    for path in (tmp_path / "birds.parquet", tmp_path / "plain.parquet", saved):
        samples = read(path)
        assert [summarise(sample) for sample in samples] == TWO
        assert [ref.read() for sample in samples for ref in sample.audio if ref.read is not None] == [b"one", b"two"]


def test_a_folder_has_splits_or_one_file(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path / "birds/data"
    folder.mkdir(parents=True)
    rows = {"audio": AUDIO, "question": QUESTION, "choices": OPTIONS, "answer": ["cat", "wren"]}
    for name in ("dev-00000-of-00001", "test-00000-of-00002", "test-00001-of-00002"):
        pq.write_table(pa.table(rows), folder / f"{name}.parquet")
    entry = catalogue().task(str(tmp_path / "birds"))
    assert entry.card.name == "file:birds"
    assert entry.card.splits == ("dev", "test")
    task: Any = entry.create({})
    assert len(list(task.samples(task.open_root("test"), "test"))) == 4
    with pytest.raises(UsageError, match="has the splits dev, test: name one with --split"):
        pick_split(entry, None)
    other = tmp_path / "one"
    other.mkdir()
    write(other / "metadata.json", [{"audio": "a.wav", "question": "Q?", "answer": "x"}])
    assert len(read(other)) == 1
    assert catalogue().task(str(other / "metadata.json")).card.name == "file:one-metadata", (
        "a name that many files have"
    )
    tables = tmp_path / "tables"
    tables.mkdir()
    for name in ("train", "test"):
        (tables / f"{name}.csv").write_text("audio,question,answer\na.wav,Q?,x\n")
    assert catalogue().task(str(tables)).card.splits == ("test", "train")
    write(other / "more.json", [])
    with pytest.raises(DataError, match=r"several files .*metadata.json.*: name one"):
        read(other)


def test_faulty_rows_can_be_left_out(tmp_path: Path) -> None:
    rows = [
        {"audio": f"{n}.wav", "question": "Which?", "choices": ["x", "y"], "answer": "z" if n == 1 else "x"}
        for n in range(3)
    ]
    samples = read(write(tmp_path / "x.json", rows), map="bad_rows=skip")
    assert [sample.skip is None for sample in samples] == [True, False, True]
    assert samples[1].skip == "row 2, column answer: 'z' is none of the options (x; y)"


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        (
            "mmar/MMAR-meta.first700.jsonl",
            {},
            {
                "uniform guess (expected)": 29.3,
                "first option": 27.6,
                "longest option": 30.0,
                "most frequent letter": 28.9,
            },
        ),
        ("rul/RUL-MuchoMusic.json", {}, {"uniform guess (expected)": 20.0}),
        (
            "af_reasoning/AQA_MCQ.json",
            {},
            {"uniform guess (expected)": 25.0, "first option": 32.9, "longest option": 25.0},
        ),
        (
            "af_reasoning/AQA_Yes_No.json",
            {},
            {"uniform guess (expected)": 50.0, "first option": 47.3, "longest option": 47.3},
        ),
        (
            "af_reasoning/Classification_mini.json",
            {},
            {"uniform guess (expected)": 25.0, "first option": 26.0, "longest option": 34.7},
        ),
        ("speechr/speechr_multi-choice.first500.jsonl", {}, {"first option": 44.2}),
        (
            "sakura/Animal/metadata.csv",
            {"map": "question=single_instruction"},
            {
                "uniform guess (expected)": 25.0,
                "first option": 25.0,
                "longest option": 22.0,
                "most frequent letter": 25.0,
            },
        ),
        ("sakura/Emotion/metadata.json", {"map": "question=single_instruction"}, {"most frequent letter": 25.0}),
        ("ccfqa/test.first1600.jsonl", {"map": "question=fra.question"}, {"most frequent answer": 2.0}),
        ("clotho_aqa/binary_test_hindi.csv", {}, {"always yes": 56.7, "always no": 43.3}),
    ],
)
def test_benchmarks_are_read_by_the_general_rules(
    shared: Path, name: str, options: dict[str, str], expected: dict[str, float]
) -> None:
    from alm_bench.core import Scored

    entry = catalogue().task(str(shared / "data" / name))
    task: Any = entry.create(options)
    rows = [Scored(sample, "error", None, None, {}) for sample in task.samples(task.open_root("all"), "all")]
    found = {key: 100 * sum(values) / len(values) for key, values in task.blind_scores(rows).items()}
    assert {key: round(found[key], 1) for key in expected} == expected
