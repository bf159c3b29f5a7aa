"""Rule Z1 in every order: nobody serves what was settled; and each guard left out does harm."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interleavings.mutants import changed
from tests.interleavings.settling_world import Ear, Old, Story, explore

STORIES = {
    "a change": Story(),
    "past a busy script": Story(busy=True, ticks=2),
    "a process that starts": Story(starts=True, ticks=2),
    "an ear that breaks off": Story(drops=True, ticks=1),
}


def plan(*changes: tuple[str, str]) -> Any:
    return changed("plans.settling", *changes)


ASK = 'InTurn((Command(("PING",)), Script("settle_ask", (where.key,), (where.channel, *gone))))'
END = "now >= mine.acked + longest:\n                break"
MUTANTS = {
    "answers are waited for": STORIES["a change"]._replace(
        plan=plan(("            if (not open_ and not unknown)", "            if (not unknown)"))
    ),
    "an answer is of this round": STORIES["a change"]._replace(
        changes=2, ticks=1, plan=plan(("int(last) >= number", "int(last) >= min(number, 1)"))
    ),
    "staleness is waited out": STORIES["a change"]._replace(
        plan=plan((END, END.replace("longest", "longest - 1")))
    ),
    "a PING goes ahead": STORIES["past a busy script"]._replace(
        plan=plan((ASK, 'InTurn((Script("settle_ask", (where.key,), (where.channel, *gone)),))'),
                  ("pong, reply = yield", "(reply,) = yield"), ('pong != b"PONG" or ', ""))
    ),
    "it enters before it is live": STORIES["a process that starts"]._replace(ear=Ear(enters_first=False)),
    "it answers after it has applied": STORIES["a change"]._replace(ear=Ear(answers_behind=False)),
    "it leaves after L1 was emptied": STORIES["an ear that breaks off"]._replace(ear=Ear(leaves_last=False)),
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_nobody_serves_what_was_settled(name: str) -> None:
    assert explore(STORIES[name]) > 100


@pytest.mark.parametrize("name", MUTANTS)
def test_each_guard_is_needed(name: str) -> None:
    with pytest.raises(Old):
        explore(MUTANTS[name])
