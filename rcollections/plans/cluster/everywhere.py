"""Steps that concern all nodes of a cluster, one after another or at once: SCAN, DBSIZE, FLUSHALL …

A cursor of SCAN says which node it belongs to, and the sum of the map under which the scan began: where slots have
moved since then, the scan begins anew, since keys may have gone from a node that is still to come to one that is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from ...errors import CacheError
from ..commands import COMMANDS, JOIN, NONE, PAGES, SUM
from ..effects import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from ..effects import Step

__all__ = ["Owners", "everywhere"]

BITS = 64  # of a cursor of one node
NODES = 16  # bits for the number of the node


class Owners(Protocol):
    """What this needs to know of a cluster."""

    @property
    def namespace(self) -> str: ...
    def primaries(self) -> Sequence[Any]: ...
    def map_sum(self) -> int: ...


def _sum(replies: Sequence[Any]) -> Any:
    return sum(replies)


def _joined(replies: Sequence[Any]) -> Any:
    return [each for reply in replies for each in reply]


def _first(replies: Sequence[Any]) -> Any:
    return replies[0]


_FOLDS: Final[dict[str, Callable[[Sequence[Any]], Any]]] = {SUM: _sum, JOIN: _joined}
_EMPTIES = "FLUSH"  # how the commands begin that empty a server


def everywhere(step: Step, space: Owners, round_: Any) -> Generator[Any, list[Any], list[Any]] | None:
    """The plan of a step that concerns all nodes; None for every other step."""
    if not isinstance(step, Command):
        return None
    name = step.args[0]
    facts = COMMANDS.get(name)
    if facts is not None:
        if not facts.apart or facts.where is not NONE:
            return None
        if facts.apart == PAGES:
            return _scan(step.args, space, round_)
        return _at_all(step, space, round_, _FOLDS[facts.apart])
    if str(name).startswith(_EMPTIES):
        return _at_all(step, space, round_, _first)
    if len(step.args) == 1:
        raise CacheError(f"raw({name!r}) names no key, so no node of the cluster: ask that node with a client of yours")
    return None


def _owners(space: Owners, round_: Any) -> Generator[Any, list[Any], Any]:
    if not space.primaries():
        yield round_((Command(("PING",)),))  # with the first trip the map is learned
    return tuple(sorted(space.primaries()))


def _at_all(step: Command, space: Owners, round_: Any, fold: Any) -> Generator[Any, list[Any], list[Any]]:
    owners = yield from _owners(space, round_)
    replies = []
    for owner in owners:
        reply = (yield round_((step,), place=owner))[0]
        if isinstance(reply, Exception):
            return [reply]
        replies.append(reply)
    return [fold(replies)]


def _scan(words: tuple[Any, ...], space: Owners, round_: Any) -> Generator[Any, list[Any], list[Any]]:
    cursor = int(words[1])
    owners = yield from _owners(space, round_)
    now = space.map_sum()
    began, number, inner = cursor >> (BITS + NODES), (cursor >> BITS) & ((1 << NODES) - 1), cursor & ((1 << BITS) - 1)
    if cursor == 0 or began != now or number >= len(owners):
        number, inner = 0, 0
    reply = (yield round_((Command((words[0], inner, *words[2:])),), place=owners[number]))[0]
    if isinstance(reply, Exception):
        return [reply]
    after, found = int(reply[0]), reply[1]
    if after == 0:
        number += 1
        if number == len(owners):
            return [[b"0", found]]
    return [[b"%d" % ((now << (BITS + NODES)) | (number << BITS) | after), found]]
