"""One connection that hears changes on a server, and proves that it hears them: rules F4, F5 and Q of docs/protocol.md.

RESP2, with CLIENT TRACKING in broadcast mode redirected to the same connection. So if this process is stuck, the
server drops the connection when its buffer is full, instead of filling its own memory. A user whose ACL has no channels
but those of a namespace may not subscribe to the channel of RESP2: then RESP3, which needs none, and a subscription
inside the namespace, since the server drops only connections that have one. The PINGs are the proof; ``proof.py``,
which does no I/O, decides what a PONG proves.

Where it is compiled, and the connection is neither TLS nor RESP3, ``_ear.pyx`` receives instead of this thread,
without the GIL, and ``relay.py`` hands on what that loop leaves to Python (Q8).
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from ..plans.naming import beside
from ..wire.failures import ErrorReply
from .attendant import Apart, Wait
from .facts import Refused, refuse, who
from .loops import confirmation, loop_class
from .post import Post
from .proof import CHANNEL, Proof, as_resp2
from .relay import SILENCE, Relay
from .surety import Surety

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from ..wire.dsn.dsn import Dsn
    from ._ear import Loop
    from .attendant import Job
    from .hearer import Hearer
    from .places import Place

__all__ = ["Ear"]


class Ear(Relay):
    """Listens to keys that begin with one of ``prefixes``, until the connection breaks or ``stop`` is called."""

    def __init__(
        self, dsn: Dsn, prefixes: tuple[str, ...], hearer: Hearer[Ear], places: Mapping[Place, int] | None = None
    ) -> None:
        super().__init__()
        self.prefixes = prefixes
        self.places = dict(places or {})  # where it says that it is there, and how stale values may be (ms)
        self.server = b""  # the run_id of the server
        self.version: tuple[int, ...] = ()
        self.since = 0  # all changes acknowledged after this instant (monotonic ns) are heard
        self._dsn = dsn
        self._surety = Surety(dsn)
        self._hearer = hearer
        self._link: Any = None
        self._loop: Loop | None = None  # hears instead of this thread
        self._pushed = False  # RESP3
        self._deaf = False  # it may not hear of rounds
        self._sending = threading.RLock()
        self._proof = Proof()
        self._proved = (0, 0)  # the last instant
        self.opened = 0.0  # when (monotonic s)
        self.address = ("", 0)  # of the server
        self._post: Post | None = None  # None: nobody can ask it

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
        self.opened, self.reason, self._proved = time.monotonic(), None, (0, 0)
        if self.places:
            self._post = Post(self._dsn, self.places, deaf=self._deaf)
            self._post.open(self.server)
        self.since = time.monotonic_ns()

    def _subscribed(self, channels: list[bytes]) -> bool:
        """Subscribe these channels, before anything is held; False if the user may not."""
        try:
            for channel in channels:
                self._subscribe(channel)
        except Refused:
            return False
        return True

    def _open(self, protocol: int) -> None:
        from ..wire.links.opening import connector  # only now: this module imports redis-py

        self._pushed = protocol == 3
        self._link = connector(self._dsn.replace(protocol=protocol))(time.monotonic() + self._dsn.connect_timeout)
        made: Any = self._link._made
        self.address = made.host, made.port
        self._proof = Proof()
        info, own = self._ask(("INFO", "server"), ("CLIENT", "ID"))
        self.server, self.version = who(info)
        channels = [place.channel for place in self.places]
        wanted = [word for prefix in self.prefixes if prefix for word in ("PREFIX", prefix)]  # no word: all keys
        if self._pushed:
            self._ask(("CLIENT", "TRACKING", "ON", "BCAST", *wanted))
            self._subscribe(beside(self._dsn.namespace, "w"))
            self._deaf = not self._subscribed(channels)
            return
        tracking = ("CLIENT", "TRACKING", "ON", "REDIRECT", own, "BCAST", *wanted)
        if loop_class(self._link.sock) is not None:
            self._ask(tracking)
            error = self._confirmed(CHANNEL, *channels)
            self._deaf = bool(error and channels)
            refuse(self._confirmed(CHANNEL) if self._deaf else error)
            return
        _, heard = self._ask(tracking, ("SUBSCRIBE", CHANNEL))
        if heard[0] != b"subscribe":
            raise ConnectionError("SUBSCRIBE was answered by something else")
        self._deaf = not self._subscribed(channels)

    def _confirmed(self, *channels: bytes) -> str:
        """Subscribe, and read no byte behind the confirmation, which is for the loop. Gives the error, or ""."""
        self.send("SUBSCRIBE", *channels)
        return confirmation(self._link.sock, channels, self._dsn.timeout).decode("utf-8", "replace")

    def _subscribe(self, channel: str | bytes) -> None:
        """Subscribe while nothing is held: the confirmation may come behind messages, over RESP3 as a push."""
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
                refuse(str(reply))
        return replies

    # -- listening ---------------------------------------------------------------------------------

    def run(self) -> Job:
        """Hear until the connection breaks, which raises an error of the network, or until ``stop``, which returns."""
        loop = None if self._pushed else loop_class(self._link.sock)
        if loop is not None:
            yield from self._hand_on(loop)
            return
        due = time.monotonic()
        lost_at = 0.0
        while not self.stopped:
            now = time.monotonic()
            if not self._proof.waiting and now >= due:
                lost_at = now + max(SILENCE * self._hearer.staleness, self._dsn.timeout)
                self._tick()
                self.send("PING", self._proof.ask((time.monotonic_ns(), time.time_ns())))
            left = (lost_at if self._proof.waiting else due) - now
            if left <= 0:
                raise TimeoutError("the server does not answer")
            yield self._awaited(left)
            if (yield from self._apply(self._link.hear(0.001))):
                due = time.monotonic() + min(0.25, self._hearer.staleness / 4)  # Q6; a new tier may shorten staleness

    def _apply(self, replies: list[object]) -> Generator[Apart, Any, bool]:
        """Tell the hearer all that was read, then the proof (Q2). Whether the next PING has to wait for its time."""
        rest = False
        for reply in replies:
            rest = self._tell(self._proof.read(as_resp2(reply) if self._pushed else reply)) == "unsure" or rest
        post = self._post
        if post is not None:
            post.answer()
            post.read()
            if not post.answered:  # nothing is proven while the ear cannot say that it is there
                return rest
        for told in self._proof.applied():
            if told[0] == "proved" and post is not None and self._lapsed(told[1]):
                yield Apart(post.enter)
                self._proof.restart()
                return False
            rest = self._tell(told) == "proved" or rest
        return rest

    def _awaited(self, seconds: float) -> Wait:
        """Until something comes on the listening connection, or the post has a reply."""
        sock, post = self._link.sock, self._post
        pending = getattr(sock, "pending", None)  # TLS may hold more than the socket shows
        if pending is not None and pending():
            return Wait((), 0.0)
        if post is None:
            return Wait((sock.fileno(),), seconds)
        return Wait((sock.fileno(), *post.fds), min(seconds, 0.01) if post.hurried else seconds)

    def send(self, *words: object) -> None:
        """Send a command that a subscribed connection allows: PING, SUBSCRIBE, UNSUBSCRIBE. From any thread."""
        loop = self._loop
        if loop is not None:
            loop.send(self._link.pack(words), self._dsn.timeout)
            return
        with self._sending:
            self._link.send(words, self._dsn.timeout)

    def leave(self) -> None:
        """L1 was emptied: nobody has to wait for this ear any more."""
        loop, post, self._post = self._loop, self._post, None  # the ear's own thread may be stopped before it leaves
        if loop is not None:
            loop.stop()
        if post is not None:
            post.leave()

    def close(self) -> None:
        """Close the connection; in the child of a fork this closes only the child's copy."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.close()
        post, self._post = self._post, None
        if post is not None:
            post.leave()
            post.close()
        link, self._link = self._link, None
        if link is not None:
            link.close()
