"""Description of the data and settings behind a run's results, in words."""

from alm_bench.core.cards import FILE_PREFIX
from alm_bench.records.models import RunSummary as Summary
from alm_bench.records.models import StoredDecoding, StoredPrompt
from alm_bench.records.usage import format_usage


def format_task(task: str, data: str) -> str:
    """Return the task's name, with ` (demo)` added for runs on demo data."""
    return f"{task} (demo)" if data == "demo" else task


def format_task_with_options(summary: Summary) -> str:
    """Return the task's name with its options, such as `sakura track=Animal`, and the voice of spoken questions."""
    spoken = [] if summary.speech is None else [f"[spoken by {summary.speech}]"]
    return " ".join([summary.task, *(f"{key}={value}" for key, value in summary.task_options.items()), *spoken])


def build_task_title(summary: Summary) -> str:
    """Return the task's name with its options and, for demo data, ` (demo)`.

    For a task made of a file, the hash of the file is added.
    """
    return format_task(format_task_with_revision(format_task_with_options(summary), summary.revision), summary.data)


def format_task_with_revision(task: str, revision: str) -> str:
    """Return the name of a task. For a task made of a file (`file:birds`), its revision, a hash, is added."""
    return f"{task} ({revision})" if task.startswith(FILE_PREFIX) else task


def format_prompt_name(prompt: StoredPrompt) -> str:
    """Return the prompt's id and version, such as `ID@1`; the id alone if the version is not known."""
    return prompt.id if prompt.version is None else f"{prompt.id}@{prompt.version}"


def format_decoding(decoding: StoredDecoding) -> str:
    """Return the decoding method; `decoding not known` for models that were run elsewhere."""
    return ("decoding " if decoding.max_new_tokens is None else "") + decoding.method


def format_option_order(options: str) -> str:
    """Return the option order as shown in reports, such as `options shuffled with seed 3`."""
    return f"options {options}"


def _format_decoding_settings(decoding: StoredDecoding) -> str:
    text = format_decoding(decoding)
    if decoding.method == "nucleus":
        text += f" (top-p {decoding.top_p}, temperature {decoding.temperature}, seed {decoding.seed})"
    elif decoding.method == "top-k":
        text += f" (k {decoding.top_k}, temperature {decoding.temperature}, seed {decoding.seed})"
    elif decoding.method == "beam":
        text += f" ({decoding.beams} beams, length penalty {decoding.length_penalty:g})"
    tokens = decoding.max_new_tokens
    return text if tokens is None else f"{text}, at most {tokens} tokens"


def build_provenance(summary: Summary) -> str:
    """Return one paragraph on the data and settings of a run."""
    prompt = summary.prompt
    selection = summary.describe_selection()
    limit = f", {selection}" if selection else ""
    items = ", ".join(f"{count} {status}" for status, count in summary.status.items() if count) or "none"
    parts = [
        f"data {summary.data}, revision {summary.revision}, split {summary.split}{limit}",
        f"prompt {format_prompt_name(prompt)}" + ("" if prompt.hash is None else f" ({prompt.hash})"),
        f"parsed by {summary.parser}",
        _format_decoding_settings(summary.decoding),
        f"items: {items}",
        *_list_changed_settings(summary),
        *_list_remarks(summary),
    ]
    return "; ".join(parts) + "."


def _list_changed_settings(summary: Summary) -> list[str]:
    """Return the settings that deviate from the default: condition, option order, answer mode."""
    parts = []
    if summary.condition != "clean":
        parts.append(f"condition {summary.condition}")
    if summary.speech is not None:
        parts.append(f"questions spoken by {summary.speech}")
    if summary.options != "given":
        parts.append(f"{format_option_order(summary.options)} ({summary.questions} questions)")
    if summary.answer_by != "generate":
        ways = {
            "likelihood": "answered by likelihood",
            "both": "options scored by likelihood, too",
            "embedding": "embeddings compared",
        }
        parts.append(ways[summary.answer_by])
    return parts


def _list_remarks(summary: Summary) -> list[str]:
    """Return remarks that are needed to interpret metrics, audio and costs."""
    parts = []
    if solver := summary.solver:
        parts.append(f"not solvable from text: the items that {solver} gets wrong")
    if "options" in summary.tables:
        parts.append("accuracy: exactly the right options; option P, R and F1: every option a decision")
    if tokenizer := summary.tables.get("tokenizer"):
        parts.append(f"words split by {tokenizer}")
    if script := summary.tables.get("official_script"):
        parts.append(script)
    if changes := summary.preprocessing:
        parts.append("audio preprocessing: " + ", ".join(f"{count} {change}" for change, count in changes.items()))
    if summary.usage is not None:
        parts.append(f"usage: {format_usage(summary.usage)}")
    if (check := summary.audio_check) is not None:
        parts.append(f"audio {check.verdict}: {check.reason}")
    if (fit := summary.fit) is not None:
        left = f", {fit.left_out} left out" if fit.left_out else ""
        parts.append(f"fitted on {fit.rows} rows of {fit.task}, split {fit.split}{left}")
    if summary.identity.note:
        parts.append(summary.identity.note)
    return parts
