"""Opens links to replicas: healthy ones, as the sentinels see them, of which one is drawn (rule M5)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...plans.draws import spread
from ..failures import NoPrimary, NotConnected
from ..links.connecting import connector
from ..roles import ROLE, hears_its_primary
from .watches import watch_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..dsn.dsn import Dsn

__all__ = ["reading"]


def reading(dsn: Dsn) -> Callable[[float], Any]:
    """A function that opens a link to one of the replicas that follow the primary, by an instant."""
    watch = watch_of(dsn)

    def connect(until: float) -> Any:
        until = min(until, time.monotonic() + dsn.connect_timeout)
        healthy = [each.address for each in watch.primary(until).replicas if each.healthy]
        spread.shuffle(healthy)
        failed: Exception = NoPrimary("the sentinels know no healthy replica", passes=False)
        for host, port in healthy:
            try:
                link = connector(replace(dsn, kind="server", host=host, port=port))(until)
            except (NotConnected, TimeoutError) as error:
                failed = error
                continue
            try:
                if _follows(link, until, dsn.timeout):
                    return link
            except BaseException:
                link.close()
                raise
            link.close()
            failed = NoPrimary(f"the replica {host}:{port} does not follow its primary", passes=False)
        raise failed

    return connect


def _follows(link: Any, until: float, timeout: float) -> bool:
    """Whether the server is a replica that hears its primary. Where it may not tell, the sentinels' word is enough."""
    (told,) = link.exchange(ROLE, 1, until, timeout)
    return hears_its_primary(told)
