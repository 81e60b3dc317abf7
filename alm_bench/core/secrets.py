"""Secrets (passwords, tokens and keys) among options: recognised by their names, and replaced before storage or output.

`hide_secrets` is for values that are written. `find_secrets` and `replace_secrets` are for texts in which a secret must
not appear either, such as logs and replies.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from alm_bench.core.foreign import dump_json, parse_json

HIDDEN = "[set]"
"""Replacement of a secret. It shows that one was set, not which."""

MIN_SECRET_LENGTH = 8
"""Smallest length in characters of a secret that is searched for in other texts. A shorter one may be a word of an
answer."""

_NAMES = frozenset(
    (
        *("key", "keys", "apikey", "accesskey", "secretkey", "token", "apitoken", "accesstoken", "authtoken"),
        *("secret", "secrets", "password", "passwords", "passwd", "passphrase", "pwd", "auth", "authorization"),
        *("bearer", "credential", "credentials", "cookie", "cookies"),
    )
)
"""Words of a name that mark its value as a secret."""

_WORDS_BESIDE_TOKEN = frozenset(
    (
        *("id", "ids", "pad", "eos", "bos", "sep", "unk", "cls", "mask", "stop", "special"),
        *("max", "min", "new", "per", "count", "limit", "budget", "type", "index", "text"),
    )
)
"""Words beside `token` in names such as `pad_token` and `stop_token_ids`, which are about tokens of a language model
and not secrets.
"""
_WORDS_BESIDE_KEY = frozenset(("cache", "sort", "kv"))
"""Words that mark a name with `key` as no secret (`cache_key`)."""

_NAMES_OF_VARIABLES = frozenset(("env", "variable", "file", "path"))
"""Last words of names such as `api_key_env`, whose values name the location of a secret and are not secrets."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SHELL_WORD = r"""(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+"""
# Each pattern begins at one character of a run only, so that a long text without spaces is scanned once, not once per
# character.
_USER = re.compile(r"(?<=[A-Za-z0-9+.-]://)[^/\s?#'\"]+@")
_QUERY = re.compile(r"(?<=[?&;])([\w.\-%]+)=(?!\[set\])([^&;\s#'\"]+)")
_PAIR = re.compile(rf"(?<![?&;\w.-])([A-Za-z_-][\w.-]*)=(?!\[set\])({_SHELL_WORD})")
_FLAG = re.compile(rf"(?<![\w-])(--?[A-Za-z][\w-]*)[ \t]+(?!-|\[set\])({_SHELL_WORD})")
_HEADER = re.compile(
    r"(?i)(\b(?:proxy-)?authorization|\b(?:x-)?api-key|\b(?:set-)?cookie"
    r"|(?<![a-z-])(?>(?:[a-z-]*?-|\b)x-)[a-z-]*(?:token|key|secret))(['\"]?\s*:\s*['\"]?)"
    r"((?:bearer|basic|token)\s+)?[^\s'\",]+"
)
_BEARER = re.compile(r"(?i)\b(bearer)\s+[A-Za-z0-9._~+/=-]{8,}")


def is_secret_name(name: str) -> bool:
    """Return True if values of this name are secrets: `HF_TOKEN`, `apiKey`, `llm.password`, but not
    `max_new_tokens`."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in _NAMES_OF_VARIABLES:
        return False
    named = _NAMES.intersection(words)
    if "token" in named and _WORDS_BESIDE_TOKEN.intersection(words):
        named -= {"token"}
    if "key" in named and _WORDS_BESIDE_KEY.intersection(words):
        named -= {"key"}
    return bool(named)


def hide_secrets(value: Any, name: str = "") -> Any:
    """Return the value with its secrets replaced, also within lists, mappings and texts.

    `name` is the name of the value. A value without secrets is returned unchanged.
    """
    if is_secret_name(name) and value not in (None, "", True, False):
        return HIDDEN
    if isinstance(value, Mapping):
        return {key: hide_secrets(part, str(key)) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(hide_secrets(part) for part in value)
    if not isinstance(value, str):
        return value
    return _hide_variables(value) if _is_environment(name) else hide_secrets_in_text(value)


def hide_secrets_in_text(text: str) -> str:
    """Return the text with its secrets replaced: in JSON, URLs, `NAME=value`, `--name value` and headers."""
    if (parsed := _parse_structure(text)) is not None:
        hidden = hide_secrets(parsed)
        return text if hidden == parsed else dump_json(hidden)
    text = _USER.sub(f"{HIDDEN}@", text)
    text = _QUERY.sub(lambda found: _hide_pair(found, "="), text)
    text = _HEADER.sub(rf"\1\2{HIDDEN}", text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    text = _PAIR.sub(lambda found: found[0] if found[1].rpartition(".")[2] == "key" else _hide_pair(found, "="), text)
    return _FLAG.sub(lambda found: _hide_pair(found, " "), text)


def _hide_pair(match: "re.Match[str]", separator: str) -> str:
    """Return a matched pair of name and value with the value replaced if it is a secret."""
    return f"{match[1]}{separator}{HIDDEN}" if is_secret_name(match[1]) else match[0]


def find_secrets(value: Any, name: str = "") -> set[str]:
    """Return the texts in a value that `hide_secrets` replaces, except those shorter than `MIN_SECRET_LENGTH`
    characters."""
    return {text for text in _find_all_secrets(value, name) if len(text) >= MIN_SECRET_LENGTH}


def _find_all_secrets(value: Any, name: str) -> Iterator[str]:
    """Yield all secret texts in a value of this name."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _find_all_secrets(part, name if is_secret_name(name) else str(key))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _find_all_secrets(part, name if is_secret_name(name) else "")
    elif isinstance(value, str):
        if is_secret_name(name):
            yield value
            if value.lower().startswith(("bearer ", "basic ")):
                yield value.split(maxsplit=1)[1]
        elif _is_environment(name):
            yield from (text for key, text in _split_variables(value) or () if is_secret_name(key))
        elif (parsed := _parse_structure(value)) is not None:
            yield from _find_all_secrets(parsed, "")
        else:
            pairs = [pair for pattern in (_QUERY, _PAIR, _FLAG) for pair in pattern.findall(value)]
            yield from (_unquote(text) for key, text in pairs if is_secret_name(key))


def _unquote(word: str) -> str:
    """Return a word of a shell command without its quotation marks."""
    try:
        return "".join(shlex.split(word))
    except ValueError:
        return word


def replace_secrets(value: Any, secrets: Iterable[str], replacement: str = HIDDEN) -> Any:
    """Return the value with every occurrence of the texts `secrets` replaced by `replacement`, also within lists and
    mappings."""
    ordered = sorted(secrets, key=len, reverse=True)  # longer ones first, since one may begin with another
    return _apply_to_texts(value, lambda text: _replace_texts(text, ordered, replacement)) if ordered else value


def _apply_to_texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {
            change(key) if isinstance(key, str) else key: _apply_to_texts(part, change) for key, part in value.items()
        }
    return [_apply_to_texts(part, change) for part in value] if isinstance(value, list) else value


def _replace_texts(text: str, secrets: Iterable[str], replacement: str) -> str:
    for secret in secrets:
        text = text.replace(secret, replacement)
    return text


def _parse_structure(text: str) -> Any:
    """Return a text as the JSON list or object that it contains; None for other texts."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return parse_json(text)
    except ValueError:
        return None


def _is_environment(name: str) -> bool:
    """Return True if an option of this name (`env`, `captioner.env`) contains environment variables in shell syntax."""
    return name.rpartition(".")[2].lower() == "env"


def _split_variables(text: str) -> list[tuple[str, str]] | None:
    """Return the names and values of environment variables in shell syntax; None for invalid syntax."""
    try:
        return [(key, value) for key, _, value in (part.partition("=") for part in shlex.split(text))]
    except ValueError:  # an unmatched quotation mark
        return None


def _hide_variables(text: str) -> str:
    """Return environment variables in shell syntax with their secrets replaced.

    For example, `A=1 'HF_TOKEN=two words'` becomes `A=1 HF_TOKEN=[set]`.
    """
    pairs = _split_variables(text)
    if pairs is None:
        return HIDDEN
    hidden = [(key, HIDDEN if value and is_secret_name(key) else hide_secrets_in_text(value)) for key, value in pairs]
    if hidden == pairs:
        return text
    shown = ((key, value if value == HIDDEN else shlex.quote(value)) for key, value in hidden)
    return " ".join(key if value == "''" else f"{key}={value}" for key, value in shown)
