"""The ways to a server that the suites of links take: a unix socket, TCP, TLS. The same tests hold on each of them."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rcollections.testing import Proxy
from tests.tls import Tls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rcollections.testing import Server

__all__ = ["ROADS", "road_to"]

ROADS = ("unix", "tcp", "tls")


@contextmanager
def road_to(server: Server, road: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy before this server, and the DSN of that road to the proxy; the DSN has a ``?`` already.

    TLS ends before the proxy, so that the proxy counts requests and replies, and cuts between them.
    """
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(server, tcp=road == "tcp"))
        if road != "tls":
            yield proxy, proxy.dsn + "?"
            return
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rct-")))
        front = stack.enter_context(Tls(proxy, directory))
        yield proxy, front.dsn + "&"
