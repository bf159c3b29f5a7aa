"""Steps that concern all nodes of a cluster, one after another or at once: SCAN, DBSIZE, FLUSHALL …

A cursor of SCAN says which node it belongs to, and the sum of the map under which the scan began: where slots have
moved since then, the scan begins anew, since keys may have gone from a node that is still to come to one that is done.
Before a scan ends, all nodes are asked which slots they own, since a SCAN is never redirected. Keys of a slot that is
on its way may have gone too: the nodes that get such slots are scanned once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from ...errors import CacheConnectionError, CacheError, CacheTimeout
from ..commands import COMMANDS, JOIN, NONE, PAGES, SUM
from ..effects import Command
from ..slots import key_in
from .forms import Round

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from ..effects import Step
    from .forms import Rounds

__all__ = ["Owners", "everywhere"]

BITS = 64  # of a cursor of one node
NODES = 16  # bits for the number of the node
TURNS = 8  # bits for how often the scan has begun anew, and the bit behind them for its second look


class Owners(Protocol):
    """What this needs to know of a cluster."""

    @property
    def namespace(self) -> str: ...
    def primaries(self) -> Sequence[Any]: ...
    def map_sum(self) -> int: ...
    def slots(self, owner: Any, /) -> Iterable[int]: ...
    def moved(self, slot: int, owner: Any, /) -> None: ...
    def learn_soon(self) -> None: ...


def _sum(replies: Sequence[Any]) -> Any:
    return sum(replies)


def _joined(replies: Sequence[Any]) -> Any:
    return [each for reply in replies for each in reply]


def _first(replies: Sequence[Any]) -> Any:
    return replies[0]


_FOLDS: Final[dict[str, Callable[[Sequence[Any]], Any]]] = {SUM: _sum, JOIN: _joined}
_EMPTIES = "FLUSH"  # how the commands begin that empty a server


def everywhere(step: Step, space: Owners) -> Rounds | None:
    """The plan of a step that concerns all nodes; None for every other step."""
    if not isinstance(step, Command):
        return None
    name = step.args[0]
    facts = COMMANDS.get(name)
    if facts is not None:
        if not facts.apart or facts.where is not NONE:
            return None
        if facts.apart == PAGES:
            return _scan(step.args, space)
        return _at_all(step, space, _FOLDS[facts.apart])
    if str(name).startswith(_EMPTIES):
        return _at_all(step, space, _first)
    if len(step.args) == 1:
        raise CacheError(f"raw({name!r}) names no key, so no node of the cluster: ask that node with a client of yours")
    return None


def _owners(space: Owners) -> Generator[Round, list[Any], tuple[Any, ...]]:
    if not space.primaries():
        yield Round((Command(("PING",)),))  # with the first trip the map is learned
    return tuple(sorted(space.primaries()))


def _at_all(step: Command, space: Owners, fold: Any) -> Rounds:
    owners = yield from _owners(space)
    replies = []
    for owner in owners:
        reply = (yield Round((step,), place=owner))[0]
        if isinstance(reply, Exception):
            return [reply]
        replies.append(reply)
    return [fold(replies)]


class Cursor(NamedTuple):
    """Where a scan is."""

    map: int  # the sum of the map
    turn: int  # how often it has begun anew
    again: int  # 1: it looks once more at the nodes that get slots
    node: int
    inner: int  # the cursor of that node

    def __int__(self) -> int:
        head = (self.map << TURNS | self.turn) << 1 | self.again
        return (head << NODES | self.node) << BITS | self.inner

    @classmethod
    def of(cls, number: int) -> Cursor:
        """The cursor that was given out as this number."""
        head = number >> (BITS + NODES)
        node, inner = (number >> BITS) & ((1 << NODES) - 1), number & ((1 << BITS) - 1)
        return cls(head >> (TURNS + 1), (head >> 1) & ((1 << TURNS) - 1), head & 1, node, inner)


def _scan(words: tuple[Any, ...], space: Owners) -> Rounds:
    at = Cursor.of(int(words[1]))
    owners = yield from _owners(space)
    now = space.map_sum()
    if not int(at):
        at = Cursor(now, 0, 0, 0, 0)
    elif at.map != now or at.node >= len(owners):
        at = Cursor(now, at.turn + 1, 0, 0, 0)
        if at.turn >> TURNS:
            return [CacheError("slots move all the time, so no SCAN comes to its end: try again later")]
    found: list[Any] = []
    if not at.again or at.inner or (yield from _gets_slots(owners[at.node])):
        step = Command((words[0], at.inner, *words[2:]))
        reply = (yield Round((step,), place=owners[at.node]))[0]
        if isinstance(reply, Exception):
            return [reply]
        at, found = at._replace(inner=int(reply[0])), reply[1]
    if not at.inner:
        at = at._replace(node=at.node + 1)
        if at.node == len(owners):
            told = yield from _told(owners)
            if isinstance(told, Exception):
                return [told]
            if (yield from _moved(told, space)):
                at = Cursor(0, at.turn, 0, 0, 1)  # of no map, so it begins anew
            elif at.again or not any(getting for _, getting in told.values()):
                return [[b"0", found]]
            else:
                at = Cursor(now, at.turn, 1, 0, 0)
    return [[b"%d" % int(at), found]]


def _gets_slots(owner: Any) -> Generator[Round, list[Any], bool]:
    told = yield from _told((owner,))
    return not isinstance(told, Exception) and any(getting for _, getting in told.values())


def _told(owners: Sequence[Any]) -> Generator[Round, list[Any], Any]:
    """What these nodes say of themselves: the slots that each owns, and whether it gets others; or an error.

    Of a node that does not say so (the user may lack the right to ask) nothing is told.
    """
    found = {}
    for owner in owners:
        reply = (yield Round((Command(("CLUSTER", "NODES")),), place=owner))[0]
        if isinstance(reply, (CacheConnectionError, CacheTimeout)):
            return reply
        if isinstance(reply, bytes):
            found[owner] = _own(reply)
    return found


def _own(reply: bytes) -> tuple[frozenset[int], bool]:
    """The slots of the node that gave this reply of CLUSTER NODES, and whether others are on their way to it."""
    words = next((words for line in reply.decode().splitlines() if "myself" in (words := line.split())[2]), [])
    slots: set[int] = set()
    for word in words[8:]:
        if not word.startswith("["):
            first, _, last = word.partition("-")
            slots.update(range(int(first), int(last or first) + 1))
    return frozenset(slots), any("-<-" in word for word in words[8:])


def _moved(told: dict[Any, tuple[frozenset[int], bool]], space: Owners) -> Generator[Round, list[Any], bool]:
    """Whether nodes own other slots than the map says, which is corrected then."""
    lost: set[int] = set()
    gained: dict[int, Any] = {}
    for owner, (own, _) in told.items():
        known = frozenset(space.slots(owner))
        lost |= known - own
        gained.update(dict.fromkeys(own - known, owner))
    if not lost and not gained:
        return False
    for slot, owner in gained.items():
        space.moved(slot, owner)
    space.learn_soon()
    for slot in sorted(lost - gained.keys())[:1]:
        yield Round(
            (Command(("EXISTS", key_in(slot, space.namespace))),)
        )  # MOVED tells of a node that nobody knows yet
    return True
