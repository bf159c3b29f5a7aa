"""The plan of a pipeline: its operations in one MULTI, and behind it the plans that their replies ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..missing import MISSING
from .effects import Batch, original
from .expanded import Expanded, expand, folded
from .op import More
from .tallies import tally
from .through import through

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .effects import Plan, Step
    from .op import Op
    from .tallies import Tally

__all__ = ["Outcome", "together"]


class Outcome(NamedTuple):
    """The outcome of one operation: its value, or the exception in its place, and the facts for observers."""

    value: Any
    tally: Tally | None = None
    more: str = ""  # the name of the operation that was carried out behind the MULTI


def together(ops: Sequence[Op[Any]]) -> Plan[tuple[list[Outcome], Exception | None]]:
    """The outcome of each operation, and the first error with which the server answered one of them."""
    forms = [_form(op) for op in ops]
    sent: list[Step] = []
    for form, op in zip(forms, ops, strict=True):
        sent += (op.step,) if form is None else form.steps
    replies = folded(forms, (yield Batch(sent, atomic=True, keep_errors=True)))
    outcomes = []
    for op, reply in zip(ops, replies, strict=True):
        outcomes.append((yield from _outcome(op, reply)))
    return outcomes, next((reply for reply in replies if isinstance(reply, Exception)), None)


def _form(op: Op[Any]) -> Expanded | None:
    """The steps that are sent for an operation; None if it is only its own step."""
    if op.beside is not None:
        return Expanded((op.step, op.beside), lambda replies: replies[0])
    return expand(op.step, waits=False)


def _outcome(op: Op[Any], reply: object) -> Plan[Outcome]:
    counted, name = None, ""
    try:
        if isinstance(reply, Exception):
            return Outcome(reply)
        value = op.decode(reply)
        if type(value) is More:
            name, value = value.name, (yield from _behind(value))
        counted = tally(op.reads, value)
        if value is not MISSING:
            value = op.finished(value)
        elif op.absent is not None:
            value = op.absent()
            if type(value) is More:
                name, value = value.name, (yield from _behind(value))
        return Outcome(value, counted, name)
    except Exception as error:  # kept, not raised: the error belongs to this result alone
        return Outcome(original(error), counted, name)


def _behind(more: More[Any]) -> Plan[Any]:
    """Carry out the plan that a reply asks for, now that the server has answered the MULTI."""
    if more.alone is not None:
        more.plan.close()
        raise more.alone
    return (yield from through(more.plan))
