"""Which operations a replica may answer (M5): plain reads of one key, that no later step compares with anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..steps import reads

if TYPE_CHECKING:
    from ..op import Op

__all__ = ["may_be_afar"]


def may_be_afar(op: Op[Any]) -> bool:
    """Whether the reply of this operation may be a moment old."""
    return op.name != "gets" and not op.operands and op.beside is None and reads(op.step)
