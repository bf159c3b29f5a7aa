"""``ClusterReplica``: one replica of a node of a cluster: links that only read, and whether it is asked now (K10)."""

from __future__ import annotations

import logging
import threading
from time import monotonic
from typing import TYPE_CHECKING

from ...wire.clock import no_deadline, until
from ...wire.roles import ROLE, hears_its_primary
from ...wire.routes import Hop
from ..background import try_submit
from ..drivers.fans import fan
from ..links import Links
from .node import ClusterNode
from .rest import Rest

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...errors import CacheError
    from ...wire.dsn.dsn import Dsn
    from ...wire.slotmap import Address

__all__ = ["ClusterReplica"]

log = logging.getLogger("rcollections")

LOOK = 1.0  # seconds between two looks whether it still hears its primary


class ClusterReplica(ClusterNode):
    """A replica that is asked while it hears its primary; else it is passed over, and looked at in the background.

    ``deaf``: it answers, and does not hear its primary. ``looked`` is called after each look. Its breaker stays closed:
    nobody is kept waiting for a replica.
    """

    deaf = False

    def __init__(self, dsn: Dsn, address: Address, looked: Callable[[], None]) -> None:
        self._looking = threading.Lock()
        super().__init__(dsn, address, lambda _: None)
        self.links = Links(self.dsn, replicas=True)
        self.shown = f"the replica {self.dsn.shown}"
        self._looked = looked
        self._look_at = 0.0
        self._rest = Rest()
        self._away = False

    def __repr__(self) -> str:
        return f"ClusterReplica({self.dsn.shown!r})"

    def _renew_lock(self) -> None:
        super()._renew_lock()
        self._looking = threading.Lock()  # the thread that looks is in the parent

    @property
    def serves(self) -> bool:
        """Whether it answers, as far as we know. From time to time a look begins in the background."""
        if monotonic() >= self._look_at and not self._rest.lasts:
            self._look()
        return not self._away

    def _look(self) -> None:
        if not self._looking.acquire(blocking=False):
            return
        self._look_at = monotonic() + LOOK
        if try_submit(self._looks) is None:
            self._looking.release()

    def _looks(self) -> None:
        no_deadline()
        looking = self._looking
        try:
            (found,) = fan((Hop(self, ROLE, 1, True),), until(self.timeout), self.timeout)
            if isinstance(found, BaseException):
                self._pass_over(found)
            else:
                self._heard(hears_its_primary(found[0]))
        finally:
            looking.release()
        self._looked()

    def _heard(self, well: bool) -> None:
        if well and (self._away or self.deaf):
            log.warning("%s answers again", self.shown)
        elif not well and not self.deaf:
            log.warning("%s is passed over, others answer: it does not hear its primary", self.shown)
        self.deaf, self._away = not well, False
        self._rest.end()

    def _pass_over(self, why: object) -> None:
        said, self._away = self._away, True
        self._rest.begin()
        self.links.doubt()
        if not said:
            log.warning("%s is passed over, others answer until it serves again: %s", self.shown, why)

    def lapses(self, why: BaseException) -> bool:
        """It refused a read, or a connection to it broke: it is passed over."""
        self._pass_over(why)
        return True

    def failed(self, error: CacheError) -> None:
        """It did not answer: it is passed over."""
        self._pass_over(error)

    def away(self) -> CacheError | None:
        """None: who asks has chosen it just now."""

    def answered(self) -> None:
        """It has answered."""
