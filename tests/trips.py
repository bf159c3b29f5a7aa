"""Counts the round trips that calls take on a real server."""

from __future__ import annotations

from typing import Any


def trips(connection: Any, monkeypatch: Any, call: Any) -> int:
    """How many round trips ``call`` takes. It runs twice: the first may have to send a script's text."""
    sent: list[Any] = []
    trip = connection._trip

    def counted(*args: Any) -> Any:
        sent.append(args)
        return trip(*args)

    call()
    with monkeypatch.context() as patch:
        patch.setattr(connection, "_trip", counted)
        call()
    return len(sent)
