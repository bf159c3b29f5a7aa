"""Takes the steps of a scenario in every order; two orders that lead to the same state go on as one.

Plans are generators, which cannot be copied: a branch begins anew and repeats the choices that led to it.
How many orders the explored steps stand for is counted on the way: the paths through the graph of states.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from rcollections.plans import draws
from tests.interleavings.promises import Broken
from tests.interleavings.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.interleavings.scenario import Scenario

__all__ = ["Explored", "explore", "explore_all"]


class Explored(NamedTuple):
    """What an exploration did."""

    states: int
    steps: int
    runs: int  # orders that were taken to their end or to a state that was known
    orders: int  # orders that this stands for

    def __add__(self, other: Any) -> Explored:
        return Explored(*(one + two for one, two in zip(self, other, strict=True)))

    def __str__(self) -> str:
        return f"{self.runs} orders explored ({self.states} states, {self.steps} steps), standing for {self.orders}"


class _Explorer:
    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.known: dict[Any, int] = {}  # orders from here to an end; 0 while we are in it
        self.steps = 0
        self.runs = 0

    def replay(self, path: list[Any]) -> World:
        world = (self.scenario.world or World)(self.scenario)
        for choice in path:
            world.step(choice)
        return world

    def visit(self, world: World, path: list[Any]) -> int:
        """How many orders there are from here."""
        key = world.key()
        if key in self.known:
            if not self.known[key]:
                raise Broken("the same state again: somebody runs in circles")
            self.runs += 1
            return self.known[key]
        choices = [] if world.ended else world.choices()
        if not choices:
            self.runs += 1
            self.known[key] = 1
            return 1
        self.known[key] = total = 0
        for number, choice in enumerate(choices):
            child = world if number == 0 else self.replay(path)
            path.append(choice)
            self.steps += 1
            child.step(choice)
            total += self.visit(child, path)
            path.pop()
        self.known[key] = total
        return total


def explore(scenario: Scenario) -> Explored:
    """Every order; Broken with the order that broke a promise."""
    explorer = _Explorer(scenario)
    before, limit, path = draws.source[0], sys.getrecursionlimit(), []
    sys.setrecursionlimit(max(limit, 10_000))
    try:
        orders = explorer.visit(explorer.replay([]), path)
    except Broken as broken:
        told = "\n".join(f"  {number}. {line}" for number, line in enumerate(_tell(scenario, path), 1))
        raise Broken(f"{scenario.name}: {broken}\n{told}") from broken
    finally:
        draws.source[0] = before
        sys.setrecursionlimit(limit)
    return Explored(len(explorer.known), explorer.steps, explorer.runs, orders)


def explore_all(scenarios: Iterable[Scenario]) -> Explored:
    """All of these, one after another."""
    total = Explored(0, 0, 0, 0)
    for scenario in scenarios:
        total += explore(scenario)
    return total


def _tell(scenario: Scenario, path: list[Any]) -> list[str]:
    """The order, with what each step was about."""
    world, lines = (scenario.world or World)(scenario), []
    for choice in path:
        about = ""
        if len(choice) > 1 and isinstance(choice[1], int) and choice[1] < len(world.actors) and choice[0] != "late":
            actor = world.actors[choice[1]]
            effect = actor.effect
            about = "begins" if effect is None else "hears the reply" if actor.replied else _name(effect)
        lines.append(f"{' '.join(map(str, choice))}: {about}  (source {world.source}, {world.model.now} ms)")
        try:
            world.step(choice)
        except Broken:
            break
    return lines


def _name(effect: Any) -> str:
    kind = type(effect).__name__
    first = getattr(effect, "name", None) or getattr(effect, "args", None)
    return f"{kind} {first}" if first else kind
