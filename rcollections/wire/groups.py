"""``Group``: the steps of one slot in one trip to a cluster, and where they stand on their way."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from ..plans.effects import Script
from ..plans.naming import staging
from ..plans.slots import keys_of, slot_of_keys
from ..plans.steps import reads, repeatable
from .packing import pack
from .redirects import refusal
from .requests import unwrapped
from .words import words

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ..plans.effects import Step
    from .redirects import Refusal
    from .slotmap import Address

__all__ = ["LATER", "SOON", "Group", "bytes_of", "grouped", "note"]

# Seconds of the first and of the longest pause: after TRYAGAIN, and where the cluster has to heal itself.
SOON, LATER = (0.005, 0.05), (0.02, 0.1)

_ASKING, _MULTI, _EXEC = pack(("ASKING",)), pack(("MULTI",)), pack(("EXEC",))


class Group:
    """The steps of one slot, by their numbers in the trip."""

    __slots__ = (
        "after", "apart", "asking", "at", "done", "hops", "noop", "owned", "place", "safe", "slot", "toward", "tries",
        "waits", "wanted",
        "why",
    )  # fmt: skip

    def __init__(self, slot: int, safe: bool, place: Address | None, owned: bool = False) -> None:
        self.slot = slot
        self.owned = owned  # whether the owner of the slot has to answer, where others are read from replicas (K10)
        self.at: list[int] = []
        self.safe = safe  # whether all of them may be sent again while nothing says whether they were carried out
        self.wanted = self.place = place  # the node that gets them; None: the owner of the slot
        self.asking = False  # whether the slot is on its way to that node
        self.hops = 0  # how often they were sent on at once, since the last pause
        self.waits = 0  # how often after a pause
        self.tries = 0  # how often their connection broke
        self.after = 0.0  # when they are sent (monotonic)
        self.why: Any = None  # the last refusal
        self.done = False
        self.noop = b""  # goes ahead of reads at a node that was cut off: they count only if it is taken (K14)
        self.apart = 0.0  # since when its keys are on two nodes (monotonic); 0.0: they are not
        self.toward: Address | None = None  # the node that the slot is on its way to, as the owner has said

    def node(self, road: Any) -> Any:
        """The node that gets this group now; None: nobody owns the slot."""
        return (road.primary if self.owned else road).node(self.slot, self.place)

    def refused(self, pauses: tuple[float, float] | None, why: object) -> None:
        """Send this group again, after a pause that doubles from the first to the longest; None: at once."""
        self.why = why
        if pauses is None:
            self.hops += 1
        else:
            self.after = monotonic() + min(pauses[1], pauses[0] * 2.0 ** min(self.waits, 10))
            self.waits += 1
            self.hops = 0

    def narrow(self, replies: list[object], found: Sequence[object], kept: Sequence[Refusal | None]) -> None:
        """Leave out the steps that were carried out, unless all may be sent twice: these go again in their order."""
        if self.safe:
            return
        left = []
        for n, reply, no in zip(self.at, found, kept, strict=True):
            if no is None:
                replies[n] = reply
            else:
                left.append(n)
        self.at = left

    def end(self, replies: list[object], found: Sequence[object]) -> None:
        """These are the replies."""
        self.done = True
        for n, reply in zip(self.at, found, strict=True):
            replies[n] = reply

    def replies(self, outcome: Sequence[Any], at: int, atomic: bool) -> tuple[list[Any], int]:
        """The replies of these steps in what a node answered from ``at`` on, and where the next group's begin."""
        count = len(self.at)
        if self.noop:
            taken, self.noop = outcome[at], b""
            found, end = self.replies(outcome, at + 1, atomic)
            return (found if refusal(taken) is None else [taken] * count), end
        if atomic:
            end = at + count + 2 + self.asking
            return unwrapped(list(outcome[at + self.asking : end])), end
        if self.asking:
            return list(outcome[at + 1 : at + 2 * count : 2]), at + 2 * count
        return list(outcome[at : at + count]), at + count


def check(group: Group, steps: Sequence[Step], namespace: str) -> bytes:
    """The write that goes ahead of these reads; b"" where they are no reads, which are refused for themselves."""
    keys = keys_of(steps[group.at[0]])
    if group.slot < 0 or group.asking or not keys or not all(reads(steps[n]) for n in group.at):
        return b""
    return pack(("PERSIST", staging(namespace, str(keys[0]))))


def note(witness: dict[int, bytes], groups: Sequence[Group], server: bytes) -> None:
    """This server has answered for those of these groups that are done; where two have, nobody is known."""
    for each in groups:
        if each.done:
            witness[each.slot] = server if witness.get(each.slot, server) == server else b""


def grouped(steps: Sequence[Step], atomic: bool, place: Address | None, owned: Collection[int] = ()) -> list[Group]:
    """The steps by slot. Steps without keys are a group of their own, and so are those of a slot that are ``owned``."""
    found: dict[tuple[int, bool], Group] = {}
    for n, step in enumerate(steps):
        slot = slot_of_keys(keys_of(step))
        if slot is None:
            raise ValueError("a step with keys in several slots goes to no node as it is")
        where = slot, n in owned
        group = found.get(where)
        if group is None:
            group = found[where] = Group(slot, not atomic, place, n in owned)
        group.at.append(n)
        group.safe = group.safe and repeatable(step)
    return list(found.values())


def bytes_of(groups: Sequence[Group], steps: Sequence[Step], atomic: bool, known: set[str]) -> tuple[bytes, int]:
    """The bytes of these groups for a node that knows those scripts, and how many replies come."""
    data: list[bytes] = []
    wanted = 0
    for group in groups:
        asking = [_ASKING] if group.asking else []
        if group.noop:
            data.append(group.noop)
            wanted += 1
        if atomic:
            # In MULTI a missing script would fail alone, between steps that took effect: the text goes along.
            data += [*asking, _MULTI, *(pack(words(steps[n], True)) for n in group.at), _EXEC]
            wanted += len(group.at) + 2 + len(asking)
            continue
        for n in group.at:
            step = steps[n]
            full = type(step) is Script and (group.asking or step.name not in known)
            data += [*asking, pack(words(step, full))]
        wanted += len(group.at) * (1 + len(asking))
    return b"".join(data), wanted
