"""Every type of the contract under its own name, and `make`, which fills in what is not said.

The classes are generated from `wit/lapstrake.wit`. In a component they come from componentize-py, elsewhere (tests, type
checkers) from the copy beside this file.
"""

import dataclasses
import functools
import os
import sys
import typing
from enum import Enum

try:
    import componentize_py_types  # noqa: F401
except ImportError:
    sys.path.append(os.path.join(os.path.dirname(__file__), "_bindings"))

from componentize_py_types import Err, Ok  # noqa: E402,F401
from wit_world.exports.frontend import *  # noqa: E402,F401,F403
from wit_world.imports import host as imports  # noqa: E402
from wit_world.imports.diagnostics import *  # noqa: E402,F401,F403
from wit_world.imports.host import (  # noqa: E402,F401
    ByteRange,
    FileInfo,
    FileKind,
    ImageInfo,
    LogLevel,
    Reference,
)
from wit_world.imports.llb import *  # noqa: E402,F401,F403
from wit_world.imports.llb import LocalDiffer  # noqa: E402
from wit_world.imports.requests import *  # noqa: E402,F401,F403

#: Name of the main context.
MAIN_CONTEXT = "context"

_EMPTY = {str: "", int: 0, bool: False, bytes: b""}


@functools.cache
def _defaults(cls):
    """The empty value of every field: what a list, a text, a number or an enum is when nothing is said."""
    out = {}
    for field in dataclasses.fields(cls):
        kind = field.type
        origin = typing.get_origin(kind)
        if origin is list:
            out[field.name] = list
        elif origin is typing.Union and type(None) in typing.get_args(kind):
            out[field.name] = lambda: None
        elif kind is LocalDiffer:
            out[field.name] = lambda: LocalDiffer.METADATA
        elif isinstance(kind, type) and issubclass(kind, Enum):
            out[field.name] = functools.partial(next, iter([kind(0)]), kind(0))
        elif kind in _EMPTY:
            out[field.name] = functools.partial(_EMPTY.__getitem__, kind)
    return out


def make(cls, **fields):
    """Makes a record; fields that are not named are empty.

    >>> make(ImageSource, reference="debian:12").checksum is None
    True
    """
    for name, default in _defaults(cls).items():
        if name not in fields:
            fields[name] = default()
    return cls(**fields)


def set_pair(pairs, key, value):
    """Sets a key of an ordered list of pairs, in its old place where it is there already."""
    for pair in reversed(pairs):
        if pair.key == key:
            pair.value = value
            return
    pairs.append(KeyValue(key, value))  # noqa: F405


def get_pair(pairs, key):
    """The value of a key; the last one of a name counts."""
    return next((pair.value for pair in reversed(pairs) if pair.key == key), None)
