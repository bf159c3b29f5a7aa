"""``Hearing``: one connection hears changes for its tier, and wake-ups for waiting callers; both begin when needed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ..coherence.listener import Listener
from ..coherence.tiering import Tiering
from ..coherence.wakeups import Wakeups
from ..forks import after_fork
from ..wire.elsewhere import elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..coherence.nodes import Nodes
    from ..wire.dsn.dsn import Dsn

__all__ = ["Hearing"]


class Hearing:
    """``place()`` gives the server that the connection leads to, ``prefixes_of(user)`` the prefixes of a user of L1.

    ``nodes()`` gives who hears, where the connection leads to several servers.
    """

    def __init__(
        self,
        place: Callable[[], Dsn],
        prefixes_of: Callable[[Any], Iterable[str] | None],
        renew: Callable[[], None],
        nodes: Callable[[], Nodes | None],
    ) -> None:
        self._place = place
        self._prefixes_of = prefixes_of
        self._renew = renew
        self._nodes = nodes
        self._lock = threading.RLock()
        self._tiering: Tiering | None = None
        self._wakeups: Wakeups | None = None
        after_fork(self._after_fork)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()

    @property
    def has_tiering(self) -> bool:
        """Whether the tier was made already."""
        return self._tiering is not None

    @property
    def tiering(self) -> Tiering:
        """The in-process tier of the connection, made on first use."""
        return self._tiering or elsewhere(self._make_tiering)

    def _make_tiering(self) -> Tiering:
        dsn = self._place()
        with self._lock:
            made = self._tiering = self._tiering or Tiering(dsn, self._prefixes_of, self._renew, self._nodes())
        return made

    @property
    def wakeups(self) -> Wakeups:
        """Wakes callers that wait for messages on the server; made on first use."""
        return self._wakeups or elsewhere(self._make_wakeups)

    def _make_wakeups(self) -> Wakeups:
        dsn = self._place()
        with self._lock:
            listener = None if self._tiering is None else self._tiering.listener
            own = listener if isinstance(listener, Listener) else None
            made = self._wakeups = self._wakeups or Wakeups(dsn, own)
        return made

    def disagrees(self, server: bytes, opened: float) -> bool:
        """Whether a link to this server, opened at that instant, has to go: the listener hears another one (Q7)."""
        listener = None if self._tiering is None else self._tiering.listener
        return listener is not None and listener.disagrees(server, opened)

    def demoted(self) -> None:
        """A server of this address has become a replica: what was opened there goes."""
        self._renew()
        listener = None if self._tiering is None else self._tiering.listener
        if listener is not None:
            listener.demoted()
        self.renew_wakeups()

    def left(self, address: tuple[str, int]) -> None:
        """The primary is at this address by now: nothing that was read elsewhere counts any more (M4)."""
        listener = None if self._tiering is None else self._tiering.listener
        if isinstance(listener, Listener):
            listener.left(address)

    def renew_wakeups(self) -> None:
        """Listen anew, where the primary is by now, from the next caller on."""
        if self._wakeups is not None:
            self._wakeups.renew()

    def close(self) -> None:
        """Hear nothing any more; waiting callers look for themselves."""
        if self._tiering is not None or self._wakeups is not None:
            elsewhere(self._close)

    def _close(self) -> None:
        tiering, self._tiering = self._tiering, None
        if tiering is not None:
            tiering.close()
        wakeups, self._wakeups = self._wakeups, None
        if wakeups is not None:
            wakeups.close()
