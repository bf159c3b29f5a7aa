"""The scenarios of the journal, and its guards: how it looks without each, and the scenario in which that does harm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcollections.plans.purpose import removal
from rcollections.servers.journal import Journal
from tests.interleavings.catalog import ACTORS
from tests.interleavings.guards import MISSING, Guard
from tests.interleavings.keeping import KeepingPromises, KeepingWorld, kept_bump, kept_delete, put_after
from tests.interleavings.mutants import plans
from tests.interleavings.scenario import TAG, Parts, Scenario, cold, stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rcollections.plans.effects import Step
    from rcollections.plans.purpose import Due
    from rcollections.wire.due import Taken

__all__ = ["KEEPING_GUARDS", "keepings"]

CALL = ACTORS["call"]


def keeping(name: str, *processes: tuple[Any, ...], fails: str, **settings: Any) -> Scenario:
    """Messages of one script may get no answer; whatever could not be sent is kept."""
    given = {"faults": 1, "initial": stored(), "after": (CALL,), "split": True, **settings}
    return Scenario(processes, name, may_fail=(fails,), world=KeepingWorld, promises=KeepingPromises, **given)


DELETE = keeping("kept deletion | call", (kept_delete(),), (CALL,), fails="entry_delete")
COLD = keeping("kept deletion | call (cold)", (kept_delete(),), (CALL,), fails="entry_delete", initial=cold)
TWICE = keeping(
    "two kept deletions | call", (kept_delete(2, then_calls=False),), (CALL,), fails="entry_delete", faults=2
)
BUMP = keeping(
    "kept bump | call", (kept_bump(TAG),), (CALL,), fails="tag_bump", tags=(TAG,), initial=stored(tags=(TAG,))
)
MISSED = keeping("missing + kept deletion", (MISSING, kept_delete(of=MISSING)), fails="entry_delete", initial=cold)
PUT = keeping("kept deletion, put", (put_after,), fails="entry_delete", plain_writers=1)


def keepings() -> Iterator[Scenario]:
    """All of them."""
    yield from (DELETE, COLD, TWICE, BUMP, PUT, MISSED)
    yield keeping("kept deletion + call", (kept_delete(), CALL), fails="entry_delete")


class Forgetful(Journal):
    """Keeps nothing."""

    def keep(self, dues: Sequence[Due]) -> None:
        """Nothing."""


class Hasty(Journal):
    """No trip waits for another one."""

    def waits(self, words: frozenset[str]) -> bool:
        return False


class Careless(Journal):
    """An answer takes a name out, whatever was kept meanwhile."""

    def delivered(self, taken: Taken) -> None:
        super().delivered(taken)
        for due, _ in taken.dues:
            self._drop(due.key)


def entries_only(dues: Sequence[Due]) -> list[Step]:
    """The leases stay."""
    return removal([due._replace(lease="") for due in dues])


KEEPING_GUARDS: dict[str, Guard] = {
    "keep what failed": Guard(lambda: Parts(journal=Forgetful), DELETE),
    "keep what failed, of tags": Guard(lambda: Parts(journal=Forgetful), BUMP),
    "kept names go first": Guard(lambda: Parts(ahead=False), DELETE),
    "kept names take the lease along": Guard(lambda: Parts(removal=entries_only), COLD),
    "old errors, of what is kept": Guard(
        lambda: plans(("lease", "        shared = shared and job.number == before", "        shared = shared")), MISSED
    ),
    "one trip carries a name": Guard(lambda: Parts(journal=Hasty), PUT),
    "kept again, under way": Guard(lambda: Parts(journal=Careless), TWICE),
}
