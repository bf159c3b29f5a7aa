"""What is promised of tagged collections, checked at every step; the books are those of ``promises.py``, and more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcollections.plans.effects import Script
from tests.interleavings.parts import LEASE
from tests.interleavings.promises import Broken, Promises

if TYPE_CHECKING:
    from tests.interleavings.parts import Actor
    from tests.interleavings.world import World

__all__ = ["ADDED", "REPLACED", "CollectionPromises"]

ADDED, REPLACED = 1000, 2000  # above these: members of a caller's own, and versions that replaced everything


class CollectionPromises(Promises):
    """Versions below ``ADDED`` were read from the source, by load() or with ``since``."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.owed: set[int] = set()  # plain writes of this generation: they must be there
        self.dead: set[int] = set()  # those of generations that have ended: they must not

    def state(self) -> Any:
        return super().state(), sorted(self.owed), sorted(self.dead)

    def evicted(self, key: str) -> None:
        super().evicted(key)
        if key != LEASE:
            self.owed.clear()  # a miss, and no more than that

    # -- told by actors ----------------------------------------------------------------------------

    def begins_to_look(self) -> None:
        """A read begins."""
        actor = self.world.current
        assert actor is not None
        actor.note = (max(self.floor, self.fresh_floor), tuple(sorted(self.owed)), tuple(sorted(self.dead)))

    def looked(self, found: set[int]) -> None:
        """It has ended, and this is what it saw."""
        actor, scenario = self.world.current, self.world.scenario
        assert actor is not None
        floor, owed, dead = actor.note
        for each in found:
            by_hand = each >= ADDED
            if each >= REPLACED and scenario.plain_writers > 1:
                continue  # of several, the last at the server wins
            if (not by_hand or each >= REPLACED) and each % ADDED < floor:
                raise Broken(f"a read saw {each % ADDED}, although {floor} was told to the cache before it began")
        lost = (set(owed) & self.owed) - found
        if lost:
            raise Broken(f"{lost} was written in this generation, and is not there")
        if found & set(dead) & self.dead:
            raise Broken(f"{found & set(dead)} was there before its generation ended, and is there again")
        if scenario.options.get("loads") and all(ADDED <= each < REPLACED for each in found):
            raise Broken(f"load() was to fill it before it is read, and it reads as {found or 'empty'}")

    # -- told by the world -------------------------------------------------------------------------

    def served(self, actor: Actor | None, step: Any, reply: Any) -> None:
        super().served(actor, step, reply)
        if not isinstance(step, Script):
            return
        name = step.name.removeprefix("guarded:")
        if name == "tag_bump":
            self._ends()
        elif name == "key_clear":
            self._ends()
            self.holder = None
        elif name == "guard_open" and reply[0] == b"lease":
            if self.valid() is not None:
                raise Broken("two have the lease")
            self.holder, self.holder_until = bytes(step.args[2]), self.world.model.now + int(step.args[3])
        elif name in ("set_add", "set_replace") and reply[0] == b"ok":
            if name == "set_replace":
                self._ends()
            own = {int(each) for each in step.args if isinstance(each, bytes) and each.isdigit() and int(each) >= ADDED}
            self.owed |= own
            self.dead -= own

    def _ends(self) -> None:
        self.dead |= self.owed
        self.owed = set()
