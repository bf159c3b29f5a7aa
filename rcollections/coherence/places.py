"""Where ears enter themselves, under which ids, and why one has to go (rules Z1, Q7)."""

from __future__ import annotations

import os
import socket
from itertools import count
from secrets import token_hex
from typing import NamedTuple

from ..forks import at_fork
from ..plans.naming import settling

__all__ = ["Gone", "Moved", "Place", "new_id", "own_ids"]

_numbers = count(1)
_process = ""


def _renew() -> None:
    global _process
    _process = ""


at_fork(_renew)


def own_ids() -> bytes:
    """The ids of all ears of this process begin so: ``host:pid:random/``."""
    global _process
    if not _process:
        host = socket.gethostname().replace(":", "-")[:40] or "?"
        _process = f"{host}:{os.getpid()}:{token_hex(6)}/"
    return _process.encode()


def new_id() -> bytes:
    """An id for an ear, which no other has or had."""
    return own_ids() + b"%d" % next(_numbers)


class Gone(ConnectionError):
    """The server has refused an answer of this ear, or knows the ear no more."""


class Moved(ConnectionError):
    """The address leads to another server by now."""


class Place(NamedTuple):
    """Where ears enter themselves: a namespace in a database; of a cluster also a hash tag, which a node owns."""

    db: int
    namespace: str
    tag: str = ""

    @property
    def key(self) -> str:
        """The hash of the ears."""
        return settling(self.namespace) + self.tag

    @property
    def channel(self) -> bytes:
        """The channel of the rounds: channels belong to no database."""
        return f"{self.key}:{self.db}".encode()
