"""Opens links: redis-py connects (TCP, TLS, unix sockets), logs in and selects the database, by an instant.

redis-py's own retries stay off: redis-py would repeat commands that were executed already. Its errors while
it connects become ``NotConnected``, or TimeoutError where the time was up.
"""

from __future__ import annotations

import time
from inspect import signature
from typing import TYPE_CHECKING, Any

import redis
import redis.exceptions as theirs
from redis.connection import AbstractConnection

from ...values.interruptions import pass_on
from ..dsn.credentials import read_login
from ..failures import Late, NotConnected, is_silence
from ..reasons import TIMED_OUT
from .addresses import connect as connect_to
from .contexts import wrapped
from .link import Link
from .memory import memory_connector

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..dsn.dsn import Dsn
    from ..failures import Why

__all__ = ["connector"]


class _BoundedSocket:
    """A socket whose waits all end at one instant: for redis-py, which sets a timeout for each ``recv``."""

    __slots__ = ("came", "sock", "until")

    def __init__(self, sock: Any, until: float) -> None:
        self.sock = sock
        self.until = until
        self.came = 0  # bytes

    def _arm(self) -> Any:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self.sock.settimeout(left)
        return self.sock

    def recv_into(self, *args: object) -> int:
        size = int(self._arm().recv_into(*args))
        self.came += size
        return size

    def recv(self, *args: object) -> bytes:
        return bytes(self._arm().recv(*args))

    def sendall(self, data: object) -> None:
        self._arm().sendall(data)

    def settimeout(self, seconds: float | None) -> None:
        """Ignored: redis-py sets its per-recv timeouts here, and ``until`` replaces them."""

    def __getattr__(self, name: str) -> object:
        return getattr(self.sock, name)


class _Bounded:
    """Mixed into redis-py's connection classes: wraps their socket as soon as the socket is open."""

    connect_until: float = 0.0

    def _connect(self) -> object:
        left = self.connect_until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        this: Any = self
        this.socket_connect_timeout = this.socket_timeout = left
        below: Any = super()
        return _BoundedSocket(below._connect(), self.connect_until)


class _Named(redis.Connection):
    """Connects to a name, whichever of its addresses answers."""

    def _connect(self) -> Any:
        this: Any = self
        return connect_to(this.host, this.port, this.connect_until)


class _Tcp(_Bounded, _Named):
    pass


class _Tls(_Bounded, redis.SSLConnection, _Named):
    tls_options: Any

    def _wrap_socket_with_ssl(self, sock: Any) -> Any:
        this: Any = self
        below: Any = super()
        return wrapped(sock, this.host, self.tls_options, below._wrap_socket_with_ssl)


class _Unix(_Bounded, redis.UnixDomainSocketConnection):
    host, port = "", 0  # redis-py reads both where it counts timeouts


# The link does not say which library it belongs to: that would cost a round trip. redis-py 7.2 renamed the switch.
_SWITCHES = signature(AbstractConnection.__init__).parameters
_UNNAMED = dict.fromkeys(["driver_info"] if "driver_info" in _SWITCHES else ["lib_name", "lib_version"])


def connector(dsn: Dsn) -> Callable[[float], Any]:
    """A function that opens a link for this DSN, by an instant, and logs in."""
    if dsn.kind == "memory":
        return memory_connector(dsn)
    options = _options(dsn)
    cls: Any
    if dsn.path:
        cls = _Unix
        options["path"] = dsn.path
    else:
        cls = _Tls if dsn.tls else _Tcp
        options.update(host=dsn.host, port=dsn.port)

    def connect(until: float) -> Link:
        user, password = _login(dsn)
        made: Any = cls(username=user or None, password=password or None, **options)
        made.tls_options = dsn.ssl
        began = time.monotonic()
        made.connect_until = min(until, began + dsn.connect_timeout)
        try:
            made.connect()
        except Exception as error:
            came = getattr(made._sock, "came", 0)
            made.disconnect()
            pass_on(error)
            told = _told(error, is_silence(time.monotonic() - began, dsn.connect_timeout), came)
            if dsn.credentials is not None and isinstance(told, NotConnected) and told.why == "login":
                told.why = "given"
            raise told from None
        except BaseException:
            made.disconnect()
            raise
        made._sock = made._sock.sock  # from here on the link sets the timeouts of the plain socket
        return Link(made, made._sock)

    return connect


def _login(dsn: Dsn) -> tuple[str, str]:
    """User and password: those of the DSN, or what its function gives now."""
    if dsn.credentials is None:
        return dsn.user, dsn.password
    try:
        return read_login(dsn.credentials, dsn.user)
    except Exception as error:
        pass_on(error)
        raise NotConnected("no login", error) from None


def _told(error: Exception, long: bool, came: int) -> Exception:
    if isinstance(error, (theirs.TimeoutError, TimeoutError)):
        return Late(long and not came, came, TIMED_OUT)
    if isinstance(error, theirs.AuthenticationError):
        why: Why = "login"
    elif isinstance(error, theirs.BusyLoadingError):
        why = "loading"
    elif isinstance(error, (theirs.ConnectionError, OSError)):
        why = "lost"
    else:
        why = "answer"
    return NotConnected(why, _root(error), str(error))


def _root(error: Exception) -> Exception:
    """The error of the socket below an error of redis-py, if there is one: alone it says all, without the chain."""
    below: BaseException | None = error
    for _ in range(10):  # redis-py's chain has two or three
        if below is None or isinstance(below, OSError):
            break
        below = below.__cause__ or below.__context__
    if isinstance(below, OSError):
        error = below
    error.__cause__, error.__suppress_context__ = None, True
    return error


def _options(dsn: Dsn) -> dict[str, object]:
    """The arguments of redis-py's connections for this DSN."""
    options: dict[str, object] = {
        "db": dsn.db,
        "client_name": dsn.client_name or None,
        "protocol": dsn.protocol,
        **_UNNAMED,
        "socket_timeout": dsn.timeout,
        "socket_connect_timeout": dsn.connect_timeout,
    }
    if dsn.tls:
        options.update(dsn.ssl)
    return options
