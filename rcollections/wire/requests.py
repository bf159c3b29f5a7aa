"""Requests: the bytes of steps, whether they may be sent twice, and what a first try of them has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..plans.effects import Script
from ..plans.steps import repeatable
from .failures import ErrorReply
from .packing import pack
from .translate import is_no_primary
from .words import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..plans.effects import Arg, Step

__all__ = ["Tried", "has_error", "is_safe", "nothing_done", "packed", "unwrapped"]

_MULTI, _EXEC = pack(("MULTI",)), pack(("EXEC",))


class Tried(NamedTuple):
    """What a quick try has seen that the plan has to judge. Its link is lent still, and its steps were sent.

    ``outcome`` is the list of the replies, or the error that came in their place.
    """

    link: Any
    until: float
    outcome: list[Any] | BaseException


def packed(
    known: set[str], steps: Sequence[Step], atomic: bool = False, ahead: Sequence[tuple[Arg, ...]] = ()
) -> tuple[bytes, int]:
    """The bytes of these steps, behind the commands ``ahead``, and how many replies come.

    ``known``: the scripts whose text was sent, so that their sha1 does.
    """
    # In MULTI a missing script would fail alone, between steps that took effect: the text goes along.
    commands = [words(step, atomic or (type(step) is Script and step.name not in known)) for step in steps]
    if len(commands) == 1 and not ahead and not atomic:
        return pack(commands[0]), 1
    data = b"".join(map(pack, (*ahead, *commands)))
    if atomic and not ahead:
        return b"%b%b%b" % (_MULTI, data, _EXEC), len(commands) + 2
    return data, len(ahead) + len(commands)


def is_safe(steps: Sequence[Step], atomic: bool) -> bool:
    """Whether these steps may be sent again while nothing says whether the server has carried them out."""
    return not atomic and all(repeatable(step) for step in steps)


def nothing_done(steps: Sequence[Step], replies: Sequence[object], follows: bool) -> bool:
    """Whether the server refused all steps that may not be sent twice."""
    return all(is_no_primary(reply, follows) or repeatable(step) for step, reply in zip(steps, replies, strict=True))


def unwrapped(replies: list[Any]) -> list[Any]:
    """The replies inside the reply of EXEC. If the server refused to queue one step, it runs none of them."""
    result = replies[-1]
    if isinstance(result, Exception):
        refused = next((reply for reply in replies[1:-1] if isinstance(reply, Exception)), result)
        return [refused] * (len(replies) - 2)
    return list(result)


def has_error(replies: list[Any]) -> bool:
    """Whether there is an error among these replies, or inside the last one, as of EXEC."""
    last = replies[-1]
    return ErrorReply in map(type, replies) or (type(last) is list and ErrorReply in map(type, last))
