"""What of options is taken for a secret, and that only that is hidden."""

import json
from typing import Any

import pytest

from alm_bench.core.secrets import find_secrets, hide_secrets, hide_secrets_in_text, is_secret_name, replace_secrets


@pytest.mark.parametrize(
    "name",
    [
        *("HF_TOKEN", "token", "apiKey", "API-KEY", "api_key", "llm.password", "AWS_SECRET_ACCESS_KEY"),
        *("Authorization", "X-Auth-Token", "credentials", "apikey", "client_secret", "dbPasswd", "Cookie"),
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)
    assert hide_secrets({name: "abc"}) == {name: "[set]"}


@pytest.mark.parametrize(
    "name",
    [
        *("max_new_tokens", "audio_tokens_per_second", "api_key_env", "monkey", "keyboard", "pad_token"),
        *("stop_token_ids", "tokenizer", "author", "model", "prompt_cache_key", "secretary", "", "token_file"),
    ],
)
def test_names_of_other_things(name: str) -> None:
    assert not is_secret_name(name)
    assert hide_secrets({name: "abc"}) == {name: "abc"}


@pytest.mark.parametrize(
    ("name", "value", "hidden"),
    [
        (
            "extra_body",
            '{"api_key": "s3cr", "n": {"Token": ["s3cr"]}}',
            '{"api_key": "[set]", "n": {"Token": "[set]"}}',
        ),
        ("extra_body", '{"temperature":  null}', '{"temperature":  null}'),
        ("env", "A=1 HF_TOKEN='s3cr x' B='two words'", "A=1 HF_TOKEN=[set] B='two words'"),
        ("env", "HF_TOKEN", "HF_TOKEN"),
        ("captioner.env", "'HF_TOKEN=s3cr x'", "HF_TOKEN=[set]"),
        ("env", "HF_TOKEN='s3cr", "[set]"),
        ("url", "https://me:s3cr@host/v1?key=s3cr&n=1", "https://[set]@host/v1?key=[set]&n=1"),
        ("command", "python w.py --api-key s3cr --max-new-tokens 5", "python w.py --api-key [set] --max-new-tokens 5"),
        ("command", "env HF_TOKEN=s3cr python w.py --token='s3cr x'", "env HF_TOKEN=[set] python w.py --token=[set]"),
        ("url", "2-https://me:s3cr@host", "2-https://[set]@host"),
        ("note", "Authorization: Bearer s3cr", "Authorization: [set]"),
        ("note", "the-x-x-key-token : s3cr", "the-x-x-key-token : [set]"),
        ("note", "sent 'Bearer s3crs3crs3cr'", "sent 'Bearer [set]'"),
        ("headers", {"authorization": "s3cr", "accept": "x"}, {"authorization": "[set]", "accept": "x"}),
        ("headers", [{"X-Api-Key": "s3cr"}, ("a", 1)], [{"X-Api-Key": "[set]"}, ("a", 1)]),
        ("password", 12345, "[set]"),
        ("password", None, None),
        ("n", 5, 5),
    ],
)
def test_what_is_stored(name: str, value: Any, hidden: Any) -> None:
    stored = hide_secrets(value, name)
    if isinstance(hidden, str) and hidden.startswith("{") and stored != hidden:
        assert json.loads(stored) == json.loads(hidden)
    else:
        assert stored == hidden
    assert "s3cr" not in json.dumps(stored)
    assert hide_secrets(stored, name) == stored


@pytest.mark.parametrize(
    "line",
    [
        "--model-arg takes key=value, found 'x'",
        "model openai: no key in the environment variable X: set it, or name another with api_key_env=",
        "--token-limit 5 goes with --max-new-tokens 7",
        "the key: it is missing",
    ],
)
def test_ordinary_lines_stay_as_they_are(line: str) -> None:
    assert hide_secrets_in_text(line) == line


@pytest.mark.parametrize("run", ["a", "A1.", "x-", "--a", "x-token", "a="])
def test_a_long_text_without_spaces_is_scanned_once(run: str) -> None:
    # A pattern that begins anew at each character of a run takes the square of its length: minutes instead of a tenth
    # of a second.
    text = run * (200_000 // len(run))
    assert hide_secrets_in_text(text) == text
    assert hide_secrets_in_text(f"{text} x-a-token: s3cr-s3cr") == f"{text} x-a-token: [set]"


def test_values_that_are_looked_for_elsewhere() -> None:
    options = {
        "extra_body": '{"api_key": "first-secret", "headers": {"Authorization": "Bearer second-secret"}}',
        "env": "HF_TOKEN='third secret' B=harmless-value",
        "command": "run --password fourth-secret",
        "short": '{"token": "abc"}',
    }
    found = find_secrets(options)
    assert found == {"first-secret", "Bearer second-secret", "second-secret", "third secret", "fourth-secret"}
    told = {"a third secret": ["Bearer second-secret", 1]}
    assert replace_secrets(told, found) == {"a [set]": ["[set]", 1]}
