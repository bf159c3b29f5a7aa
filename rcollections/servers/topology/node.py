"""``ClusterNode``: one node of a cluster: its links, its breaker, and the scripts that it knows."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from ...coherence.wakeups import Wakeups
from ...errors import CacheError
from ...forks import after_fork
from ...plans.effects import Command
from ...plans.slots import key_in
from ...wire.clock import no_deadline, until
from ...wire.elsewhere import elsewhere
from ...wire.failures import ErrorReply
from ...wire.groups import Group, bytes_of, check
from ...wire.redirects import refusal
from ...wire.routes import Hop
from ...wire.translate import translate
from ..background import try_submit
from ..breaker import Breaker
from ..drivers.fans import fan
from ..drivers.quick import ask
from ..links import Links

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...plans.effects import Step
    from ...wire.dsn.dsn import Dsn
    from ...wire.slotmap import Address

__all__ = ["ClusterNode"]


class _Nothing:
    """The journal of a cluster is kept for the whole of it."""

    holds = False
    handovers = 0


class ClusterNode:
    """A node, safe for threads.

    ``first`` gives a slot that it owns, None if there is none; ``begin`` has somebody look after the nodes.
    """

    clustered = False
    durable = 0
    disabled = False

    def __init__(
        self,
        dsn: Dsn,
        address: Address,
        first: Callable[[Address], int | None],
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        host, port = address
        self.address = address
        self.dsn = dsn.replace(kind="server", host=host, port=port)
        self.shown = self.dsn.shown
        self.timeout = dsn.timeout
        self.links = Links(self.dsn)
        self.known: set[str] = set()
        self.trips = 0
        self.out = False
        self.cut = 0.0  # since when it refuses writes because the cluster is down (monotonic); 0.0: it does not
        self.journal: Any = _Nothing()
        self._first = first
        self._begin = begin
        self._noop = -1, ""  # a slot, and a key in it that nobody uses
        self._wakeups: Wakeups | None = None
        self._renew_lock()
        after_fork(self._renew_lock)
        self.breaker = Breaker(self.shown, self._probe, _start)

    def ask(self, data: bytes, count: int, reads: bool) -> Any:
        """The quick try: see ``quick.ask``."""
        return ask(self, data, count, reads)

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"ClusterNode({self.shown!r})"

    def hop(self, groups: Sequence[Group], steps: Sequence[Step], atomic: bool) -> Hop:
        """The bytes of these groups for this node."""
        self._begin()
        for each in groups:
            each.noop = check(each, steps, self.dsn.namespace) if self.cut else b""
        data, wanted = bytes_of(groups, steps, atomic, self.known)
        return Hop(self, data, wanted, all(each.safe for each in groups))

    def away(self) -> CacheError | None:
        """Why this node is not asked at present: its breaker is open."""
        breaker = self.breaker
        if breaker.failure is None or breaker.allows():
            return None
        error = breaker.error()
        error._about = "call"
        return error

    def answered(self) -> None:
        """The node has answered."""
        if self.out and not self.cut:
            self.out = False
            self.breaker.worked()

    def told(self, reply: object) -> None:
        """It has answered a write so. While it refuses writes its reads count only with a write that it takes (K14)."""
        if type(reply) is ErrorReply and str(reply).startswith("CLUSTERDOWN"):
            if not self.cut and not self.dsn.reads_when_down:
                self.cut = time.monotonic()
            self.out = self.out or bool(self.cut)  # no quick try
        elif self.cut:
            self.cut, self.out = 0.0, False
            self.breaker.worked()

    def noop(self) -> Hop | None:
        """A write that changes nothing, in a slot that it owns; None: it owns none."""
        slot = self._first(self.address)
        if slot is None:
            return None
        if self._noop[0] != slot:
            self._noop = slot, key_in(slot, self.dsn.namespace)
        group = Group(slot, True, None)
        group.at.append(0)
        return Hop(self, *bytes_of((group,), (Command(("PERSIST", self._noop[1])),), False, self.known), True)

    def failed(self, error: CacheError) -> None:
        """The node did not answer: its breaker opens."""
        self.out = True
        self.breaker.failed(error)

    def doubt(self) -> None:
        """A connection to it broke: none that is idle now is used again."""
        self.links.doubt()

    def lapses(self, why: BaseException) -> bool:  # noqa: ARG002 - as of replicas
        """It is asked again: it may be the owner of its slots."""
        return False

    @property
    def wakeups(self) -> Wakeups:
        """Wakes callers that wait for messages at this node; made on first use."""
        return self._wakeups or elsewhere(self._make_wakeups)

    def _make_wakeups(self) -> Wakeups:
        with self._lock:
            made = self._wakeups = self._wakeups or Wakeups(self.dsn)
        return made

    def close(self) -> None:
        """Close the links; waiting callers look for themselves."""
        self.links.close()
        wakeups, self._wakeups = self._wakeups, None
        if wakeups is not None:
            elsewhere(wakeups.close)

    def _probe(self) -> None:
        """K12: a write that changes nothing. A node that was cut off, or lost its slots, answers every PING."""
        hop = self.noop()
        if hop is None:
            return  # it owns nothing, so nobody waits for it
        (outcome,) = fan((hop,), until(self.timeout), self.timeout)
        if isinstance(outcome, CacheError):
            raise outcome
        if isinstance(outcome, BaseException):
            raise translate(outcome, self.shown, "")
        if (why := refusal(outcome[0])) is not None and why.word not in ("MOVED", "ASK"):
            raise CacheError(f"{self.shown} refuses writes ({why.word})")
        self.told(outcome[0])


def _start(probe: Callable[[], None]) -> bool:
    def run() -> None:
        no_deadline()  # the probe is not bounded by the deadline of the caller that started it
        probe()

    return try_submit(run) is not None
