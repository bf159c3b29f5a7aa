"""One connection that hears changes on a server, and proves that it hears them: rules F4, F5 and Q of docs/protocol.md.

RESP2, with CLIENT TRACKING in broadcast mode redirected to the same connection. So if this process is stuck, the
server drops the connection when its buffer is full, instead of filling its own memory. A user whose ACL has no channels
but those of a namespace may not subscribe to the channel of RESP2: then RESP3, which needs none, and a subscription
inside the namespace, since the server drops only connections that have one. The PINGs are the proof; ``proof.py``,
which does no I/O, decides what a PONG proves.

Where it is compiled, and the connection is neither TLS nor RESP3, ``_ear.pyx`` receives instead of this thread,
without the GIL, and this thread hands on what that loop leaves to Python (Q8).
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from ..plans.naming import beside
from ..wire.failures import ErrorReply
from ..wire.run_id import UNKNOWN, run_id
from .loops import confirmation, loop_class
from .proof import CHANNEL, Proof, as_resp2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..l1 import Words
    from ..wire.dsn.dsn import Dsn
    from ._ear import Loop
    from .proof import Told

__all__ = ["Ear", "Hearer", "Refused"]

NOT_NOW = ("LOADING", "BUSY", "MASTERDOWN", "ERR max number of clients")  # errors that go away
_NUMBERS = re.compile(rb"(\d+)\.(\d+)")
SILENCE = 2.0  # times ``staleness``: after that time without a PONG the connection counts as lost


class Refused(Exception):
    """The server, or its access list, does not allow to listen."""


class Hearer(Protocol):
    """The object that an ear tells: the listener."""

    staleness: float
    words: Words  # what a compiled ear moves

    def confirmed(self, ear: Ear) -> None:
        """Changes are heard from now on."""

    def changed(self, ear: Ear, keys: Sequence[bytes]) -> None:
        """These keys changed."""

    def announced(self, ear: Ear, numbers: Sequence[int]) -> None:
        """The words of these keys have moved: values can go."""

    def flushed(self, ear: Ear) -> None:
        """All keys changed."""

    def unsure(self, ear: Ear) -> None:
        """Changes may have been missed: held values count no more, until ``confirmed`` again."""

    def proved(self, ear: Ear, instant: tuple[int, int]) -> None:
        """All changes that were acknowledged before this instant have been heard."""

    def published(self, ear: Ear, message: list[object]) -> None:
        """A message came on another channel."""

    def missed(self, ear: Ear) -> None:
        """Messages on other channels may have been missed."""


class Ear:
    """Listens to keys that begin with one of ``prefixes``, until the connection breaks or ``stop`` is called."""

    def __init__(self, dsn: Dsn, prefixes: tuple[str, ...], hearer: Hearer) -> None:
        self.prefixes = prefixes
        self.server = b""  # the run_id of the server
        self.version: tuple[int, ...] = ()
        self.since = 0  # all changes acknowledged after this instant (monotonic ns) are heard
        self._dsn = dsn
        self._hearer = hearer
        self._link: Any = None
        self._loop: Loop | None = None  # hears instead of this thread
        self._pushed = False  # RESP3
        self._sending = threading.RLock()
        self._stopping = threading.Event()
        self._proof = Proof()

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopping.is_set()

    # -- opening -----------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect, and ask for tracking. Raises Refused if the server does not allow it, or errors of the network."""
        try:
            self._open(2)
        except Refused as refused:
            if "channel" not in str(refused):
                raise
            self.close()
            self._open(3)
        self.since = time.monotonic_ns()

    def _open(self, protocol: int) -> None:
        from ..wire.links.connecting import connector  # only now: this module imports redis-py

        self._pushed = protocol == 3
        self._link = connector(self._dsn.replace(protocol=protocol))(time.monotonic() + self._dsn.connect_timeout)
        self._proof = Proof()
        info, own = self._ask(("INFO", "server"), ("CLIENT", "ID"))
        self.server, self.version = _who(info)
        wanted = [word for prefix in self.prefixes if prefix for word in ("PREFIX", prefix)]  # no word: all keys
        if self._pushed:
            self._ask(("CLIENT", "TRACKING", "ON", "BCAST", *wanted))
            self._subscribe(beside(self._dsn.namespace, "w"))
            return
        tracking = ("CLIENT", "TRACKING", "ON", "REDIRECT", own, "BCAST", *wanted)
        if loop_class(self._link.sock) is not None:  # all that comes behind the confirmation is for the loop
            self._ask(tracking)
            self.send("SUBSCRIBE", CHANNEL)
            _refuse(confirmation(self._link.sock, CHANNEL, self._dsn.timeout).decode("utf-8", "replace"))
            return
        _, heard = self._ask(tracking, ("SUBSCRIBE", CHANNEL))
        if heard[0] != b"subscribe":
            raise ConnectionError("SUBSCRIBE was answered by something else")

    def _subscribe(self, channel: str) -> None:
        """Subscribe over RESP3, where the confirmation is a push like those that tell of changes."""
        self.send("SUBSCRIBE", channel)
        end = time.monotonic() + self._dsn.timeout
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("the server does not answer")
            for reply in self._link.hear(left):  # nothing is held yet, so changes that come meanwhile do not matter
                if isinstance(reply, ErrorReply):
                    raise Refused(str(reply).split(",", 1)[0][:100])
                if reply[0] == b"subscribe":
                    return

    def _ask(self, *commands: tuple[Any, ...]) -> list[Any]:
        replies: list[object] = self._link.exchange(
            b"".join(map(self._link.pack, commands)),
            len(commands),
            time.monotonic() + self._dsn.timeout,
            self._dsn.timeout,
        )
        for reply in replies:
            if isinstance(reply, ErrorReply):
                _refuse(str(reply))
        return replies

    # -- listening ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Hear until the connection breaks, which raises an error of the network, or until ``stop``, which returns."""
        loop = None if self._pushed else loop_class(self._link.sock)
        if loop is not None:
            self._hand_on(loop)
            return
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
                due = time.monotonic() + min(0.25, self._hearer.staleness / 4)  # Q6; a new tier may shorten staleness

    def _hand_on(self, make: type[Loop]) -> None:
        """As ``run``, where a loop without the GIL hears: tell the hearer what the loop leaves to Python."""
        words = self._hearer.words
        number = words.enlist(self)
        try:
            loop = self._loop = make(words, number, self._link.sock.fileno(), self._dsn.timeout)
            why = None
            while why is None and not self.stopped:
                found, why = loop.wait(1.0)
                for told in found:
                    self._tell(told)
        finally:
            words.leave(self)
        if why == "silent":
            raise TimeoutError("the server does not answer")
        if not self.stopped:
            raise ConnectionError("the connection is lost")

    def _apply(self, replies: list[object]) -> bool:
        """Tell the hearer all that was read, then the proof (Q2). Whether the next PING has to wait for its time."""
        rest = False
        for reply in replies:
            rest = self._tell(self._proof.read(as_resp2(reply) if self._pushed else reply)) == "unsure" or rest
        for told in self._proof.applied():
            rest = self._tell(told) == "proved" or rest
        return rest

    def _tell(self, told: Told) -> str:
        if not told:
            return ""
        word, *about = told
        getattr(self._hearer, word)(self, *about)
        return str(word)

    def send(self, *words: object) -> None:
        """Send a command that a subscribed connection allows: PING, SUBSCRIBE, UNSUBSCRIBE. From any thread."""
        loop = self._loop
        if loop is not None:
            loop.send(self._link.pack(words), self._dsn.timeout)
            return
        with self._sending:
            self._link.send(words, self._dsn.timeout)

    def stop(self) -> None:
        """Let ``run`` end soon, from another thread."""
        self._stopping.set()
        with contextlib.suppress(Exception):
            self._link.wake()

    def rest(self, seconds: float) -> None:
        """Wait that many seconds, or until ``stop``."""
        self._stopping.wait(seconds)

    def close(self) -> None:
        """Close the connection; in the child of a fork this closes only the child's copy."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.close()
        link, self._link = self._link, None
        if link is not None:
            link.close()


def _refuse(error: str) -> None:
    """Raise what an error of the server means for listening; not for ""."""
    if error.startswith(NOT_NOW):
        raise ConnectionError("the server is not ready")
    if error:
        raise Refused(error.split(",", 1)[0][:100])


def _who(info: object) -> tuple[bytes, tuple[int, ...]]:
    """The run_id and the version (major, minor, whether it is Valkey) in a reply of INFO.

    Refused without a run_id, as some proxies and managed services answer: then nobody can tell whether two
    connections lead to one server, so what one reads cannot be held by what the other hears.
    """
    server = run_id(info)
    if not isinstance(info, bytes) or server in (UNKNOWN, b""):
        raise Refused("its answer to INFO tells no run_id, so nobody knows which server answers")
    facts = dict(line.split(b":", 1) for line in info.splitlines() if b":" in line)
    numbers = _NUMBERS.match(facts.get(b"valkey_version", facts.get(b"redis_version", b"")))
    if numbers is None:
        raise Refused("its answer to INFO tells no version")
    return server, (int(numbers[1]), int(numbers[2]), b"valkey_version" in facts)
