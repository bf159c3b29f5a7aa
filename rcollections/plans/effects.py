"""What a plan may ask for. A plan is a generator that yields effects and does no I/O itself.

``reply = yield Command("GET", key)`` reads: send this command and give me the reply. The drivers in
``wire/`` carry effects out, one for threads and one for asyncio; tests step plans by hand, in every
order. An effect that fails is thrown into the plan at its ``yield``, as one of our errors.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

__all__ = [
    "Arg", "Batch", "Call", "Command", "Effect", "Give", "Hold", "Look", "Now", "Plan", "Script", "Seen", "Sleep",
    "Spawn", "Step", "Subscribe", "Wait",
]  # fmt: skip

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


class Look(NamedTuple):
    """Reads whose replies may be held in the process. Gives a ``Seen``.

    The ttl of ``key`` is asked for before them, in the same round trip, so that it can only be too short.
    ``keep_errors`` as in ``Batch``.
    """

    key: str
    steps: Sequence[Step]
    keep_errors: bool = False


class Seen(NamedTuple):
    """What a ``Look`` saw: the replies, the ms that the key had left (None: not known), and who answered."""

    replies: list[Any]
    ms: int | None
    server: bytes


class Call(NamedTuple):
    """A function of the user, called without arguments (awaited by the async driver if need be)."""

    fn: Callable[[], Any]


class Sleep(NamedTuple):
    """Wait that many seconds."""

    seconds: float


class Now(NamedTuple):
    """The time in seconds, on a clock that only goes forward."""


class Wait(NamedTuple):
    """Wait until the signal is set, at most ``seconds`` (None: as long as it takes). Gives whether it is set."""

    signal: Any
    seconds: float | None = None


class Subscribe(NamedTuple):
    """Hear what is published on a channel from now on. Gives a signal that is set by the first message.

    The server has confirmed when the reply comes: what is published later is heard, unless the
    connection breaks, and that sets the signal as well.
    """

    channel: str


class Hold(NamedTuple):
    """Keep a lease alive in the background, renewed at a third of ``ms``. Gives a handle with ``stop()``."""

    lease: str
    token: bytes
    ms: int


class Spawn(NamedTuple):
    """Carry out another plan in the background. Gives a handle: ``done`` is a signal, ``result()`` its end.

    Gives None if there is no room in the background; the plan was not started then. ``apart``: the call
    that spawns it does not wait for it, so that what the call is computing is no recursion there.
    """

    plan: Any
    apart: bool = True


class Give(NamedTuple):
    """Hand these items to whoever iterates; carried out by drivers that do. Gives nothing, when more are wanted."""

    items: Iterable[Any]


Effect: TypeAlias = "Command | Script | Batch | Look | Call | Sleep | Now | Wait | Subscribe | Hold | Spawn | Give"
Plan: TypeAlias = Generator[Effect, Any, T]
