"""The ways to a server that the suites of links take: a unix socket, TCP, TLS. The same tests hold on each of them."""

from __future__ import annotations

import socket
import ssl
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

from rcollections.testing import Proxy
from tests.tls import Tls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rcollections.testing import Server

__all__ = ["ROADS", "pair_on", "road_to"]

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


@contextmanager
def pair_on(road: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two sockets that are connected on that road: a client's, and a server's."""
    with ExitStack() as stack:
        if road == "unix":
            near, far = map(stack.enter_context, socket.socketpair())
        else:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                near = stack.enter_context(socket.create_connection(listener.getsockname()))
                far = stack.enter_context(listener.accept()[0])
            for each in (near, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if road == "tls":
            theirs, ours = _contexts()
            shaken: list[ssl.SSLSocket] = []
            thread = threading.Thread(target=lambda: shaken.append(theirs.wrap_socket(far, server_side=True)))
            thread.start()
            near = stack.enter_context(ours.wrap_socket(near, server_hostname="localhost"))
            thread.join()
            far = stack.enter_context(shaken[0])
        yield near, far


@cache
def _contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a server and of a client that trusts it."""
    authority = trustme.CA()
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("localhost").configure_cert(theirs)
    authority.configure_trust(ours)
    return theirs, ours
