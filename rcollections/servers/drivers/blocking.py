"""Notices a call for threads that holds up an event loop, and says once what to await in its place."""

from __future__ import annotations

import sys
import warnings
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["SLOW", "took"]

SLOW = 0.05  # seconds

_PACKAGE = __name__.partition(".")[0]
_NAMED = {
    "__getitem__": "await handle.aio[…]",
    "__setitem__": "await handle.aio.set(…)",
    "__delitem__": "await handle.aio.delete(…)",
    "__contains__": "await handle.aio.contains(…)",
    "__len__": "await handle.aio.length()",
    "__bool__": "await handle.aio.exists()",
    "__eq__": "await handle.aio.equals(…)",
    "__iter__": "async for … in handle.aio",
    "iterate": "async for … in handle.aio",
    "__enter__": "async with",
    "__exit__": "async with",
    "__init__": "await Async….create(…, data=…)",
    "invalidate_tags": "await ainvalidate_tags(…)",
    "data": "await handle.aio.get()",
}
_told: set[tuple[str, str]] = set()


def took(began: float) -> None:
    """A trip or a wait that began then has ended on this thread."""
    if monotonic() - began > SLOW and _in_a_loop():
        _tell(monotonic() - began)


def _in_a_loop() -> bool:
    asyncio: Any = sys.modules.get("asyncio")  # without it there is no loop
    return asyncio is not None and asyncio._get_running_loop() is not None


def _tell(seconds: float) -> None:
    """Name the call of the user's: the outermost function of this library on the way here."""
    frame: FrameType | None = sys._getframe(2)
    depth, ours = 2, frame
    while frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == _PACKAGE:
        ours, frame, depth = frame, frame.f_back, depth + 1
    if ours is None or frame is None:
        return
    name, owner = ours.f_code.co_name, ours.f_locals.get("self")
    shown = name if owner is None else f"{type(owner).__name__}.{name}"
    if (frame.f_code.co_filename, shown) in _told:
        return
    _told.add((frame.f_code.co_filename, shown))
    instead = _NAMED.get(name) or (f"await handle.aio.{name}(…)" if hasattr(owner, "aio") else "an async def")
    warnings.warn(
        f"{shown} held up the event loop for {seconds * 1000:.0f} ms, and with it all its tasks: use {instead} there, "
        "or asyncio.to_thread()",
        RuntimeWarning,
        stacklevel=depth + 1,
    )
