"""Opens links to whichever server is the primary now (rule M2)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..failures import ErrorReply, NoPrimary, NotConnected
from ..links.connecting import connector
from ..packing import pack
from .watches import watch_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..dsn.dsn import Dsn

__all__ = ["following"]

PAUSE = 0.02  # seconds before the sentinels are asked once more about a primary that says that it is none


def following(dsn: Dsn) -> Callable[[float], Any]:
    """A function that opens a link to the primary that this DSN's sentinels name, by an instant."""
    watch = watch_of(dsn)

    def connect(until: float) -> Any:
        until = min(until, time.monotonic() + dsn.connect_timeout)
        while True:
            address = host, port = watch.primary(until).address
            try:
                link = connector(replace(dsn, kind="server", host=host, port=port))(until)
            except (NotConnected, TimeoutError) as error:
                if isinstance(error, NotConnected):
                    error.place = f"its primary {host}:{port}"
                watch.doubt()
                raise
            try:
                told = _role(link, until, dsn.timeout)
            except BaseException:
                watch.doubt()
                link.close()
                raise
            verdict = watch.verdict
            if told in ("master", "") and (verdict is None or verdict.address == address):
                return link
            link.close()
            if told not in ("master", ""):
                watch.doubt()
            if time.monotonic() + PAUSE >= until:
                raise NoPrimary(f"the sentinels name {host}:{port}, and that is a replica", passes=True)
            time.sleep(PAUSE)

    return connect


def _role(link: Any, until: float, timeout: float) -> str:
    """What the server says that it is; "" where it may not tell."""
    (told,) = link.exchange(pack(("ROLE",)), 1, until, timeout)
    if isinstance(told, ErrorReply):
        (told,) = link.exchange(pack(("INFO", "replication")), 1, until, timeout)
        if not isinstance(told, bytes):
            return ""
        return "master" if b"role:master" in told else "replica"
    return "master" if told[0] == b"master" else "replica"
