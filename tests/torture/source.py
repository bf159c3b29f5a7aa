"""The source that the functions cache: a version for each key, in memory that all processes share, and a switch."""

from __future__ import annotations

import fcntl
import mmap
import os
from contextlib import contextmanager
from struct import pack_into, unpack_from
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Source", "SourceDown"]

WORD = 8


class SourceDown(Exception):
    """The source fails at the moment."""


class Source:
    """Versions that only grow. One process changes a key at a time, by one thread of it: see ``changing``."""

    def __init__(self, path: Path, keys: int) -> None:
        self.keys = keys
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self._file, WORD * (keys + 1))
        self._words = mmap.mmap(self._file, WORD * (keys + 1))

    def read(self, key: int) -> int:
        """The version now; SourceDown while the source fails."""
        if self.failing:
            raise SourceDown("the source fails")
        return self.version(key)

    def version(self, key: int) -> int:
        """The version now, whether the source fails or not."""
        found: int = unpack_from("q", self._words, WORD * (key + 1))[0]
        return found

    def write(self, key: int, version: int) -> None:
        """Commit a version."""
        pack_into("q", self._words, WORD * (key + 1), version)

    @property
    def failing(self) -> bool:
        """Whether reading fails."""
        return bool(unpack_from("q", self._words, 0)[0])

    @failing.setter
    def failing(self, on: bool) -> None:
        pack_into("q", self._words, 0, on)

    @contextmanager
    def changing(self, key: int) -> Iterator[bool]:
        """A block in which no other process changes this key; False: another one does. Killing it ends its block."""
        at = WORD * (key + 1)
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, WORD, at)
        except OSError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, WORD, at)
