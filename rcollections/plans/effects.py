"""What a plan may ask for. A plan is a generator that yields effects and does no I/O itself.

``reply = yield Command("GET", key)`` reads: send this command and give me the reply. The drivers in
``wire/`` carry effects out, one for threads and one for asyncio; tests step plans by hand, in every
order. An effect that fails is thrown into the plan at its ``yield``, as one of our errors.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

__all__ = ["Arg", "Batch", "Call", "Command", "Effect", "Plan", "Script", "Sleep", "Step"]

T = TypeVar("T")
Arg: TypeAlias = "bytes | str | int | float"


class Command(NamedTuple):
    """One command of the server, as its words: ``Command(("GET", key))``. Gives the raw reply."""

    args: tuple[Arg, ...]


class Script(NamedTuple):
    """One script of ``lua/``, by name. Gives its reply, whose first item is a word (bytes)."""

    name: str
    keys: tuple[str, ...]
    args: tuple[Arg, ...]


Step: TypeAlias = "Command | Script"


class Batch(NamedTuple):
    """Several steps in one round trip, ``atomic`` in MULTI/EXEC. Gives the list of their replies.

    The first step that failed is raised, after all were read; with ``keep_errors`` errors stand in
    the list instead.
    """

    steps: Sequence[Step]
    atomic: bool = False
    keep_errors: bool = False


class Call(NamedTuple):
    """A function of the user, called without arguments (awaited by the async driver if need be)."""

    fn: Callable[[], Any]


class Sleep(NamedTuple):
    """Wait that many seconds."""

    seconds: float


Effect: TypeAlias = "Command | Script | Batch | Call | Sleep"
Plan: TypeAlias = Generator[Effect, Any, T]
