"""Imports that come with the first use.

An exception of a signal handler in the middle of an import can leave the lock of a module held for ever, and then
every thread that needs the module waits for ever. So they are carried out elsewhere.
"""

from __future__ import annotations

import sys
from importlib import import_module

from .elsewhere import elsewhere

__all__ = ["load"]


def load(*names: str) -> None:
    """Import these modules, unless they are there; an ``import`` of them is quick then, and takes no lock."""
    missing = [name for name in names if not _is_there(name)]
    if missing:
        elsewhere(lambda: [import_module(name) for name in missing])


def _is_there(name: str) -> bool:
    module = sys.modules.get(name)
    return module is not None and not getattr(module.__spec__, "_initializing", False)
