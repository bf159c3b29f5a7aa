"""Which operations a replica may answer (M5, K10): plain reads, that no later step compares with anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..effects import Command
from ..slots import keys_of
from ..steps import reads

if TYPE_CHECKING:
    from ..effects import Step
    from ..op import Op

__all__ = ["halves", "may_be_afar"]


def may_be_afar(op: Op[Any]) -> bool:
    """Whether the reply of this operation may be a moment old."""
    return op.name != "gets" and not op.operands and op.beside is None and reads(op.step)


def halves(step: Step, tags: str) -> tuple[Step | None, Step | None]:
    """What a replica is asked, and what the primary: keys that begin like ``tags`` are those of tags.

    The reply to the step is the reply of the replica, and behind it that of the primary.
    """
    keys = keys_of(step)
    stamps = [key for key in keys if key.startswith(tags)]
    if not stamps:
        return step, None
    own = len(keys) - len(stamps)
    if not isinstance(step, Command) or step.args[0] != "MGET" or not own or list(keys[own:]) != stamps:
        return None, step
    return Command(("MGET", *keys[:own])), Command(("MGET", *stamps))
