"""Question files in the many forms in which people write them, with what is read of each, or why it is refused."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

DOG_CAT = ("dog", "cat")


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

RIGHTLY |= {
    "lists that are padded with empty values": (
        "x.json",
        listed(audio=AUDIO, question=QUESTION, choices=[["dog", "cat", ""], ["wren", "owl", "robin"]], answer=[1, 0]),
        {},
        TWO,
    ),
    "an object from names such as option_a": (
        "x.json",
        listed(
            audio=AUDIO,
            question=QUESTION,
            choices=[
                {"option_a": "dog", "option_b": "cat", "option_c": ""},
                {"option_a": "wren", "option_b": "owl", "option_c": "robin"},
            ],
            answer=["B", "A"],
        ),
        {},
        TWO,
    ),
    "answers written as option_b": (
        "x.json",
        listed(audio=AUDIO, question=QUESTION, choices=OPTIONS, answer=["option_b", "option_a"]),
        {},
        TWO,
    ),
}
"""Forms that were found later."""
