"""Faults of the library that are put into workers, to see that the history checker finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PLANTED"]


def _forgetful() -> None:
    """What a failover may have lost is not sent again (M7)."""
    from rcollections.servers.resending import Kept

    Kept.again = lambda *_, **__: None  # type: ignore[assignment,method-assign]


def _repeating() -> None:
    """A write is sent again when its reply is lost."""
    from rcollections.wire import groups

    groups.repeatable = lambda _: True  # type: ignore[attr-defined]


PLANTED: dict[str, Callable[[], None]] = {"": lambda: None, "forgetful": _forgetful, "repeating": _repeating}
