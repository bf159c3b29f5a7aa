"""Which leases are given out: a mark that a computation has left in the key of its lease is none."""

from __future__ import annotations

from typing import Any

from rcollections.plans.marks import read_mark

__all__ = ["keys", "leases"]


def keys(store: Any, namespace: str = "") -> list[bytes]:
    """All keys on the server but marks."""
    found: list[bytes] = store.raw("KEYS", f"{namespace}*")
    return [key for key in found if b"rc:l:" not in key or read_mark(store.raw("GET", key)) is None]


def leases(store: Any) -> list[bytes]:
    """The keys of leases that somebody has."""
    return [key for key in keys(store) if b"rc:l:" in key]
