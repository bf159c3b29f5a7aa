"""Counts the round trips that calls take, of threads and of event loops. The one place that knows where."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import hiredis

from rcollections import connection
from rcollections.functions import aio
from rcollections.handles.aio import running
from rcollections.plans.op import UNSENT
from rcollections.servers.drivers import aio_fans, aio_parts, aio_trips, fans
from rcollections.servers.topology import cluster, cluster_replicas, reading, spreads
from rcollections.servers.topology.cluster import ClusterConnection
from rcollections.servers.topology.node import ClusterNode
from rcollections.wire import trips as plan
from rcollections.wire import turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["sent", "trips"]


@contextmanager
def sent(where: Any = None) -> Iterator[list[list[str]]]:
    """The round trips of this connection (else of the default one) inside the block: of each, its commands' names."""
    target = connection() if where is None else where
    seen: list[list[str]] = []
    if isinstance(target, ClusterConnection):
        with _of_cluster(seen):
            yield seen
        return
    exchange = plan.exchange

    def noted(road: Any, *args: Any) -> Any:
        under = exchange(road, *args)
        reply: Any = None
        failed: BaseException | None = None
        while True:
            try:
                effect: Any = under.send(reply) if failed is None else under.throw(failed)
            except StopIteration as end:
                return end.value
            reply, failed = None, None
            if road is target:
                seen.append(_names(effect.data))
            try:
                reply = yield effect
            except BaseException as error:
                failed = error

    quick = target.ask

    def tried(data: bytes, *args: Any) -> Any:
        reply = quick(data, *args)
        if reply is not UNSENT:
            seen.append(_names(data))
        return reply

    plan.exchange = turns.exchange = noted
    target.ask = tried
    asks = [(room, room.aask) for room in (aio_trips, running, aio)]
    for room, _ in asks:
        room.aask = lambda *_: None  # no quick try: all trips of event loops are made by the plan
    try:
        yield seen
    finally:
        del target.ask
        plan.exchange = turns.exchange = exchange
        for room, aask in asks:
            room.aask = aask


@contextmanager
def _of_cluster(seen: list[list[str]]) -> Iterator[None]:
    """All that goes to several nodes at once is one trip."""
    fan, ask, afan, ready = fans.fan, ClusterNode.ask, aio_fans.afan, aio_fans._ready
    direct = False

    def noted(hops: Any, *args: Any) -> Any:
        seen.append([name for hop in hops for name in _names(hop.data)])
        return fan(hops, *args)

    async def anoted(hops: Any, *args: Any) -> Any:
        nonlocal direct
        seen.append([name for hop in hops for name in _names(hop.data)])
        direct = True  # what it does itself is no trip more
        try:
            return await afan(hops, *args)
        finally:
            direct = False

    fans.fan, aio_fans.afan = noted, anoted
    quick, at_once, fill = cluster.quick_ask, reading.read_all, cluster_replicas.fill
    cluster.quick_ask, spreads.read_all = lambda *_: UNSENT, lambda *_: None
    reading.read_all = spreads.read_all
    cluster_replicas.fill = lambda *_: False
    aio_fans._ready = lambda node: ready(node) if direct else None
    link = aio_parts.ready_link
    aio_parts.ready_link = lambda *_: None  # type: ignore[assignment]
    ClusterNode.ask = lambda *_: UNSENT  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        fans.fan, ClusterNode.ask = fan, ask  # type: ignore[method-assign]
        cluster.quick_ask, cluster_replicas.fill = quick, fill
        reading.read_all = spreads.read_all = at_once
        aio_fans.afan, aio_fans._ready, aio_parts.ready_link = afan, ready, link


def _names(data: bytes) -> list[str]:
    reader = hiredis.Reader()
    reader.feed(data)
    names = []
    while (words := reader.gets()) is not False:
        names.append(words[0].decode())
    return names


def trips(where: Any, call: Callable[[], Any]) -> int:
    """How many round trips ``call`` takes. It runs twice: the first may have to send a script's text."""
    call()
    with sent(where) as seen:
        call()
    return len(seen)
