"""What an adapter's author writes by hand is checked where it is written."""

from typing import Any

import pytest

from alm_bench.core import AudioPolicy, UsageError


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"seconds": 2.0, "crop": "center"}, "AudioPolicy takes crop='first' or 'centre' or 'random', found 'center'"),
        ({"short": "pad"}, "short='keep' or 'repeat' or 'zeros', found 'pad'"),
        ({"channels": "mono"}, "found 'mono'"),
        ({"rate": 0}, "a rate above 0, found 0"),
        ({"seconds": -1.0}, "a seconds above 0, found -1.0"),
    ],
)
def test_a_policy_that_no_clip_could_follow(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        AudioPolicy(**settings)
    assert says in str(caught.value)
