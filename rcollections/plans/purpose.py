"""Changes on purpose (rules R1 and J1): they ask a server that seems away, and what fails is kept to be sent later.

What is kept are names: of a tag, or of the entry of a function together with its lease. To send it later is to remove
the names, which is all that an invalidation does: a missing tag matches nothing (T2), a missing entry is a miss, and
a computation without its lease stores nothing. So what is sent late, or twice, costs misses and never an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from ..errors import CacheConnectionError, CacheError, CacheTimeout
from .effects import Command, Plan
from .refusals import is_mistake

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from .effects import Effect, Step

__all__ = ["Breaker", "Due", "Journal", "Purpose", "Whole", "change", "removal", "sent", "sweep"]

T = TypeVar("T")

PAGE = 1000  # keys that one step of a sweep looks at


class Whole(NamedTuple):
    """All keys with one beginning, and their leases: the calls of a function, or the tags of a namespace."""

    beginning: str
    leases: str = ""  # what the leases of these keys begin with; "": they have none


class Due(NamedTuple):
    """One name that has to be removed: a tag, or an entry with its lease and the channel of who waits for it."""

    key: str
    lease: str = ""
    channel: str = ""
    whole: Whole | None = None  # what is removed instead where too many names are kept


class Breaker(Protocol):
    """What a change on purpose asks of the breaker."""

    def may_try(self, turn: object, /) -> bool: ...
    def tried(self, turn: object, /) -> None: ...
    def error(self) -> CacheError: ...
    def failed(self, error: CacheError, /) -> None: ...
    def worked(self) -> None: ...


class Journal(Protocol):
    """Keeps what could not be sent."""

    @property
    def number(self) -> int: ...
    @property
    def handovers(self) -> int: ...
    def keep(self, dues: Sequence[Due], /) -> None: ...
    def keep_whole(self, whole: Whole, /) -> None: ...
    def stored(self, key: str, before: int, /) -> None: ...
    def done(self, dues: Sequence[Due], whole: Whole | None, since: int, /) -> None: ...


class Purpose(NamedTuple):
    """What changes of tags need of a connection; a ``Recipe`` has the same for those of a function."""

    breaker: Breaker
    journal: Journal | None
    late: Callable[[], bool]  # whether the caller's own deadline has passed


class Purposeful(Protocol):
    """A ``Purpose`` or a ``Recipe``."""

    @property
    def breaker(self) -> Breaker: ...
    @property
    def journal(self) -> Journal | None: ...
    @property
    def late(self) -> Callable[[], bool]: ...


def sent(effect: Effect) -> Plan[Any]:
    """One effect as a plan."""
    return (yield effect)


def change(purpose: Purposeful, plan: Plan[T], dues: Sequence[Due] = (), whole: Whole | None = None) -> Plan[T]:
    """Carry out a change on purpose. If it raises, the names in ``dues``, or all of ``whole``, go into the journal.

    While the breaker is open one such change at a time asks the server; the others raise at once (R1). What the
    caller did wrong is not kept: it would be refused again.
    """
    breaker, turn = purpose.breaker, object()
    since = 0 if purpose.journal is None else purpose.journal.handovers
    try:
        if not breaker.may_try(turn):
            plan.close()
            raise breaker.error()
        value = yield from plan
    except BaseException as error:
        if purpose.journal is not None and not is_mistake(error):
            purpose.journal.keep(dues)
            if whole is not None:
                purpose.journal.keep_whole(whole)
        if isinstance(error, (CacheConnectionError, CacheTimeout)) and not purpose.late():
            breaker.failed(error)
        raise
    finally:
        breaker.tried(turn)
    breaker.worked()
    if purpose.journal is not None:
        purpose.journal.done(dues, whole, since)
    return value


def removal(dues: Sequence[Due], more: Sequence[str] = ()) -> list[Step]:
    """The steps that make up for these invalidations: one UNLINK, which a full server carries out too, and wake-ups."""
    keys = [each.key for each in dues]
    leases = [each.lease for each in dues if each.lease]
    return [
        Command(("UNLINK", *keys, *leases, *more)),
        *(Command(("PUBLISH", each.channel, "")) for each in dues if each.channel),
    ]


def sweep(whole: Whole) -> Generator[Command, Any, int]:
    """Remove all keys of a ``Whole``, leases first; gives how many. Scans the database in steps."""
    removed = 0
    for beginning in (whole.leases, whole.beginning):
        cursor = 0
        while beginning:
            after, found = yield Command(("SCAN", cursor, "MATCH", f"{_glob(beginning)}*", "COUNT", PAGE))
            if found:
                removed += yield Command(("UNLINK", *found))
            cursor = int(after)
            if cursor == 0:
                break
    return removed


def _glob(text: str) -> str:
    return "".join(f"\\{char}" if char in "[]*?^\\-" else char for char in text)
