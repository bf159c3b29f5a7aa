"""One connection that hears what changes on a server, and proves that it does: rules F4, F5 and Q of docs/protocol.md.

RESP2, with CLIENT TRACKING in broadcast mode redirected to itself: a reader that is stuck is then dropped by
the server when its buffer is full, instead of filling the server's memory. Its PINGs are the proof; what is
known after which PONG is said by ``proof.py``, which does no I/O.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from ..wire.failures import ErrorReply
from .proof import CHANNEL, Proof

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..wire.dsn.dsn import Dsn
    from .proof import Told

__all__ = ["Ear", "Hearer", "Refused"]

NOT_NOW = ("LOADING", "BUSY", "MASTERDOWN", "ERR max number of clients")  # errors that go away
SILENCE = 2.0  # times staleness without a PONG, after which the connection counts as lost


class Refused(Exception):
    """The server, or its access list, does not allow to listen."""


class Hearer(Protocol):
    """Who is told."""

    staleness: float

    def confirmed(self, ear: Ear) -> None:
        """Changes are heard from now on."""

    def changed(self, ear: Ear, keys: Sequence[bytes]) -> None:
        """These keys changed."""

    def flushed(self, ear: Ear) -> None:
        """Everything changed."""

    def unsure(self, ear: Ear) -> None:
        """Changes may have been missed: what was held counts no more, until ``confirmed`` again."""

    def proved(self, ear: Ear, instant: tuple[int, int]) -> None:
        """All that was acknowledged before this instant was heard."""

    def published(self, ear: Ear, message: list[Any]) -> None:
        """Something came on another channel."""


class Ear:
    """Listens to keys that begin with one of ``prefixes``, until it breaks or is told to ``stop``."""

    def __init__(self, dsn: Dsn, prefixes: tuple[str, ...], hearer: Hearer) -> None:
        self.prefixes = prefixes
        self.server = b""  # its run_id
        self.version: tuple[int, ...] = ()
        self.since = 0  # what was acknowledged after this instant (monotonic ns) is heard
        self._dsn = dsn
        self._hearer = hearer
        self._link: Any = None
        self._sending = threading.Lock()
        self._stopping = threading.Event()
        self._proof = Proof()

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopping.is_set()

    # -- opening -----------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect, and ask for everything. Refused if that is not allowed; else what the network raises."""
        from ..wire.links.connecting import connector  # only now: it brings redis-py

        dsn = self._dsn.replace(protocol=2)
        self._link = connector(dsn)(time.monotonic() + dsn.connect_timeout)
        self._proof = Proof()
        info: bytes
        info, own = self._ask(("INFO", "server"), ("CLIENT", "ID"))
        facts = dict(line.split(b":", 1) for line in info.splitlines() if b":" in line)
        self.server = facts[b"run_id"]
        version = facts.get(b"valkey_version", facts[b"redis_version"])
        self.version = (*map(int, version.split(b".")[:2]), b"valkey_version" in facts)
        wanted = [word for prefix in self.prefixes if prefix for word in ("PREFIX", prefix)]  # without any: all keys
        _, heard = self._ask(("CLIENT", "TRACKING", "ON", "REDIRECT", own, "BCAST", *wanted), ("SUBSCRIBE", CHANNEL))
        if heard[0] != b"subscribe":
            raise ConnectionError("SUBSCRIBE was answered by something else")
        self.since = time.monotonic_ns()

    def _ask(self, *commands: tuple[Any, ...]) -> list[Any]:
        replies: list[Any] = self._link.exchange(
            b"".join(map(self._link.pack, commands)),
            len(commands),
            time.monotonic() + self._dsn.timeout,
            self._dsn.timeout,
        )
        for reply in replies:
            if isinstance(reply, ErrorReply):
                if str(reply).startswith(NOT_NOW):
                    raise ConnectionError("the server is not ready")
                raise Refused(str(reply).split(",", 1)[0][:100])
        return replies

    # -- listening ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Hear, until it breaks: raises what the network raises; returns after ``stop``."""
        due = time.monotonic()
        lost_at = 0.0
        while not self.stopped:
            now = time.monotonic()
            if not self._proof.waiting and now >= due:
                lost_at = now + max(SILENCE * self._hearer.staleness, self._dsn.timeout)
                self.send("PING", self._proof.ask((time.monotonic_ns(), time.time_ns())))
            left = (lost_at if self._proof.waiting else due) - now
            if left <= 0:
                raise TimeoutError("the server does not answer")
            if self._apply(self._link.hear(max(0.001, left))):
                due = time.monotonic() + min(0.25, self._hearer.staleness / 4)  # Q6; shorter when others come

    def _apply(self, replies: list[Any]) -> bool:
        """Tell of all that was read, then of what that proves (Q2). Whether there is time until the next PING."""
        rest = False
        for reply in replies:
            rest = self._tell(self._proof.read(reply)) == "unsure" or rest
        for told in self._proof.applied():
            rest = self._tell(told) == "proved" or rest
        return rest

    def _tell(self, told: Told) -> str:
        if not told:
            return ""
        word, *about = told
        getattr(self._hearer, word)(self, *about)
        return str(word)

    def send(self, *words: Any) -> None:
        """Send a command that is allowed here: PING, SUBSCRIBE, UNSUBSCRIBE. From any thread."""
        with self._sending:
            self._link.send(words, self._dsn.timeout)

    def stop(self) -> None:
        """Let ``run`` end soon, from another thread."""
        self._stopping.set()
        with contextlib.suppress(Exception):
            self._link.wake()

    def rest(self, seconds: float) -> None:
        """Wait that long, or until ``stop``."""
        self._stopping.wait(seconds)

    def close(self) -> None:
        """Close the connection; in the child of a fork, let go of it."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
