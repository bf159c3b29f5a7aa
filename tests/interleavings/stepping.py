"""Stepping a world by hand, to where a story begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rcollections.plans.effects import Call, Command, Script, Wait

if TYPE_CHECKING:
    from tests.interleavings.world import World

__all__ = ["about_to_compute", "queue_behind_the_owner", "until"]


def until(w: World, number: int, kind: type, word: str = "") -> None:
    """Let one actor go on until it asks for this."""
    actor = w.actors[number]
    for _ in range(20):
        effect = actor.effect
        asked = getattr(effect, "name", None) or (effect.args[0] if isinstance(effect, Command) else "")
        if isinstance(effect, kind) and not actor.replied and (not word or asked == word):
            return
        w.step(w.moves(actor)[0])
    raise AssertionError(f"actor {number} never asks for {kind.__name__} {word}")


def about_to_compute(w: World) -> None:
    """Actor 0 has the lease, and asks the source next."""
    until(w, 0, Call)


def queue_behind_the_owner(w: World, size: int = 1) -> None:
    """Actor 0 has the lease and is about to store; that many others queue behind it."""
    until(w, 0, Script, "entry_store")
    for number in range(1, size + 1):
        until(w, number, Command, "MGET")
        until(w, number, Wait)
