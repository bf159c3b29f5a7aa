"""Which server answers: the run_id that a server draws when it starts."""

from __future__ import annotations

__all__ = ["MEMORY", "UNKNOWN", "run_id"]

MEMORY = b"memory"  # the one server that needs no listener
UNKNOWN = b"?"  # a server that does not tell its run_id: its replies are never held in the process


def run_id(info: object) -> bytes:
    """The run_id in a reply of INFO; ``UNKNOWN`` if there is none."""
    if isinstance(info, bytes):
        for line in info.splitlines():
            if line.startswith(b"run_id:"):
                return line[7:]
    return UNKNOWN
