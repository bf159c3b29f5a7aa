"""``memory://``: servers inside this process (fakeredis), and links to them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ...errors import ConfigError
from ...forks import at_fork
from ...values.interruptions import pass_on
from ..elsewhere import elsewhere
from ..failures import Broken, ErrorReply, NotConnected
from ..imports import load
from ..packing import pack
from ..run_id import MEMORY
from .lent import Lent
from .marks import INCOMPLETE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..dsn.dsn import Dsn

__all__ = ["MemoryLink", "fake_server", "forget_fake_servers", "memory_connector"]

_servers: dict[str, Any] = {}


def fake_server(dsn: Dsn) -> Any:
    """The in-process server of ``memory://name``: one per name and process (a fork gets a copy)."""
    try:
        load("fakeredis", "lupa")
        import fakeredis
        import lupa
    except ImportError as error:
        raise ConfigError(
            f"memory:// needs fakeredis and lupa, {error.name} is missing: pip install 'rcollections[memory]'"
        ) from error
    del lupa
    server = _servers.get(dsn.host)
    if server is None:
        server = _servers.setdefault(dsn.host, _locked(fakeredis.FakeServer(version=(7, 4))))
    return server


def forget_fake_servers() -> None:
    """Drop every in-process server with all its data."""
    _servers.clear()


def _locked(server: Any) -> Any:
    """The server with a new lock, which a signal handler may take again while the thread that it stopped has it."""
    server.lock = threading.RLock()
    for database in server.dbs.values():
        database.condition = threading.Condition(server.lock)
    return server


def _renew_locks() -> None:
    # Another thread of the parent may have held the lock of a server at the fork.
    for server in _servers.values():
        _locked(server)


at_fork(_renew_locks)


class MemoryLink(Lent):
    """A link to a server in this process: the link never waits for a reply."""

    __slots__ = ("_check", "_made", "_replies", "_theirs", "server")

    def __init__(self, made: Any, check: Callable[[bytes], None] | None = None) -> None:
        import redis.exceptions as theirs

        self._check = check  # raises a CacheError for what must not be sent
        self._made = made
        self._theirs = theirs
        super().__init__()
        self.server = MEMORY
        self._replies: list[object] = []

    def exchange(self, data: bytes, count: int, until: float, timeout: float) -> list[object]:  # noqa: ARG002 - as links do
        """Send, and read that many replies; error replies stand in the list."""
        if self._check is not None:
            self._check(data)

        def run() -> list[object]:
            self._made.send_packed_command([data])
            return [self._read() for _ in range(count)]

        return elsewhere(run, ctrl_c=False)  # the server is a part of this process: a step must not end in its middle

    def ask(self, data: bytes, count: int, wait: float, timeout: float, look: bool) -> object:  # noqa: ARG002 - as links do
        """Send; all replies are there at once, and ``rest`` gives them."""
        self._replies = self.exchange(data, count, 0.0, timeout)
        return INCOMPLETE

    def rest(self, *_: object) -> list[object]:
        """The replies to what ``ask`` sent."""
        replies, self._replies = self._replies, []
        return replies

    def _read(self) -> object:
        try:
            reply = self._made.read_response(disable_decoding=True, disconnect_on_error=False)
        except self._theirs.ResponseError as error:
            return self._told(error)
        except Exception as error:  # a test has told the fake server to be away
            pass_on(error)
            raise Broken(str(error)) from error
        if type(reply) is list:  # errors may stand inside the reply of EXEC
            return [self._told(each) if isinstance(each, self._theirs.ResponseError) else each for each in reply]
        return reply

    def _told(self, error: Exception) -> ErrorReply:
        """The error as a server writes it: fakeredis leaves the first word out where redis-py has a class for it."""
        text, word = str(error), "NOSCRIPT" if isinstance(error, self._theirs.NoScriptError) else ""
        return ErrorReply(text if text.startswith(word) else f"{word} {text}")

    def send(self, words: Sequence[Any], seconds: float) -> None:  # noqa: ARG002 - as links do
        """Send one command whose reply comes by ``hear``."""
        self._made.send_packed_command([pack(words)])

    def hear(self, seconds: float) -> list[Any]:
        """At most one reply, after waiting at most ``seconds`` for it; [] if none came."""
        return [self._read()] if self._made.can_read(seconds) else []

    def wake(self) -> None:
        """Nothing to end: a thread that waits in ``hear`` comes back soon."""

    idle = True

    def close(self) -> None:
        """Close the connection to the fake server."""
        self._made.disconnect()


def memory_connector(dsn: Dsn) -> Callable[[float], MemoryLink]:
    """A function that opens a link to the server of this DSN."""
    server = fake_server(dsn)
    from fakeredis import FakeRedisConnection

    check: Callable[[bytes], None] | None = None
    if dsn.strict_slots:
        from .strict import refuse_slots as check

    def connect(_until: float) -> MemoryLink:
        try:
            made = elsewhere(
                lambda: _connected(FakeRedisConnection(server=server, db=dsn.db, protocol=dsn.protocol)), ctrl_c=False
            )
        except Exception as error:
            pass_on(error)
            raise NotConnected("lost", error) from error
        return MemoryLink(made, check)

    return connect


def _connected(made: Any) -> Any:
    made.connect()
    return made
