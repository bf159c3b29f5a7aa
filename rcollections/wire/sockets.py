"""Opens connections to a server with redis-py's classes: TCP, TLS, unix sockets and ``memory://``.

redis-py bounds each ``recv`` by a timeout, so a server that drips bytes can hold a caller for ever;
here every wait on a socket ends at one instant, ``until``, that the driver sets for each reply.
redis-py's own retries stay off: it would repeat commands that were executed already.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import redis

from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .dsn.dsn import Dsn

__all__ = [
    "BoundedSocket",
    "connector",
    "fake_server",
    "forget_fake_servers",
    "renew_fake_locks",
    "set_until",
    "socket_options",
]


class BoundedSocket:
    """A socket whose waits all end at the instant ``until`` (monotonic seconds)."""

    __slots__ = ("_sock", "until")

    def __init__(self, sock: Any, until: float) -> None:
        self._sock = sock
        self.until = until

    def _arm(self) -> Any:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)
        return self._sock

    def recv_into(self, *args: Any) -> int:
        return int(self._arm().recv_into(*args))

    def recv(self, *args: Any) -> bytes:
        return bytes(self._arm().recv(*args))

    def sendall(self, data: Any) -> None:
        self._arm().sendall(data)

    def settimeout(self, seconds: float | None) -> None:
        """Ignored: redis-py sets its per-recv timeouts here, and ``until`` replaces them."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _Bounded:
    """Mixed into redis-py's connection classes: wraps their socket as soon as it is open."""

    connect_until: float = 0.0

    def _connect(self) -> Any:
        left = self.connect_until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        this: Any = self
        this.socket_connect_timeout = this.socket_timeout = left
        below: Any = super()
        return BoundedSocket(below._connect(), self.connect_until)


class _Tcp(_Bounded, redis.Connection):
    pass


class _Tls(_Bounded, redis.SSLConnection):
    pass


class _Unix(_Bounded, redis.UnixDomainSocketConnection):
    pass


def set_until(link: Any, until: float) -> None:
    """Let all waits of this connection end at that instant, from now on."""
    sock = link._sock
    if isinstance(sock, BoundedSocket):
        sock.until = until


def connector(dsn: Dsn) -> Callable[[float], Any]:
    """A function that opens a connection for this DSN, by an instant, and logs in."""
    if dsn.kind == "memory":
        return _memory_connector(dsn)
    options = socket_options(dsn)
    cls: Any
    place: dict[str, Any]
    if dsn.path:
        cls, place = _Unix, {"path": dsn.path}
    else:
        cls, place = (_Tls if dsn.tls else _Tcp), {"host": dsn.host, "port": dsn.port}

    def connect(until: float) -> Any:
        link: Any = cls(**place, **options)
        link.connect_until = min(until, time.monotonic() + dsn.connect_timeout)
        try:
            link.connect()
        except BaseException:
            link.disconnect()
            raise
        return link

    return connect


def socket_options(dsn: Dsn) -> dict[str, Any]:
    """What redis-py's connections take for this DSN, the asyncio ones as well."""
    options: dict[str, Any] = {
        "db": dsn.db,
        "username": dsn.user or None,
        "password": dsn.password or None,
        "client_name": dsn.client_name or None,
        "protocol": dsn.protocol,
        "driver_info": None,
        "socket_timeout": dsn.timeout,
        "socket_connect_timeout": dsn.connect_timeout,
    }
    if not dsn.path:
        options["socket_keepalive"] = True
    if dsn.tls:
        options.update(dsn.ssl)
    return options


_fakes: dict[str, Any] = {}


def fake_server(dsn: Dsn) -> Any:
    """The in-process server of ``memory://name``: one per name and process (a fork gets a copy)."""
    try:
        import fakeredis
        import lupa
    except ImportError as error:
        raise ConfigError(
            f"memory:// needs fakeredis and lupa, {error.name} is missing: pip install 'rcollections[memory]'"
        ) from error
    del lupa
    server = _fakes.get(dsn.host)
    if server is None:
        server = _fakes.setdefault(dsn.host, fakeredis.FakeServer(version=(7, 4)))
    return server


def forget_fake_servers() -> None:
    """Drop every in-process server with all its data."""
    _fakes.clear()


def renew_fake_locks() -> None:
    """In a child after fork: another thread of the parent may have held a server's lock."""
    for server in _fakes.values():
        server.lock = threading.Lock()
        for database in server.dbs.values():
            database.condition = threading.Condition(server.lock)


def _memory_connector(dsn: Dsn) -> Callable[[float], Any]:
    server = fake_server(dsn)
    from fakeredis import FakeRedisConnection

    def connect(_until: float) -> Any:
        link = FakeRedisConnection(server=server, db=dsn.db, protocol=dsn.protocol)
        link.connect()
        return link

    return connect
