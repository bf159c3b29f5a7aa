"""Carries out the trips of a cluster on the calling thread: send to all nodes, then read all replies."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...errors import CacheError
from ...wire.failures import Late
from ...wire.routes import Fan
from .blocking import took

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...wire.routes import Hop
    from ...wire.routing import Routing

__all__ = ["fan", "tour"]

SMALL = 1 << 15  # bytes that a socket takes at once: more are sent and answered one node after another


def tour(plan: Routing, timeout: float) -> list[object]:
    """Carry out the plan of a trip to a cluster."""
    began = time.monotonic()
    try:
        effect: Any = plan.send(None)
        while True:
            reply: object = None
            try:
                if type(effect) is Fan:
                    reply = fan(effect.hops, effect.until, timeout)
                else:
                    time.sleep(effect.seconds)
            except BaseException as error:
                effect = plan.throw(error)
            else:
                effect = plan.send(reply)
    except StopIteration as end:
        replies: list[object] = end.value
    except BaseException:
        plan.close()
        raise
    took(began)
    return replies


def fan(hops: Sequence[Hop], until: float, timeout: float) -> list[Any]:
    """The replies of each hop, or the error in their place."""
    outcomes: list[Any] = [None] * len(hops)
    lent: dict[int, Any] = {}
    me = object()
    try:
        for n, hop in enumerate(hops):
            node: Any = hop.node
            try:
                link = lent[n] = (node.links.pool or node.links.open_pool()).acquire(until)
                link.lent = me
                if len(hops) > 1:
                    _post(link, hop.data, until)
            except (CacheError, OSError, Exception) as error:
                outcomes[n] = error
                _drop(lent.pop(n, None))
        for n, link in list(lent.items()):
            data = hops[n].data if len(hops) == 1 or len(hops[n].data) > SMALL else b""
            try:
                outcomes[n] = link.exchange(data, hops[n].wanted, until, timeout)
            except Exception as error:
                outcomes[n] = error
                _drop(lent.pop(n))
            else:
                del lent[n]
                link.release()
    except BaseException:
        for link in lent.values():
            if link.lent is me:
                _drop(link)
        raise
    return outcomes


def _post(link: Any, data: bytes, until: float) -> None:
    """Send few bytes; many are left to ``exchange``, which reads meanwhile."""
    if len(data) > SMALL:
        return
    left = until - time.monotonic()
    if left <= 0:
        raise Late(silent=False)
    try:
        link.put(data, left)
    except TimeoutError:
        raise Late(silent=False) from None


def _drop(link: Any) -> None:
    if link is not None:
        with suppress(OSError):
            link.discard()
