"""Other programs' files of outputs, a module each: what its rows look like, and where their parts are.

A module defines FORMATS; adding one edits no other file.
"""

import importlib
import pkgutil
from functools import cache

from alm_bench.data.outputs.row import Format


@cache
def known_formats() -> tuple[Format, ...]:
    """The formats of all modules of this folder, in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(found for name in names for found in importlib.import_module(f"{__name__}.{name}").FORMATS)
