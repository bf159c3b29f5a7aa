"""What is known about a step, a command or a script: whether it may be repeated, what it writes, its empty reply.

The facts are those of the table of commands and of the headers of scripts; here both are asked in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .commands import COMMANDS, answer
from .effects import Command, Script
from .scripts import original, source

if TYPE_CHECKING:
    from .effects import Step

__all__ = ["empty_reply", "repeatable", "written"]

# Asked at each trip, so looked up at once.
_REPEATED = frozenset(name for name, facts in COMMANDS.items() if facts.repeat)
_CHANGES_NOTHING = frozenset(name for name, facts in COMMANDS.items() if not facts.writes)


def repeatable(step: Step) -> bool:
    """Whether it may be sent again when nobody knows whether the server has carried it out."""
    if isinstance(step, Script):
        return source(step.name).header.repeat
    return step.args[0] in _REPEATED


def written(step: Step, tags: str) -> tuple[Any, ...] | None:
    """The keys that a step may change; None if that cannot be told. ``tags`` is what the keys of tags begin with.

    Of tags and leases only the invalidation counts: making a tag that is missing changes nothing that counts.
    """
    if isinstance(step, Script):
        script = source(step.name)
        writes = script.header.writes
        if writes is None:
            return ()
        if not script.guarded:
            return writes.keys(step)
        return tuple(key for key in step.keys if not key.startswith((tags, "rc:l:")))  # the guards beside, too
    if step.args[0] in _CHANGES_NOTHING:
        return ()
    facts = COMMANDS.get(step.args[0])
    return None if facts is None else facts.keys(step.args)


def empty_reply(step: Step) -> Any:
    """What the step would have answered on an empty server; an error stands for an answer that only a real one has."""
    if isinstance(step, Command):
        return answer(step.args)
    script = source(step.name)
    return script.header.empty(original(step) if script.guarded else step)
