"""Opens links to a replica in a cluster, in the mode in which it answers reads (rule K10).

Such a link carries reads only. Were its server a primary that is demoted later, it would say of no write where that
has to go.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from ..failures import ErrorReply, NoPrimary, NotConnected
from ..packing import pack
from .connecting import connector

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..dsn.dsn import Dsn

__all__ = ["read_only"]

_FIRST = pack(("READONLY",))


def read_only(dsn: Dsn) -> Callable[[float], Any]:
    """A function that opens a link to the replica of this DSN, by an instant."""
    connect = connector(dsn)

    def opened(until: float) -> Any:
        until = min(until, monotonic() + dsn.connect_timeout)
        link = connect(until)
        try:
            (allowed,) = link.exchange(_FIRST, 1, until, dsn.timeout)
        except BaseException:
            link.close()
            raise
        if not isinstance(allowed, ErrorReply):
            return link
        link.close()
        if str(allowed).startswith("LOADING"):
            raise NotConnected("loading", allowed)
        if "NOPERM" in str(allowed):
            raise NoPrimary("its user may not do READONLY, so replicas answer nothing: extend its ACL", passes=False)
        raise NoPrimary("it does not take READONLY: is it a node of a cluster?", passes=False)

    return opened
