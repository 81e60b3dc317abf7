"""What every adapter must have, checked where it is made."""

from pathlib import Path

import pytest

from alm_bench.core import Runtime, UsageError
from alm_bench.plugins import catalogue


def test_a_model_that_forgot_its_base_is_told_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "forgetful.py"
    file.write_text(
        "from alm_bench.core import BaseAdapter\n\n\nclass Model(BaseAdapter):\n"
        "    def __init__(self, options, runtime):\n        pass\n"
    )
    with pytest.raises(UsageError, match=r"model Model has no identity: call super\(\)"):
        catalogue().get_adapter(f"{file}:Model").create({}, Runtime())
