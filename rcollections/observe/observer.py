"""``Observer``, the base class of observers, and ``Logged``, an observer that writes to the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .events import log

if TYPE_CHECKING:
    from .events import Event

__all__ = ["Logged", "Observer"]


class Observer:
    """Base of observers: override the methods that you need. Errors of observers are logged, not raised."""

    def before(self, event: Event) -> None:
        """Called before the operation is sent."""

    def after(self, event: Event) -> None:
        """Called when the operation has ended, by an exception too (``event.error``)."""


class Logged(Observer):
    """Writes one line a finished operation to the logger ``rcollections``, at level DEBUG; never a value.

    >>> from rcollections import observe
    >>> observe.add(observe.Logged())
    """

    def after(self, event: Event) -> None:
        found = {True: " hit", False: " miss", None: ""}[event.hit]
        failed = f" {type(event.error).__name__}" if event.error is not None else ""
        log.debug("%s.%s %r %.6f s%s%s", event.name, event.operation, event.key, event.took, found, failed)
