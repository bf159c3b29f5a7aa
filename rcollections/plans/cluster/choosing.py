"""Which form a step gets whose keys lie in several slots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import CacheError
from ..commands import COMMANDS
from ..effects import Script
from ..naming import tags as beginning
from ..slots import by_slot, several
from .brought import Bringing
from .forms import Plain
from .splits import split
from .stamped import PLACES, SetMany, Stamped, guarding, is_guarded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..effects import Step
    from .forms import Facts, Form, Space

__all__ = ["form_of"]


def form_of(step: Step, space: Space) -> Form:
    """The form of one step; CacheError for one that a cluster cannot carry out."""
    if not several(step):
        return Plain(step)
    if isinstance(step, Script):
        return _of_script(step, space)
    made = split(step)
    if made is not None:
        return made
    facts = COMMANDS.get(step.args[0])
    if facts is None or facts.writes:
        raise CacheError(f"{step.args[0]!s} takes keys of one slot in a cluster: give these keys one {{hash tag}}")
    return Bringing(step, (), space)


def _of_script(step: Script, space: Space) -> Form:
    made = split(step)
    if made is not None:
        return made
    if is_guarded(step):
        return Bringing(step, guarding(step).tags, space)
    first = beginning(space.namespace)
    tags = [key for key in step.keys if key.startswith(first)]
    if step.name == "lease_free" and len(step.args) < PLACES[step.name].at:  # no mark is left, so no stamps are asked
        return Plain(Script(step.name, step.keys[:1], step.args))
    if step.name == "entry_set_many":
        return _set_many(step, tags)
    if tags and not several(Script(step.name, step.keys[: len(step.keys) - len(tags)], ())):
        return Stamped(step, tags, PLACES[step.name])
    if tags:
        return Both(step, tags, space)
    return Bringing(step, (), space)


def _set_many(step: Script, tags: Sequence[str]) -> Form:
    return SetMany(step, tags, list(by_slot(step.keys[: int(step.args[0])]).values()))


class Both:
    """A script with stamps from elsewhere and an operand from elsewhere: a copy of an entry."""

    def __init__(self, step: Script, tags: Sequence[str], space: Space) -> None:
        self._stamped = Stamped(step, tags, PLACES[step.name])
        self._plain = Script(step.name, step.keys[: len(step.keys) - len(tags)], step.args)
        self._space = space
        self.tags = self._stamped.tags
        self._bringing = Bringing(self._plain, (), space)
        self.brings = self._bringing.brings
        self.home = self._bringing.home
        self.guards = self._bringing.guards
        self.answers = self._bringing.answers

    def looks(self) -> Sequence[Step]:
        """Nothing: of an entry that is read for a copy nothing is lost."""
        return ()

    def looked(self, _replies: Sequence[Any]) -> None:
        """Nothing was seen."""

    def steps(self, facts: Facts) -> Sequence[Step]:
        """The copies, the script with the stamps, and the end of the copies."""
        (made,) = self._stamped.steps(facts)
        self._bringing = Bringing(made, (), self._space)
        return self._bringing.steps(facts)

    def fold(self, replies: Sequence[Any]) -> Any:
        """Its reply."""
        reply = self._bringing.fold(replies)
        return reply if isinstance(reply, Exception) else self._stamped.fold((reply,))
