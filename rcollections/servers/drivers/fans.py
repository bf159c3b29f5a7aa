"""Carries out the trips of a cluster on the calling thread: send to all nodes, then read all replies."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...errors import CacheError
from ...plans.effects import Seen
from ...plans.slots import slot_of
from ...wire.asked import WHO, named
from ...wire.failures import FAILURES, Late
from ...wire.links.marks import INCOMPLETE
from ...wire.routes import Fan
from ...wire.run_id import UNKNOWN
from .blocking import took

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...wire.routes import Hop
    from ...wire.routing import Routing

__all__ = ["answered", "both", "fan", "seen_by", "tour"]

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
                    reply = fan(effect.hops, effect.until, timeout, effect.servers)
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


def fan(hops: Sequence[Hop], until: float, timeout: float, servers: list[bytes] | None = None) -> list[Any]:
    """The replies of each hop, or the error in their place; see ``Fan``."""
    outcomes: list[Any] = [None] * len(hops)
    data: list[bytes] = [hop.data for hop in hops]
    lent: dict[int, Any] = {}
    me = object()
    try:
        for n, hop in enumerate(hops):
            node: Any = hop.node
            try:
                if until <= time.monotonic():  # a link that nobody has the time to open tells nothing of the node
                    raise Late(silent=False)
                link = lent[n] = (node.links.pool or node.links.open_pool()).acquire(until)
                link.lent = me
                if servers is not None and link.server is None:
                    data[n] = WHO + hop.data
                _post(link, data[n], until, timeout)
            except (CacheError, *FAILURES) as error:
                outcomes[n] = error
                _drop(lent.pop(n, None))
        for n, link in lent.items():
            asks = len(data[n]) > len(hops[n].data)
            try:
                outcomes[n] = _read(link, data[n], hops[n].wanted + asks, until, timeout)
                if servers is not None:
                    outcomes[n], servers[n] = answered(link, outcomes[n], asks)
            except (CacheError, *FAILURES) as error:
                outcomes[n] = error
                _drop(link)
            else:
                link.release()
    except BaseException:
        for link in lent.values():
            if link.lent is me:
                _drop(link)
        raise
    return outcomes


def answered(link: Any, replies: list[Any], asks: bool) -> tuple[list[Any], bytes]:
    """The replies to the steps, and who has given them; ``asks``: that was asked ahead of them."""
    if asks:
        named(link, replies[0])
        del replies[0]
    return replies, link.server or UNKNOWN


def seen_by(witness: dict[int, bytes], key: str, ms: Any, replies: list[Any]) -> Seen:
    """What was read to be held. ``witness``: who answered, by slot."""
    return Seen(replies, ms if isinstance(ms, int) else None, witness.get(slot_of(key), b""), witness)


def both(witness: dict[int, bytes], seen: dict[int, bytes]) -> None:
    """Note who answered in one more round; where two have, nobody is known."""
    for slot, server in seen.items():
        witness[slot] = server if witness.get(slot, server) == server else b""


def _read(link: Any, data: bytes, count: int, until: float, timeout: float) -> Any:
    """The replies to what was posted."""
    began = time.monotonic()
    if len(data) > SMALL or until <= began:
        return link.exchange(data if len(data) > SMALL else b"", count, until, timeout)
    reply = link.get(count, until - began)
    if reply is INCOMPLETE:
        return link.rest(count, until, timeout, began)
    return [reply] if count == 1 else reply


def _post(link: Any, data: bytes, until: float, timeout: float) -> None:
    """Send few bytes; many are left to ``exchange``, which reads meanwhile."""
    if len(data) > SMALL:
        return
    left = until - time.monotonic()
    if left <= 0:
        raise Late(silent=False)
    link.put(data, left, timeout)


def _drop(link: Any) -> None:
    if link is not None:
        with suppress(OSError):
            link.discard()
