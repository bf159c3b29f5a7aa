"""Opens a connection to a sentinel: with the sentinels' own login, and ready to hear that the primary has changed."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ..failures import ErrorReply, NotConnected
from ..packing import pack
from ..reasons import reason
from .words import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..dsn.dsn import Dsn
    from .words import Address

__all__ = ["SWITCHED", "Dialed", "dial", "trouble"]

SWITCHED = "+switch-master"


class Dialed(NamedTuple):
    """A connection to a sentinel, and the sentinel's id ("": it does not tell)."""

    link: Any
    id: str


def dial(dsn: Dsn, address: Address, connector: Callable[[Dsn], Callable[[float], Any]]) -> Dialed:
    """Connect to this sentinel of the DSN; blocks. NotConnected, or an error of the network."""
    host, port = address
    place = replace(
        dsn, kind="server", host=host, port=port, db=0, user=dsn.sentinel_user, password=dsn.sentinel_password,
        credentials=None, client_name="", protocol=3,
    )  # fmt: skip
    end = time.monotonic() + dsn.connect_timeout
    try:
        link = connector(place)(end)
    except NotConnected as error:
        if error.why != "answer":
            raise
        return _introduced(connector(replace(place, protocol=2))(end), end, dsn.timeout, hears=False)
    return _introduced(link, end, dsn.timeout, hears=True)


def _introduced(link: Any, end: float, timeout: float, *, hears: bool) -> Dialed:
    try:
        (told,) = link.exchange(pack(("SENTINEL", "MYID")), 1, end, timeout)
        if hears:  # the confirmation is a push; an error is a reply, ahead of that to PING
            (first,) = link.exchange(pack(("SUBSCRIBE", SWITCHED)) + pack(("PING",)), 1, end, timeout)
            if isinstance(first, ErrorReply):
                link.exchange(b"", 1, end, timeout)
    except BaseException:
        link.close()
        raise
    return Dialed(link, told.decode("ascii", "replace") if isinstance(told, bytes) else "")


def trouble(error: BaseException, where: str) -> Trouble:
    """What an error of ``dial`` says of the sentinel. ``where`` tells of TLS."""
    if isinstance(error, NotConnected) and error.why == "login":
        return Trouble("login", "WRONGPASS")
    if isinstance(error, TimeoutError):
        return Trouble("silent", "it does not answer in time")
    return Trouble("silent", reason(str(error), where))
