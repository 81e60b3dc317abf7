"""Formats of other programs' files of outputs, one module per program. A module defines how to recognise and convert a
row.

Every module defines the tuple FORMATS and is found automatically.
"""

import importlib
import pkgutil
from functools import cache

from alm_bench.data.outputs.row import Format


@cache
def list_formats() -> tuple[Format, ...]:
    """Return the formats of all modules of this package, in alphabetical order of the modules."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(found for name in names for found in importlib.import_module(f"{__name__}.{name}").FORMATS)
