"""Invalidating tags, in O(1) however many values carry them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import CacheConnectionError, CacheError, CacheTimeout
from .draws import draw
from .effects import Command, Plan, Script, Sleep
from .naming import tags as beginning
from .purpose import Due, Whole, change
from .refusals import is_full

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .purpose import Purposeful

__all__ = ["DAY_MS", "bump", "invalidate", "tag_ms"]

DAY_MS = 86_400_000  # how long a tag lives at least
TRIES = 3


def tag_ms(ms: int) -> int:
    """T3: how many ms a tag lives at least, for entries of this ttl; 0 is for ever."""
    return 0 if ms == 0 else max(DAY_MS, 2 * ms)


def invalidate(tags: Sequence[str], namespace: str, purpose: Purposeful, over: Callable[[], bool]) -> Plan[None]:
    """BUMP as a change on purpose (R1); the tags are kept if it raises (J1). ``over``: no time is left for a retry."""
    whole = Whole(beginning(namespace))
    return (yield from change(purpose, bump(tags, over), [Due(tag, whole=whole) for tag in tags]))


def _never() -> bool:
    return False


def bump(tags: Sequence[str], over: Callable[[], bool] = _never) -> Plan[None]:
    """T4: new stamps for these tags, all in one step.

    Every message draws its own stamps: a copy that arrives late must not bring back a stamp that entries carry.
    T5: a full server takes no new stamps, but removes the tags, and a missing tag matches nothing.
    """
    for tries in range(1, TRIES + 1):
        try:
            yield Script("tag_bump", tuple(tags), (DAY_MS, *(draw() for _ in tags)))
            return
        except (CacheConnectionError, CacheTimeout):
            if tries == TRIES or over():
                raise
            yield Sleep(0.01 * tries)
        except CacheError as error:
            if not is_full(error):
                raise
            yield Command(("UNLINK", *tags))
            return
