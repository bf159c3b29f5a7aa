"""The stories of callers without a server, and the guards of rule W7: how the plan looks without each."""

from __future__ import annotations

from typing import Any

from tests.interleavings.mutants import changed
from tests.interleavings.unserved_world import Story

__all__ = ["STORIES", "UNSERVED_GUARDS"]

ALL = ("thread", "A", "B")
STORIES = {
    "a thread and two loops": Story(ALL),
    "threads and tasks": Story(("thread", "thread", "A", "A")),
    "a change": Story(ALL, changes=1),
    "one goes away": Story(ALL, leaves=1),
    "two go away": Story(ALL, leaves=2),
    "a computation fails": Story(ALL, fails=1),
    "a change, and a computation fails": Story(("thread", "A"), fails=1, changes=2),
    "a loop stops": Story(ALL, stops="A"),
    "a loop stops, and one goes away": Story(ALL, stops="A", leaves=1, changes=1),
    "a def inside of a loop": Story(("in A", "A", "thread")),
    "a def inside of a loop, and a change": Story(("in A", "A", "B"), changes=1, leaves=1),
    "nothing to share": Story(ALL, alone=True),
}


def plan(*changes: tuple[str, str]) -> Any:
    return changed("plans.functions.unserved", *changes)


def table(*changes: tuple[str, str]) -> Any:
    return changed("plans.flights", *changes)


UNSERVED_GUARDS = {
    "unserved: the table is that of all": STORIES["a thread and two loops"]._replace(
        flights=table(("{} if like is None else like.unserved", "{}"))
    ),
    "unserved: a change ends the sharing": STORIES["a change"]._replace(
        flights=table(("there is not mine and there.begun != self.changes.count", "False"))
    ),
    "unserved: its end is told": STORIES["one goes away"]._replace(
        plan=plan(("    try:\n        job.recipe.flights.unshare(job.key, mine)\n        mine.end()\n",
                   "    try:\n        job.recipe.flights.unshare(job.key, mine)\n"))
    ),
    "unserved: nobody finds it after its end": STORIES["a change, and a computation fails"]._replace(
        flights=table(("            del self.unserved[key]\n", "            pass\n"),
                      ("there is not mine and there.begun != self.changes.count", "False"))
    ),
    "unserved: a loop is looked at": STORIES["a loop stops"]._replace(
        plan=plan(("            yield from _watch(signal, home)", "            yield Wait(signal)"))
    ),
    "unserved: a loop is not waited for inside of it": STORIES["a def inside of a loop"]._replace(
        plan=plan(("there.needs(here)", "False"))
    ),
}  # fmt: skip
