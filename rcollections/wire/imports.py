"""Imports that come with the first use, safe against exceptions that signal handlers raise.

An exception in the middle of an import can leave the lock of a module held for ever, and then every thread that needs
the module waits for ever. Handlers run on the main thread alone. So the main thread lets another thread import, and
waits: to break off this wait harms nobody.
"""

from __future__ import annotations

import _thread
import sys
import threading
from importlib import import_module

__all__ = ["load"]


def load(*names: str) -> None:
    """Import these modules, unless they are there; an ``import`` of them is quick then, and takes no lock."""
    missing = [name for name in names if not _is_there(name)]
    if not missing:
        return
    if threading.current_thread() is not threading.main_thread():
        _load(missing)
        return
    over = _thread.allocate_lock()
    over.acquire()
    errors: list[BaseException] = []
    try:
        _thread.start_new_thread(_apart, (missing, errors, over))
    except RuntimeError:  # the interpreter ends, or there are too many threads
        _load(missing)
        return
    over.acquire()
    if errors:
        raise errors[0]


def _is_there(name: str) -> bool:
    module = sys.modules.get(name)
    return module is not None and not getattr(module.__spec__, "_initializing", False)


def _load(names: list[str]) -> None:
    for name in names:
        import_module(name)


def _apart(names: list[str], errors: list[BaseException], over: _thread.LockType) -> None:
    try:
        _load(names)
    except BaseException as error:
        errors.append(error)
    finally:
        over.release()
