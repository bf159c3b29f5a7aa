"""Several calls at the same time, each on a thread: none waits for a server that another one asks."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, TypeVar

from ..wire.elsewhere import elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["side_by_side"]

T = TypeVar("T")


def side_by_side(calls: Sequence[Callable[[], T]]) -> list[T]:
    """The results of these calls, in their order; the first one runs on this thread. The calls raise nothing."""
    if len(calls) < 2:
        return [call() for call in calls]
    found: dict[int, T] = {}

    def run(number: int) -> None:
        found[number] = calls[number]()

    threads = []
    for number in range(1, len(calls)):
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(run, number), name="rcollections-call", daemon=True)
        try:
            elsewhere(thread.start)
        except RuntimeError:  # the interpreter ends, or there are too many threads
            continue
        threads.append(thread)
    run(0)
    for thread in threads:
        thread.join()
    for number in range(len(calls)):
        if number not in found:
            run(number)
    return [found[number] for number in range(len(calls))]
