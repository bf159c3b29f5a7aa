"""A read whose entry a replica gives, against an invalidation and a replication that is behind, in every order (K10).

Promised is: who begins to read when an invalidation of a tag has returned never gets a value from before it, however
far behind the replica is. A mutation (the stamps from the replica as well) has to be found.
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

from rcollections.plans.collections import afar
from rcollections.plans.effects import Command
from rcollections.plans.entries import VALUE, head, unpack
from rcollections.plans.slots import keys_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

TAG, KEY = "rc:t:a", "k"
OLD, NEW = b"11111111", b"22222222"  # stamps
READ = Command(("MGET", KEY, TAG))


def entry(stamp: bytes, value: bytes) -> bytes:
    return head(VALUE, 0, 1, value) + stamp + value


class World:
    """A primary, and a replica that has heard of its first writes."""

    def __init__(self) -> None:
        self.primary = {KEY: entry(OLD, b"old"), TAG: OLD}
        self.replica = dict(self.primary)
        self.log: list[tuple[str, bytes]] = []
        self.told = False  # whether the invalidation has returned
        self.late = False  # whether the read began behind that
        self.found: dict[str, bytes | None] = {}

    def write(self, key: str, value: bytes) -> None:
        self.primary[key] = value
        self.log.append((key, value))

    # -- steps

    def bump(self) -> None:
        self.write(TAG, NEW)

    def tell(self) -> None:
        self.told = True

    def store(self) -> None:
        self.write(KEY, entry(NEW, b"new"))

    def hear(self) -> None:
        if self.log:
            key, value = self.log.pop(0)
            self.replica[key] = value

    def begin(self) -> None:
        self.late = self.told

    def ask(self, part: int) -> None:
        step, server = afar.halves(READ, "rc:t:")[part], (self.replica, self.primary)[part]
        for key in () if step is None else keys_of(step):
            self.found[key] = server.get(key)

    def value(self) -> bytes | None:
        """What the reader takes the reply for."""
        data, stamp = self.found.get(KEY), self.found.get(TAG)
        seen = None if data is None else unpack(data)
        return None if seen is None or seen.stamps != (stamp,) else seen.value


def orders() -> Iterator[World]:
    """Every order of the writer's steps, the reader's, and the replication's."""
    lines = ["writer"] * 3 + ["reader"] * 3 + ["replication"] * 2
    for order in sorted(set(permutations(lines))):
        for first in (0, 1):
            world = World()
            steps: dict[str, Any] = {
                "writer": iter((world.bump, world.tell, world.store)),
                "reader": iter((world.begin, lambda w=world, n=first: w.ask(n), lambda w=world, n=1 - first: w.ask(n))),
                "replication": iter((world.hear, world.hear)),
            }
            for line in order:
                next(steps[line])()
            yield world


def kept() -> bool:
    """Whether the promise holds in every order, and hits are met at all."""
    met = set()
    for world in orders():
        value = world.value()
        met.add(value)
        if world.late and value == b"old":
            return False
    assert met == {None, b"old", b"new"}
    return True


def test_no_value_from_before_an_invalidation() -> None:
    assert kept()


def test_stamps_of_the_replica_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(afar, "halves", lambda step, _: (step, None))
    assert not kept()
