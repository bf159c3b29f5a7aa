"""``CACHES_DISABLE=1``: the replies of a server on which every key is missing and no write stays.

Nothing is sent, nothing is needed: each step has its own answer, the one that a real server gives for a
key that does not exist. A test compares them, step by step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..plans.effects import Script
from ..plans.empty import _SCRIPTS, empty_reply
from ..plans.guards import GUARDED, original

if TYPE_CHECKING:
    from ..plans.effects import Step

__all__ = ["_SCRIPTS", "reply"]


def reply(step: Step) -> Any:
    """What the step would have answered on an empty server."""
    if isinstance(step, Script) and step.name.startswith(GUARDED):
        return empty_reply(original(step))
    return empty_reply(step)
