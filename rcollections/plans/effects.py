"""Effects: what a plan may ask for. A plan is a generator that yields effects and does no I/O itself.

``reply = yield Command(("GET", key))`` reads: send this command and give me the reply. The drivers in
``servers/drivers/`` carry effects out, one for threads and one for asyncio. Tests step plans by hand, in every
order. The error of an effect is thrown into the plan at its ``yield``, as an error of this library.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

__all__ = [
    "Arg", "Batch", "Call", "Carried", "CarriedExit", "Command", "Effect", "Give", "Hold", "InTurn", "Now", "Plan",
    "ReadToHold", "Script", "Seen", "Sleep", "Spawn", "Step", "Subscribe", "Wait", "carried", "original",
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

    The error of the first step that failed is raised, after all replies were read. With ``keep_errors`` errors
    stand in the list instead.
    """

    steps: Sequence[Step]
    atomic: bool = False
    keep_errors: bool = False


class InTurn(NamedTuple):
    """Several steps over one connection, each sent after the reply to the one before. Gives the list of replies.

    Nothing is sent twice. The error of a step is raised, and the steps behind it are not sent.
    """

    steps: Sequence[Step]


class ReadToHold(NamedTuple):
    """Reads whose replies L1 may hold. Gives a ``Seen``.

    The driver asks for the ttl of ``key`` before them, in the same round trip, so that the ttl can only be too
    short. ``keep_errors`` as in ``Batch``.
    """

    key: str
    steps: Sequence[Step]
    keep_errors: bool = False


class Seen(NamedTuple):
    """What ``ReadToHold`` saw: the replies, the ms that the key had left (None: not known), and who answered.

    ``servers``: who answered in each slot, of a cluster.
    """

    replies: list[Any]
    ms: int | None
    server: bytes
    servers: Mapping[int, bytes] = {}  # nobody changes it


class Call(NamedTuple):
    """A function of the user, called without arguments. The asyncio driver awaits a result that is awaitable."""

    fn: Callable[[], Any]


class Carried(Exception):
    """A StopIteration of the user, on its way through plans: Python lets no generator raise one (PEP 479).

    Drivers throw it into a plan in the place of the error, and raise the error where the plan ends.
    """

    def __init__(self, error: BaseException) -> None:
        self.error = error


class CarriedExit(BaseException):
    """The same for a GeneratorExit of the user: a plan would take it for the sign that it was dropped."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def carried(error: BaseException) -> BaseException:
    """This error of the user in the form in which it travels through plans: raise this inside of a plan."""
    if isinstance(error, StopIteration):
        return Carried(error)
    return CarriedExit(error) if isinstance(error, GeneratorExit) else error


def original(error: BaseException) -> BaseException:
    """The error of the user itself."""
    return error.error if isinstance(error, (Carried, CarriedExit)) else error


class Sleep(NamedTuple):
    """Wait for this many seconds."""

    seconds: float


class Now(NamedTuple):
    """The time in seconds, on a clock that only goes forward."""


class Wait(NamedTuple):
    """Wait until the signal is set, at most ``seconds`` (None: as long as it takes). Gives whether that is so."""

    signal: Any
    seconds: float | None = None


class Subscribe(NamedTuple):
    """Hear the messages of a channel from now on. Gives a signal that the first message sets.

    The server has confirmed the subscription when the reply comes. A later message is heard, unless the connection
    breaks; a broken connection sets the signal as well.
    """

    channel: str


class Hold(NamedTuple):
    """Keep a lease alive: the background renews it after each third of ``ms``. Gives a handle with ``stop()``."""

    lease: str
    token: bytes
    ms: int


class Spawn(NamedTuple):
    """Carry out another plan in the background. Gives a handle: ``done`` is a signal, ``result()`` the plan's result.

    Gives None, and does not start the plan, if the background has no room. ``apart``: the spawning call does not
    wait for this plan, so the plan may compute what the call is computing without being a recursion.
    """

    plan: Any
    apart: bool = True


class Give(NamedTuple):
    """Hand these items to the caller that iterates; see ``pieces``. Gives None, when the caller wants more items."""

    items: Iterable[Any]


Effect: TypeAlias = (
    "Command | Script | Batch | InTurn | ReadToHold | Call | Sleep | Now | Wait | Subscribe | Hold | Spawn | Give"
)
Plan: TypeAlias = Generator[Effect, Any, T]
