"""The in-process tier of one connection: ``Tiering`` makes it, has the listener tell it of changes, gives its tokens.

Every write of this process is told to every tier (``wrote``), whatever connection the write goes by, because two
names may lead to one server. A tier costs nothing until the process reads values that may be held. Listening begins
after several such reads, or at once where a class or function asks for the tier by ``l1=True``.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from ..forks import after_fork
from ..l1 import Tier, users
from ..wire.run_id import MEMORY
from .listeners import enrolled, listener_of
from .places import Place
from .prefixes import Wish
from .surety import Surety

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..l1 import Token
    from ..plans.effects import Seen
    from ..wire.dsn.dsn import Dsn
    from .listener import Listener
    from .nodes import Nodes

__all__ = ["State", "Tiering", "any_tiers", "wrote", "wrote_anything"]

EAGER = 8  # reads after which a process is worth a listener

_lock = threading.RLock()
_tiers: tuple[Tier, ...] = ()  # of this process; replaced whole


def wrote(keys: Iterable[str | bytes]) -> None:
    """This process wrote these keys, or may have (F6)."""
    for tier in _tiers:
        tier.wrote(keys)


def wrote_anything() -> None:
    """This process wrote keys that we do not know."""
    for tier in _tiers:
        tier.void()


def any_tiers() -> bool:
    """Whether this process has any tier."""
    return bool(_tiers)


class State(NamedTuple):
    """In a word whether values are served from the process, and why (not)."""

    word: str
    why: str


class Tiering:
    """The tier of one connection. ``dsn`` is the server that the connection really leads to.

    ``prefixes_of(user)`` gives the prefixes of the keys of a user of L1 on this connection, or None. ``renew`` drops
    the links of the connection, because its address leads to another server. ``nodes``: who hears, of a cluster.
    """

    def __init__(
        self,
        dsn: Dsn,
        prefixes_of: Callable[[object], Iterable[str] | None],
        renew: Callable[[], None] | None = None,
        nodes: Nodes | None = None,
    ) -> None:
        self.dsn = dsn
        self._prefixes_of = prefixes_of
        self._users = -1  # the version of ``users`` whose prefixes were asked for
        self.tier = Tier(dsn.l1_entries, bytes=dsn.l1_bytes, staleness=dsn.staleness)
        self._surety = Surety(dsn)
        self._reads = 0
        self._behind = len(dsn.namespace) + bool(dsn.namespace)  # characters before the prefixes of this connection
        after_fork(self._after_fork)
        self._listener: Listener | Nodes | None = None
        global _tiers
        if dsn.kind == "memory":
            self.tier.begin(local=True)
        else:
            self._listener = listener_of(dsn) if nodes is None else enrolled(nodes)
            self._listener.add(self.tier, dsn.staleness, Place(dsn.db, dsn.namespace), renew)
        with _lock:
            _tiers = (*_tiers, self.tier)

    def want(self, prefixes: Iterable[str], *, now: bool = False) -> None:
        """Keys with these prefixes may be held; ``now``: listen at once, because a class or function asks for L1."""
        if self._listener is not None:
            self._listener.want(prefixes, Wish(self._behind))
            if now or self._reads >= EAGER:
                self.start()

    def _after_fork(self) -> None:
        """The child needs a listener of its own: it listens from its first read on if its parent did."""
        if self._listener is not None:
            self._reads = min(self._reads, EAGER - 1)

    def start(self) -> None:
        """Listen for all users of L1 that are registered by now, with one request."""
        if self._listener is None:
            return
        self._reads = EAGER
        version = users.version()
        if self._users != version:
            self._users = version
            for user in users.registered():
                self._listener.want(self._prefixes_of(user) or (), Wish(self._behind, used=False))
        self._listener.start()

    def tried(self, prefixes: Iterable[str], seconds: float) -> State:
        """Listen to these prefixes, and give the state: once the tier serves, or is refused, or after ``seconds``."""
        self.want(prefixes, now=True)
        end = time.monotonic() + seconds
        while not self.tier.serves and self.state.word != "refused" and time.monotonic() < end:
            time.sleep(0.005)
        return self.state

    def token(self, key: str, watched: tuple[str, ...] = ()) -> Token | None:
        """A token for a read whose reply may be held, before the read is sent; None if it may not be held (F1)."""
        listener = self._listener
        if listener is not None:
            if self._reads < EAGER:
                self._reads += 1
                if self._reads >= EAGER:
                    self.start()
            return listener.token(self.tier, key, watched)
        return self.tier.token(key, watched)

    def answered(self, key: str, watched: tuple[str, ...], seen: Seen) -> bool:
        """Whether those have answered that are heard, as they have to for the reply to be held (F2)."""
        if self._listener is None:
            return seen.server == MEMORY
        return self._listener.answered(key, watched, seen)

    @property
    def version(self) -> tuple[object, ...]:
        """(major, minor, whether it is Valkey) of the server, () before it is known."""
        return () if self._listener is None else self._listener.version

    @property
    def field_ttls(self) -> bool:
        """Whether fields of a hash may expire by themselves: Valkey 9, Redis 7.4, and ``memory://``."""
        if self._listener is None:
            return True
        version = self._listener.version
        return bool(version) and version[:2] >= ((9, 0) if version[2] else (7, 4))

    @property
    def listener(self) -> Listener | Nodes | None:
        """Who hears for this tier; None for ``memory://``, where all writers are in this process."""
        return self._listener

    @property
    def state(self) -> State:
        """In a word whether values are served from the process, and why (not)."""
        if self._listener is None:
            return State("live", "all that write are in this process")
        if self._listener.state == "live" and not self.tier.serves:
            return State("unproven", self._surety.why or "the listener has not heard of the server for too long")
        why, left_out = self._listener.why, self._listener.wishes.left_out
        if left_out:
            why += f"; {left_out} prefixes found no place among the 16 that are asked for: their keys are not held"
        return State(self._listener.state, why)

    def close(self) -> None:
        """Serve nothing any more. Listening ends if this was the last tier of the listener."""
        global _tiers
        with _lock:
            _tiers = tuple(each for each in _tiers if each is not self.tier)
        if self._listener is not None:
            self._listener.remove(self.tier)
        else:
            self.tier.lost()
