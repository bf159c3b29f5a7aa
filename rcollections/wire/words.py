"""The words of a step on the wire, and the key that errors name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plans.commands import COMMANDS
from ..plans.effects import Command, Script
from ..plans.scripts import source

if TYPE_CHECKING:
    from ..plans.effects import Arg, Step

__all__ = ["key_of", "words"]


def words(step: Step, full_text: bool) -> tuple[Arg, ...]:
    """The words of a step on the wire: of a script its text with ``full_text``, else only its sha1."""
    if isinstance(step, Command):
        return step.args
    script = source(step.name)
    script.check(len(step.keys), len(step.args))
    head: tuple[Arg, ...] = ("EVAL", script.text) if full_text else ("EVALSHA", script.sha)
    return (*head, len(step.keys), *step.keys, *step.args)


def key_of(step: Step) -> str:
    """The first key of a step, for messages; "" for a command of ``raw()`` whose keys we do not know."""
    if isinstance(step, Script):
        return step.keys[0] if step.keys else ""
    facts = COMMANDS.get(step.args[0])
    keys = () if facts is None else facts.keys(step.args)
    return keys[0] if keys and isinstance(keys[0], str) else ""
