"""One computation per lease: where no fault was near, nobody computes what another caller computes already."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from .functions import names_of
from .losses import slot_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .check import Report
    from .faults import Fault

__all__ = ["check_computations"]

TURN = 200_000_000  # ns between getting a lease and the first line of the function, on a busy machine
NEAR = 5_000_000_000  # ns after a fault in which leases of the time before it may still end


def check_computations(report: Report, histories: Mapping[str, Sequence[list[Any]]], faults: Sequence[Fault]) -> None:
    """Two computations of one key at a time need a change of the key, a stall of the owner, or a fault."""
    computed: defaultdict[tuple[str, int], list[tuple[int, int, str]]] = defaultdict(list)
    changes: defaultdict[int, list[list[float]]] = defaultdict(list)  # from its commit until it was told, or for ever
    stalls: dict[str, list[tuple[int, int]]] = {}
    for worker, history in histories.items():
        stalls[worker] = [(facts[0], facts[1]) for kind, *facts in history if kind == "stall"]
        for kind, *facts in history:
            if kind == "compute":
                computed[facts[2], facts[3]].append((facts[0], facts[1], worker))
            elif kind == "change":
                changes[facts[1]].append([facts[0], float("inf")])
            elif kind == "told":
                changes[facts[1]][-1][1] = facts[0]
    for (name, key), found in computed.items():
        found.sort()
        slots = {slot_of(each) for each in names_of(name, key)}
        near = [each for each in faults if each.slots is None or not each.slots.isdisjoint(slots)]
        for (began, ended, worker), (later, _, other) in itertools.pairwise(found):
            if any(each.began < later and each.ended + NEAR > began for each in near):
                continue
            report.checked["computations"] += 1
            changed = any(start <= later and end + TURN >= began for start, end in changes[key])
            stalled = any(start < ended and end > began for start, end in stalls[worker])
            if later < ended and not changed and not stalled:
                report.breach(f"{other} computed {name}({key}) at {later} while {worker} did, from {began} on")
