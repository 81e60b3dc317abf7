"""Planning and execution of a run, from its specification (`RunSpec`) to stored answers."""

from alm_bench.runner.execute import execute
from alm_bench.runner.plan import Plan, prepare_run
from alm_bench.runner.spec import RunSpec
from alm_bench.runner.strategy import apply_strategy

__all__ = ["Plan", "RunSpec", "apply_strategy", "execute", "prepare_run"]
