"""Counts the round trips that calls take."""

from __future__ import annotations

from typing import Any


def trips(connection: Any, _monkeypatch: Any, call: Any) -> int:
    """How many round trips ``call`` takes. It runs twice: the first may have to send a script's text."""
    call()
    before: int = connection.trips
    call()
    return int(connection.trips - before)
