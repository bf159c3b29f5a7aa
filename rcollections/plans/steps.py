"""The facts about a step: whether it may be sent again, which keys it writes, its reply on an empty server.

They stand in the table of commands and in the headers of scripts; this file asks both in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .commands import COMMANDS, answer
from .effects import Command, Script
from .scripts import original, source

if TYPE_CHECKING:
    from .effects import Step

__all__ = ["CHANGES_NOTHING", "decides", "empty_reply", "reads", "repeatable", "writes", "written"]

# Every trip asks for these facts, so each is one look into a set.
_REPEATED = frozenset(name for name, facts in COMMANDS.items() if facts.repeat)
CHANGES_NOTHING = frozenset(name for name, facts in COMMANDS.items() if not facts.writes)


def repeatable(step: Step) -> bool:
    """Whether a step may be sent again while nothing says whether the server has carried it out."""
    if isinstance(step, Script):
        return source(step.name).header.repeat
    return step.args[0] in _REPEATED


def reads(step: Step) -> bool:
    """Whether a step reads data, and changes nothing."""
    if isinstance(step, Script):
        return source(step.name).header.writes is None
    return step.args[0] in _REPEATED and step.args[0] in CHANGES_NOTHING


def writes(step: Step) -> bool:
    """Whether a step may change what others read; of a command that nobody knows it is taken for granted."""
    if isinstance(step, Script):
        return source(step.name).header.writes is not None
    return step.args[0] not in CHANGES_NOTHING


def decides(step: Step) -> bool:
    """Whether the caller of a step acts on its reply (what was taken out, what a sum is now): none may be made up."""
    if isinstance(step, Script):
        script = source(step.name)
        return script.header.decides(original(step) if script.guarded else step)
    facts = COMMANDS.get(step.args[0])
    return facts is None or facts.decides


def written(step: Step, apart: tuple[str, ...]) -> tuple[Any, ...] | None:
    """The keys that a step may change; None if they are not known. Those that begin like ``apart`` do not count: the
    keys of tags and of leases.

    Of the changes of a tag only an invalidation counts; making a missing tag does not. A lease that a script changes
    does not count either.
    """
    if isinstance(step, Script):
        script = source(step.name)
        writes = script.header.writes
        if writes is None:
            return ()
        if not script.guarded:
            return writes.keys(step)
        return tuple(key for key in step.keys if not key.startswith(apart))  # the keys of guards stay in
    if step.args[0] in CHANGES_NOTHING:
        return ()
    facts = COMMANDS.get(step.args[0])
    return None if facts is None else facts.keys(step.args)


def empty_reply(step: Step) -> Any:
    """The reply of an empty server to this step; an error (not raised) if only a real server could tell."""
    if isinstance(step, Command):
        return answer(step.args)
    script = source(step.name)
    return script.header.empty(original(step) if script.guarded else step)
