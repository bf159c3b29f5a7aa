"""What an ear has to know of a server before it hears anything."""

from __future__ import annotations

import re

from ..wire.run_id import UNKNOWN, run_id

__all__ = ["Refused", "refuse", "who"]

NOT_NOW = ("LOADING", "BUSY", "MASTERDOWN", "ERR max number of clients")  # errors that go away
_NUMBERS = re.compile(rb"(\d+)\.(\d+)")


class Refused(Exception):
    """The server, or its access list, does not allow to listen."""


def refuse(error: str) -> None:
    """Raise what an error of the server means for listening; not for ""."""
    if error.startswith(NOT_NOW):
        raise ConnectionError("the server is not ready")
    if error:
        raise Refused(error.split(",", 1)[0][:100])


def who(info: object) -> tuple[bytes, tuple[int, ...]]:
    """The run_id and the version (major, minor, whether it is Valkey) in a reply of INFO.

    Refused without a run_id, as some proxies and managed services answer: then nobody can tell whether two
    connections lead to one server, so what one reads cannot be held by what the other hears.
    """
    server = run_id(info)
    if not isinstance(info, bytes) or server in (UNKNOWN, b""):
        raise Refused("its answer to INFO tells no run_id, so nobody knows which server answers")
    facts = dict(line.split(b":", 1) for line in info.splitlines() if b":" in line)
    numbers = _NUMBERS.match(facts.get(b"valkey_version", facts.get(b"redis_version", b"")))
    if numbers is None:
        raise Refused("its answer to INFO tells no version")
    return server, (int(numbers[1]), int(numbers[2]), b"valkey_version" in facts)
