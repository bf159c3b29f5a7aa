"""Each guard of the in-process tier: how it looks without it, and the scenario in which that does harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.interleavings.mutants import changed, plans
from tests.interleavings.nearby import nearby
from tests.interleavings.scenario import Parts

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GUARDS", "SCENARIOS"]

SCENARIOS = {scenario.name.removeprefix("near: "): scenario for scenario in nearby()}


def tier(*changes: tuple[str, str]) -> Callable[[], Parts]:
    """The tier with these changes of its text."""
    return lambda: Parts(tier=changed("l1.tier", *changes).Tier)


def proof(*changes: tuple[str, str]) -> Callable[[], Parts]:
    """The rule of pongs with these changes of its text."""
    return lambda: Parts(proof=changed("coherence.proof", *changes).Proof)


LOOK_TEXT = '        seen = yield ReadToHold(job.key, [Command(("MGET", job.key, *job.tags))])\n'

# Name of the guard: the parts that lack it, and the scenario.
DONE = "                    self._busy = False\n"  # the end of a step of the tier

GUARDS: dict[str, tuple[Callable[[], Parts], str]] = {
    "token-only-live": (tier(("        if nodes & ~self._hears:\n            return None\n", "")), "cut while filling"),
    "not live after a loss": (
        tier(("            self._hears = 0 if node is None else self._hears & ~(1 << node)\n", "")),
        "cut while filling"),
    "token-before-read": (
        lambda: plans(("reads", LOOK_TEXT, LOOK_TEXT + "        mine = token(job)\n")), "fill | delete"),
    "fence-seq": (tier(("            or token.seq != self._seqs[hash(token.key) % SEQS]\n", "")), "fill | delete"),
    "fence-epoch": (tier(("            or token.epoch != self._epoch\n", "")), "fill | flush"),
    "fence-epoch, after a loss": (tier(("            or token.epoch != self._epoch\n", "")), "cut while filling"),
    "fence-tags": (
        tier(("        kept = Kept(value, token)\n",
              "        now_marks = tuple((slot, self._marks.get(slot, 0)) for slot, _ in token.watched)\n"
              "        kept = Kept(value, token._replace(watched=now_marks))\n"),
             ("            or any(self._marks.get(slot, 0) != mark for slot, mark in token.watched)\n", "")),
        "fill | bump"),
    "tags of what is held": (
        tier(("            if self._marks.get(slot, 0) != mark:\n", "            if False:\n")),
        "held + own bump cancelled"),
    "messages drop": (tier(("        for each in list(self._origins.get(key, ())):\n", "        for each in ():\n")),
                      "held a while"),
    "flush drops": (tier((f"{DONE}        self.clear()\n", DONE)), "flushed a while ago"),
    "proof": (tier(("        if self._local:\n            return", "        if self._hears:\n            return")),
              "held a while"),
    "previous-ping": (proof(('told.append(("proved", self._before))', 'told.append(("proved", self._asked))')),
                      "busy script"),
    "one ping is not enough": (proof(("        if self._before is not None:\n", "        if True:\n"),
                                     ('("proved", self._before)', '("proved", self._asked)')), "busy script"),
    "only-pong-proves": (
        proof(("            self._asked = self._before = None\n            self._pong = self._confirmed = False\n"
               '            return ("unsure",)\n', "            self._pong = True\n            return ()\n")),
        "busy script"),
    "proof-from-sent": (
        tier(("        now, wall = instant\n", "        now, wall = self.instant()\n")), "held a while"),
    "own writes": (lambda: Parts(own="never"), "held + own put cancelled"),
    "own-after": (lambda: Parts(own="before"), "fill + own delete"),
    "own-after, in finally": (lambda: Parts(own="reply"), "held + own delete without answer"),
    "own-after, cancelled": (lambda: Parts(own="reply"), "held + own delete cancelled"),
    "deadline": (tier(("        now = self._now()\n        if deadline > FOREVER:\n",
                       "        now, deadline = self._now(), 0\n        if deadline > FOREVER:\n")), "its end"),
    "deadline-from-before": (
        lambda: plans(("reads", LOOK_TEXT, LOOK_TEXT + "        sent = yield Now()\n")), "its end"),
    "same-server": (
        lambda: plans(("reads", "    if tiering.answered(job.key, job.tags, seen):\n", "    if True:\n")),
        "two servers"),
    "clear-on-loss": (
        tier(("        if node is None or not self._hears:\n            self.void()\n        else:\n"
              "            self._leave", "        if False:\n            self._leave")), "cut"),
    "fork": (lambda: Parts(fork=False), "fork"),
    "fork, tokens": (lambda: Parts(fork=False), "fork while filling"),
    "sleep": (tier((" and wall < self._until_wall[0]", "")), "sleep"),
    "sleep, past the end": (tier(("drift - before > SLEPT", "False")), "sleep past its end"),
    "store-fill-fenced": (
        lambda: plans(
            ("lease", "        yield from _put(job, token, stamps, VALUE, data, ms, held)\n    return",
             "        yield from _put(job, token, stamps, VALUE, data, ms, held)\n"
             "        from rcollections.plans.functions.held import token as now\n"
             "        if now(job) is not None:\n"
             "            job.recipe.tiering.tier.keep(now(job), *job.held_as, value, 0)\n    return")),
        "nothing stored | delete"),
}  # fmt: skip
