"""From a specification to stored answers."""

from alm_bench.runner.execute import execute
from alm_bench.runner.plan import Plan, prepare
from alm_bench.runner.spec import RunSpec

__all__ = ["Plan", "RunSpec", "execute", "prepare"]
