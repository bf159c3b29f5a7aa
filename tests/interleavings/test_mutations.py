"""Every guard is needed: without it the explorer finds an order that breaks a promise, with it none.

Names are those of the protocol; those without a name there say what they are. The guards of the in-process tier are
in ``test_near_mutations.py``. Nowhere here, since what they guard is not built into the plans of cached functions:
clusters (proof-all-nodes, cas, redo-on-changed-tags, reread, fetch-compares-stamps), replicas and failover
(tags-from-primary, era).
"""

from __future__ import annotations

import pytest

from tests.interleavings.collection_guards import COLLECTION_GUARDS
from tests.interleavings.explorer import explore
from tests.interleavings.guards import GUARDS
from tests.interleavings.keeping_guards import KEEPING_GUARDS
from tests.interleavings.promises import Broken

ALL = {**GUARDS, **KEEPING_GUARDS, **{f"collections: {name}": guard for name, guard in COLLECTION_GUARDS.items()}}


LONG = {  # it takes many orders to find what they keep out
    "what deletes drops the mark", "old errors, in the process", "old errors, between processes",
    "old errors, of what is kept", "kept names take the lease along", "collections: free what nobody heard of",
    "join-validates", "kept again, under way", "keep what failed, of tags",
}  # fmt: skip
assert ALL.keys() > LONG


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in ALL])
def test_the_guard_is_needed(name: str) -> None:
    """The same scenario holds with the guard and breaks without it."""
    guard = ALL[name]
    explore(guard.scenario.but(name=name))
    with pytest.raises(Broken) as broken:
        explore(guard.scenario.but(name=name, parts=guard.without()))
    print(broken.value)
