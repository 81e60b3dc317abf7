"""From a specification to stored answers."""

from alm_bench.runner.execute import execute
from alm_bench.runner.plan import Plan, prepare
from alm_bench.runner.spec import RunSpec
from alm_bench.runner.strategy import led

__all__ = ["Plan", "RunSpec", "execute", "led", "prepare"]
