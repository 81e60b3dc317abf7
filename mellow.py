"""Lets scripts that were written for github.com/soham97/mellow run unchanged: `from mellow import MellowWrapper`."""

from alm_bench.mellow.wrapper import MellowWrapper

__all__ = ["MellowWrapper"]
