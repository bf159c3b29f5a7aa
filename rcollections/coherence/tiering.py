"""What one connection does about the in-process tier: makes it, lets it be told of changes, and keeps its rules.

Of all that writes in this process, every tier is told (``wrote``), whatever connection it goes by: two names may
lead to one server. A tier costs nothing until somebody reads what may be held; listening begins when a process
has read several times, or at once where a class or function asks for the tier by ``l1=True``.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from ..forks import after_fork
from ..l1 import Tier, users
from ..wire.run_id import MEMORY
from .listener import Listener, listener_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..l1 import Token
    from ..wire.dsn.dsn import Dsn

__all__ = ["State", "Tiering", "any_tiers", "wrote", "wrote_anything"]

EAGER = 8  # reads after which a process is worth a listener

_lock = threading.Lock()
_tiers: tuple[Tier, ...] = ()  # of this process; replaced whole


def wrote(keys: Iterable[str | bytes]) -> None:
    """These keys were written by us, or may have been (F6)."""
    for tier in _tiers:
        tier.wrote(keys)


def wrote_anything() -> None:
    """Something was written by us of which we do not know the keys."""
    for tier in _tiers:
        tier.void()


def any_tiers() -> bool:
    """Whether anybody in this process holds anything."""
    return bool(_tiers)


class State(NamedTuple):
    """In a word whether values are served from the process, and why (not)."""

    word: str
    why: str


class Tiering:
    """The tier of one connection. ``dsn`` is where it really leads.

    ``prefixes_of(user)`` gives what the keys of one who may hold something begin with on this connection, or None.
    """

    def __init__(self, dsn: Dsn, prefixes_of: Callable[[Any], Iterable[str] | None]) -> None:
        self.dsn = dsn
        self._prefixes_of = prefixes_of
        self._users = -1  # the version of those whose prefixes were asked for
        self.tier = Tier(dsn.l1_entries, bytes=dsn.l1_bytes, staleness=dsn.staleness)
        self._reads = 0
        after_fork(self._after_fork)
        self._listener: Listener | None = None
        global _tiers
        if dsn.kind == "memory":
            self.tier.begin(local=True)
        else:
            self._listener = listener_of(dsn)
            self._listener.add(self.tier, dsn.staleness)
        with _lock:
            _tiers = (*_tiers, self.tier)

    def want(self, prefixes: Iterable[str], *, now: bool = False) -> None:
        """Keys with these prefixes may be held; ``now``: they were asked for by name, do not wait for reads."""
        if self._listener is not None:
            self._listener.want(prefixes)
            if now or self._reads >= EAGER:
                self.start()

    def _after_fork(self) -> None:
        """The child listens for itself, from its first read on if its parent did."""
        if self._listener is not None:
            self._reads = min(self._reads, EAGER - 1)

    def start(self) -> None:
        """Listen, if anything was wanted; for all that may hold something by now, in one go."""
        if self._listener is None:
            return
        self._reads = EAGER
        version = users.version()
        if self._users != version:
            self._users = version
            for user in users.registered():
                self._listener.want(self._prefixes_of(user) or ())
        self._listener.start()

    def tried(self, prefixes: Iterable[str], seconds: float) -> State:
        """Listen to these, and say how it is as soon as it works, or is refused, or after that many seconds."""
        self.want(prefixes, now=True)
        end = time.monotonic() + seconds
        while not self.tier.serves and self.state.word != "refused" and time.monotonic() < end:
            time.sleep(0.005)
        return self.state

    def token(self, key: str, watched: tuple[str, ...] = ()) -> Token | None:
        """To be taken before a read is sent whose reply may be held; None if it may not (F1)."""
        listener = self._listener
        if listener is not None:
            if self._reads < EAGER:
                self._reads += 1
                if self._reads >= EAGER:
                    self.start()
            prefixes = listener.prefixes
            if not key.startswith(prefixes) or any(not each.startswith(prefixes) for each in watched):
                return None
        return self.tier.token(key, watched)

    @property
    def server(self) -> bytes:
        """Who must have answered a read for its reply to be held (F2)."""
        return MEMORY if self._listener is None else self._listener.server

    @property
    def version(self) -> tuple[Any, ...]:
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
    def listener(self) -> Listener | None:
        """Who hears for this tier; None where nobody has to."""
        return self._listener

    @property
    def state(self) -> State:
        """In a word whether values are served from the process, and why (not)."""
        if self._listener is None:
            return State("live", "all that write are in this process")
        if self._listener.state == "live" and not self.tier.serves:
            return State("unproven", "the listener has not heard of the server for too long")
        return State(self._listener.state, self._listener.why)

    def close(self) -> None:
        """Serve nothing any more, and stop listening if nobody else does."""
        global _tiers
        with _lock:
            _tiers = tuple(each for each in _tiers if each is not self.tier)
        if self._listener is not None:
            self._listener.remove(self.tier)
        else:
            self.tier.lost()
