"""Questions and answers as the files of other programs have them: one builder a shape."""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

Rows = Sequence[Mapping[str, Any]]
"""Rows of the official MMAU JSON, each with the model's text as `said`."""

WANTED = ("id", "audio_id", "question", "answer", "task", "difficulty", "sub-category")


def lettered(row: Mapping[str, Any], form: str = "{}. {}", join: str = "\n") -> str:
    return join.join(form.format(letter, text) for letter, text in zip(ascii_uppercase, row["choices"], strict=False))


def gold_letter(row: Mapping[str, Any]) -> str:
    return ascii_uppercase[row["choices"].index(row["answer"])]


def prompt(row: Mapping[str, Any]) -> str:
    return f"Answer with one of A, B, C, D. Think first.\n\n{row['question']}\n\n{lettered(row)}\n"


def _lines(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def _json(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
    return path


def _doc(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: row[name] for name in WANTED}, "choices": json.dumps(row["choices"])}


def _harness(row: Mapping[str, Any], number: int) -> dict[str, Any]:
    return {
        "doc_id": number,
        "doc": _doc(row),
        "target": row["answer"],
        "arguments": [prompt(row), {"max_new_tokens": 16}],
        "resps": [[row["said"]]],
        "filtered_resps": [row["said"][:1]],  # what a filter makes of it is not what was written
        "doc_hash": "0" * 8,
    }


def lmms_eval(folder: Path, rows: Rows) -> Path:
    found = [{**_harness(row, i), "input": prompt(row), "token_counts": [None]} for i, row in enumerate(rows)]
    return _lines(folder / "20260101_000000_samples_mmau_test_mini.jsonl", found)


def lmms_eval_logs(folder: Path, rows: Rows) -> Path:
    """The JSON of older versions."""
    logs = [_harness(row, i) for i, row in enumerate(rows)]
    return _json(folder / "mmau.json", {"args": {"model": "m"}, "model_configs": {"task": "mmau"}, "logs": logs})


def lm_eval(folder: Path, rows: Rows) -> Path:
    """Every document once a filter."""
    found = [
        {**_harness(row, i), "doc": {**_doc(row), "choices": {"text": row["choices"], "label": ["x"]}}, "filter": name}
        for name in ("strict-match", "flexible-extract")
        for i, row in enumerate(rows)
    ]
    return _lines(folder / "samples_mmau_2026-01-01T00-00-00.jsonl", found)


def evalscope_predictions(folder: Path, rows: Rows) -> Path:
    found = []
    for i, row in enumerate(rows):
        content = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": row["said"]}]
        reply = {"message": {"role": "assistant", "content": content}, "stop_reason": "stop"}
        asked = [{"type": "text", "text": prompt(row)}, {"type": "audio", "audio": "x"}]
        found.append(
            {
                "index": i,
                "model": "m",
                "model_output": {"choices": [reply]},
                "messages": [{"role": "user", "content": asked}],
                "metadata": {"audio_id": row["audio_id"], "answer": row["answer"], "task": row["task"]},
            }
        )
    return _lines(folder / "mmau_test_mini.jsonl", found)


def evalscope_reviews(folder: Path, rows: Rows) -> Path:
    found = [
        {
            "index": i,
            "input": f"**User**: \n{prompt(row)}",
            "target": gold_letter(row),
            "sample_score": {
                "score": {"value": {"acc": 1.0}, "extracted_prediction": "A", "prediction": row["said"]},
                "sample_id": i,
                "group_id": i,
                "sample_metadata": {"audio_id": row["audio_id"], "answer": row["answer"], "task": row["task"]},
            },
        }
        for i, row in enumerate(rows)
    ]
    return _lines(folder / "mmau_test_mini.jsonl", found)


def _inspect(row: Mapping[str, Any], text: Any = None) -> dict[str, Any]:
    return {
        "id": row["id"],
        "epoch": 1,
        "input": [{"role": "user", "content": [{"type": "audio", "audio": "x"}, {"type": "text", "text": "heard?"}]}],
        "choices": list(row["choices"]),
        "target": [gold_letter(row)],
        "messages": [],
        "output": {"model": "m", "choices": [{"message": {"role": "assistant", "content": text or row["said"]}}]},
        "scores": {"choice": {"value": "C", "answer": "A"}},
        "metadata": {"task": row["task"], "difficulty": row["difficulty"]},
        "events": [],
        "attachments": {},
    }


def inspect_json(folder: Path, rows: Rows) -> Path:
    log = {
        "version": 2,
        "status": "success",
        "eval": {"task": "mmau", "dataset": {"samples": len(rows), "sample_ids": [row["id"] for row in rows]}},
        "plan": {"steps": [{"solver": "multiple_choice", "params": {}}]},
        "results": {"scores": [{"name": "choice", "metrics": {}}]},
        "samples": [_inspect(row) for row in rows],
    }
    return _json(folder / "log.json", log)


def inspect_eval(folder: Path, rows: Rows) -> Path:
    """A zip; the last text lies among the attachments, as long ones do."""
    path = folder / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_journal/start.json", json.dumps({"version": 2}))
        for number, row in enumerate(rows):
            sample = _inspect(row)
            if number == len(rows) - 1:
                sample = {**_inspect(row, "attachment://ab12"), "attachments": {"ab12": row["said"], "cd": "x"}}
            archive.writestr(f"samples/{row['id']}_epoch_1.json", json.dumps(sample))
        archive.writestr("summaries.json", json.dumps([{"id": row["id"], "epoch": 1} for row in rows]))
        archive.writestr("header.json", json.dumps({"version": 2, "status": "success"}))
    return path


def _kit(rows: Rows) -> tuple[list[str], list[list[Any]]]:
    header = ["index", "question", "A", "B", "C", "D", "answer", "category", "prediction"]
    cells = [
        [
            row["id"],
            row["question"],
            *row["choices"],
            *[None] * (4 - len(row["choices"])),
            gold_letter(row),
            "x",
            row["said"],
        ]
        for row in rows
    ]
    return header, cells


def vlmevalkit_xlsx(folder: Path, rows: Rows) -> Path:
    import openpyxl

    header, cells = _kit(rows)
    book = openpyxl.Workbook()
    sheet = book.active
    for line in (header, *cells):
        sheet.append(line)
    book.save(folder / "m_MMAU.xlsx")
    return folder / "m_MMAU.xlsx"


def _table(path: Path, header: Sequence[str], cells: Sequence[Sequence[Any]], delimiter: str) -> Path:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerows([header, *cells])
    path.write_text(out.getvalue(), encoding="utf-8")
    return path


def vlmevalkit_tsv(folder: Path, rows: Rows) -> Path:
    return _table(folder / "m_MMAU.tsv", *_kit(rows), "\t")


def openai_batch(folder: Path, rows: Rows) -> Path:
    """In any order, as batches come."""
    found = [
        {
            "id": f"batch_req_{i}",
            "custom_id": row["id"],
            "response": {
                "status_code": 200,
                "body": {
                    "id": f"chatcmpl-{i}",
                    "choices": [{"index": 0, "message": {"role": "assistant", "content": row["said"]}}],
                },
            },
            "error": None,
        }
        for i, row in enumerate(rows)
    ]
    return _lines(folder / "batch_output.jsonl", found[::-1])


def openai_responses(folder: Path, rows: Rows) -> Path:
    """The batch output of the other endpoint: items, of which the message is the answer."""
    found = [
        {
            "custom_id": row["id"],
            "response": {
                "status_code": 200,
                "body": {
                    "output": [
                        {"type": "reasoning", "summary": []},
                        {"type": "message", "content": [{"type": "output_text", "text": row["said"]}]},
                    ]
                },
            },
            "error": None,
        }
        for row in rows
    ]
    return _lines(folder / "batch_output.jsonl", found)


def anthropic_batch(folder: Path, rows: Rows) -> Path:
    found = [
        {
            "custom_id": row["id"],
            "result": {"type": "succeeded", "message": {"content": [{"type": "text", "text": row["said"]}]}},
        }
        for row in rows
    ]
    return _lines(folder / "results.jsonl", found)


def mmar_submission(folder: Path, rows: Rows) -> Path:
    found = [
        {"id": row["id"], "thinking_prediction": f"Not {row['said']}", "answer_prediction": row["said"]} for row in rows
    ]
    return _lines(folder / "submission.jsonl", found)


def mmar_meta(folder: Path, rows: Rows) -> Path:
    """The answers in the rows of MMAR-meta."""
    found = [
        {**{name: row[name] for name in (*WANTED, "choices")}, "audio_path": "x", "answer_prediction": row["said"]}
        for row in rows
    ]
    return _json(folder / "meta.json", found)


def audiobench(folder: Path, rows: Rows) -> Path:
    """Without ids; the options in the instruction, lettered as the reference is."""
    found = [
        {
            "instruction": f"Question:\n{row['question']}\nChoices:\n{lettered(row, '({}) {}', ' ')}",
            "reference": f"({gold_letter(row)}) {row['answer']}",
            "task": row["task"],
            "task_type": "Audio-Understanding-Reasoning",
            "model_prediction": row["said"],
        }
        for row in rows
    ]
    return _json(folder / "mmau_mini.json", found)


def audiobench_details(folder: Path, rows: Rows) -> Path:
    details = [
        {
            "question": f"Question:\n{row['question']}\n Choices:\n{lettered(row, '({}) {}', ' ')}",
            "reference": f"({gold_letter(row)}) {row['answer']}",
            "model_prediction": row["said"],
            "rate_score": 1.0,
        }
        for row in rows
    ]
    return _json(folder / "score.json", {"llama3_70b_judge": {"judge_score": 50.0}, "details": details})


def nested(folder: Path, rows: Rows) -> Path:
    found = [
        {**{name: row[name] for name in WANTED}, "choices": row["choices"], "prediction": [row["said"]]} for row in rows
    ]
    return _json(folder / "nested.json", {"config": {"seeds": [1, 2]}, "run": {"results": found}})


def rows_by_id(folder: Path, rows: Rows) -> Path:
    return _json(folder / "by_id.json", {"data": {row["id"]: {"model_output": row["said"]} for row in rows}})


def texts_by_id(folder: Path, rows: Rows) -> Path:
    return _json(folder / "texts.json", {row["id"]: row["said"] for row in rows})


def tsv(folder: Path, rows: Rows) -> Path:
    return _table(folder / "out.tsv", ["id", "model_output"], [[row["id"], row["said"]] for row in rows], "\t")


COMPLETE: Mapping[str, Callable[[Path, Rows], Path]] = {
    "lm-eval or lmms-eval samples, lmms-eval": lmms_eval,
    "lm-eval or lmms-eval samples, logs": lmms_eval_logs,
    "lm-eval or lmms-eval samples, lm-eval": lm_eval,
    "EvalScope reviews": evalscope_reviews,
    "EvalScope predictions": evalscope_predictions,
    "inspect_ai log, json": inspect_json,
    "inspect_ai log, eval": inspect_eval,
    "VLMEvalKit predictions, xlsx": vlmevalkit_xlsx,
    "VLMEvalKit predictions, tsv": vlmevalkit_tsv,
    "MMAR submission, meta": mmar_meta,
    "rows, nested": nested,
}
"""Shapes that hold questions, options and golds under the items' own ids, by the format's name (and a variant)."""

NUMBERED: Mapping[str, Callable[[Path, Rows], Path]] = {
    "AudioBench outputs, predictions": audiobench,
    "AudioBench outputs, details": audiobench_details,
}
"""Shapes that hold questions, options and golds, but no ids."""

TEXTS: Mapping[str, Callable[[Path, Rows], Path]] = {
    "OpenAI batch output, chat": openai_batch,
    "OpenAI batch output, responses": openai_responses,
    "Anthropic batch results": anthropic_batch,
    "MMAR submission": mmar_submission,
    "rows, by id": rows_by_id,
    "rows, texts": texts_by_id,
    "rows, tsv": tsv,
}
"""Shapes with ids and texts alone."""
