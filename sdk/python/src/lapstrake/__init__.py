"""Write a Lapstrake frontend in Python: a graph builder, diagnostics, and a host for tests.

`lapstrake.types` has every type of the contract. Knows nothing of any build language.
"""

from . import path, types
from .frontend import (
    BuildFailed,
    Frontend,
    Host,
    build_arg,
    built_image,
    component,
    diagnostic,
    error,
    host_failed,
    image_config,
    invalid,
    option,
    set_env,
    set_label,
    target_platforms,
    unknown_target,
    unsupported,
    warning,
)
from .graph import Files, Graph, Run, State
from .text import Lines, did_you_mean
from .types import MAIN_CONTEXT, make

__all__ = [name for name in dir() if not name.startswith("_")]
