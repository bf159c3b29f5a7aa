"""Rules M1 to M4 and M7 in every order: a failover by sentinels whose old primary lives; each guard left out does harm.

M5 and M6 say whom a call may ask, and do not depend on any order: ``tests/test_read_replicas.py`` and
``tests/test_sentinel.py`` have them.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.interleavings.sentinel_world import BrokenPromiseError, Parts, World, parts
from tests.interleavings.test_two_nodes import orders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Step = Callable[[World], Any]


class Story(NamedTuple):
    """What everybody does, each in his order; ``ends`` is what happens when all is done."""

    actors: tuple[tuple[Step, ...], ...]
    ends: tuple[Step, ...] = ()
    held: bool = False  # whether a value is held at first
    facts: Mapping[str, Any] = MappingProxyType({})  # of the world


FAILOVER: tuple[Step, ...] = (World.failover, World.change)
HEARD: tuple[Step, ...] = (World.promote, World.hear_two)
PROOF: tuple[Step, ...] = (World.ping, World.pong)
ROUND: tuple[Step, ...] = (World.ask, World.answer)
TIME: tuple[Step, ...] = (World.tick, World.tick)
RENEWED: tuple[Step, ...] = (World.read, World.renew, World.read)
INVALIDATION: tuple[Step, ...] = (World.send, World.acknowledged, World.read)
AT_LAST: tuple[Step, ...] = (World.round, World.read)
HELD = Story((FAILOVER, PROOF, ROUND, TIME), (World.hit,), held=True)


def one_answers(world: World) -> None:
    """From now on only the sentinel that has not heard of the failover can be reached."""
    world.answering = (2,)


STORIES = {
    "a held value": HELD,
    "a held value, and answers from before": HELD._replace(facts={"early": True}),
    "a held value, and one sentinel": HELD._replace(facts={"answering": (2,)}),
    "a reply on its way": Story(
        ((*HEARD, World.change), (World.take, World.fetch, World.bring, World.hit), ROUND)),
    "a sentinel that has not heard": Story((HEARD, (World.round, one_answers, World.round), RENEWED)),
    "a connection breaks": Story((HEARD, (World.read, World.lost_link, World.read), (*ROUND, World.demote))),
    "the primary changes while a link is opened": Story(
        ((World.failover,), RENEWED, (World.round, World.demote)), facts={"races": True}),
    "the old one becomes a replica": Story(
        ((World.promote, World.demote), RENEWED, ROUND), facts={"answering": (2,)}),
    "an invalidation": Story((HEARD, INVALIDATION, ROUND), AT_LAST),
    "an invalidation, and somebody who reads meanwhile": Story(
        (HEARD, INVALIDATION, ROUND), AT_LAST, facts={"races": True}),
}  # fmt: skip


def explore(name: str, made: Parts) -> int:
    story = STORIES[name]
    count = 0
    for order in orders([[(step, 0) for step in actor] for actor in story.actors]):
        world = World(made, **story.facts)
        if story.held:
            world.take()
            world.fetch()
            world.bring()
        for step, _ in order:
            step(world)
        for step in story.ends:
            step(world)
        count += 1
    return count


@pytest.mark.parametrize("name", STORIES)
def test_it_holds_in_every_order(name: str) -> None:
    assert explore(name, parts()) > 50


DOUBT = "        self._want(self._begun + 1)\n\n    def asked_since"
KEPT = "                    self._tell(lambda each: each.moved(found))\n"
GUARDS: dict[str, tuple[str, dict[str, tuple[tuple[str, str], ...]]]] = {
    "a majority of sentinels": ("a held value, and one sentinel", {
        "words": (("return 2 * self.agree > self.known", "return self.agree > 0"),)}),
    "a minority of sentinels proves nothing": ("a held value, and one sentinel", {
        "surety": (("return verdict.proven", "return True"),)}),
    "sentinels are asked behind the instant": ("a held value", {
        "watch": (("verdict.began >= instant and ", ""),)}),
    "a verdict is as old as its question": ("a held value, and answers from before", {
        "words": (("known, began, witness", "known, began + 10**9, witness"),)}),
    "the ear hears the primary": ("a held value", {
        "followed": (("        self._connection.hearing.left(verdict.address)\n", ""),),
        "surety": (('raise ConnectionError("the sentinels name another server")', "pass"),)}),
    "an older word of few sentinels": ("a sentinel that has not heard", {
        "words": (("if not found.proven and before is not None and before.epoch > found.epoch:", "if False:"),)}),
    "a new link asks ROLE": ("the old one becomes a replica", {
        "following": (('told in ("master", "") and', "told and"),)}),
    "a new link looks whom sentinels name by now": ("the primary changes while a link is opened", {
        "following": (("(verdict is None or verdict.address == address)", "True"),)}),
    "doubts are told": ("a connection breaks", {
        "followed": (("        self.watch.doubt()\n", "        pass\n"),)}),
    "who connects behind a doubt waits": ("a connection breaks", {
        "watch": (("wanted = max(self._wanted, self._done)", "wanted = self._done"),)}),
    "a doubt is answered by a later question": ("a connection breaks", {
        "watch": ((DOUBT, DOUBT.replace(" + 1", "")),)}),
    "links to an old primary go": ("an invalidation", {
        "followed": (("            connection.links.renew()\n        finally", "            pass\n        finally"),)}),
    "the journal, then the new primary": ("an invalidation, and somebody who reads meanwhile", {
        "watch": ((KEPT, "                    self.verdict = found\n" + KEPT),)}),
    "keep what was acknowledged lately": ("an invalidation", {
        "followed": (("        self._connection.kept.again(verdict.down_after)\n", ""),
                     ("            connection.kept.again(self._down_after, begins=False)\n", "            pass\n"))}),
    "keep what was acknowledged meanwhile": ("an invalidation", {
        "handovers": (("moved = self.handovers != since or self._between", "moved = False"),)}),
}  # fmt: skip


@pytest.mark.parametrize("name", GUARDS)
def test_the_guard_is_needed(name: str) -> None:
    story, changes = GUARDS[name]
    with pytest.raises(BrokenPromiseError):
        explore(story, parts(**changes))
