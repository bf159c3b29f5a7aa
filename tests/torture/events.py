"""What workers write down while they run: one line an event, whole even if the worker is killed at the next moment."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Log", "read_log"]


class Log:
    """The events of one process. Instants are nanoseconds of the monotonic clock, which all processes share.

    ``read``: began, took, function, key, version, whether the server seemed away, within (seconds it had, or None).
    ``failed``: began, took, what, the error's name, within.
    ``change``: at, key, version, before it is committed. ``told``: at, key, version, how, or the error's name.
    ``compute``: began, ended, function, key. ``count``: at, number, before it is sent; ``counted``: at, number.
    ``lock``: began, ended, token, lost. ``stall``: from, to, in which nothing of this process ran.
    ``broke``: at, the traceback of an error that is not one of ours. ``end``: at, how many threads are stuck.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def __call__(self, kind: str, *facts: object) -> None:
        os.write(self._file, json.dumps([kind, *facts]).encode() + b"\n")


def read_log(path: Path) -> list[list[Any]]:
    """All events of one process, in the order in which they were written."""
    lines = path.read_bytes().split(b"\n")[:-1]  # the last one may be cut, or is empty
    return [json.loads(line) for line in lines]
