"""Where a run takes place: one server behind a proxy, a primary that sentinels watch, or a cluster."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from rcollections.plans.naming import namespaced
from rcollections.testing import Cluster, Proxy, SentinelTrio, Server, available_kinds

from .alone import AloneFaults
from .clustered import ClusterFaults
from .functions import FUNCTIONS, NAMESPACE, names_of
from .watched import SentinelFaults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .crew import Crew
    from .faults import Injector
    from .source import Source

__all__ = ["CLUSTERS", "KINDS", "Ground", "count_key", "ground"]

CLUSTERS = {"cluster": "valkey", "cluster_redis": "redis"}
SENTINELS = {"sentinel": "valkey", "sentinel_redis": "redis"}
KINDS = (*available_kinds(), *SENTINELS, *CLUSTERS)
STALENESS = 0.5


class Ground(NamedTuple):
    """What the workers are told, and who makes faults.

    ``dsns`` are of the caches and of the counts, ``timeout`` is that of both. ``guest`` gives the address from which a
    worker has to speak, "" for any. ``again``: invalidations that a failover may have lost are sent again.
    ``several``: there are failovers, and what they may lose is told by the injector.
    """

    dsns: list[str]
    timeout: float
    guest: Callable[[str], str]
    injector: Callable[[int, Crew, Source], Injector]
    again: bool = False
    several: bool = False


@contextmanager
def ground(kind: str) -> Iterator[Ground]:
    """Servers of this kind, as long as the block lasts."""
    if kind in CLUSTERS:
        with Cluster(CLUSTERS[kind], network=True) as cluster:
            yield Ground(
                [_dsn(cluster.dsn, 2.0)] * 2, 2.0, cluster.network.guest,
                lambda seed, crew, source: ClusterFaults(seed, crew, source, cluster, lambda: keys_of(crew, source)),
                again=True, several=True,
            )  # fmt: skip
    elif kind in SENTINELS:
        with SentinelTrio(SENTINELS[kind], network=True) as trio:
            yield Ground(
                [_dsn(trio.dsn, 1.0)] * 2, 1.0, trio.network.guest,
                lambda seed, crew, source: SentinelFaults(seed, crew, source, trio), again=True, several=True,
            )  # fmt: skip
    else:
        with (
            Server(kind) as one, Server(kind) as two,
            Server(kind, config={"appendonly": "yes", "appendfsync": "everysec"}) as counts,
            Proxy(one) as before_cache, Proxy(counts) as before_counts,
        ):  # fmt: skip
            servers, proxies = [one, two, counts], [before_cache, before_counts]
            yield Ground(
                [_dsn(proxy.dsn, 0.5) for proxy in proxies], 0.5, lambda _: "",
                lambda seed, crew, source: AloneFaults(seed, crew, source, servers, proxies),
            )  # fmt: skip


def keys_of(crew: Crew, source: Source) -> list[str]:
    """All keys that the workers use."""
    functions = [each for name in FUNCTIONS for key in range(source.keys) for each in names_of(name, key)]
    counts = [count_key(what, worker) for worker in crew.names for what in ("visits", "total", "seen")]
    return [*functions, *counts, count_key("job", "one")]


def count_key(what: str, name: str) -> str:
    """The key of a worker's counts at the server."""
    return namespaced(NAMESPACE, f"torture.{what}.{name}")


def _dsn(dsn: str, timeout: float) -> str:
    options = f"timeout={timeout}&connect_timeout={timeout}&staleness={STALENESS}&namespace={NAMESPACE}"
    return f"{dsn}{'&' if '?' in dsn else '?'}{options}"
