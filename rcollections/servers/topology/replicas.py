"""``Replicas``: the road to the replicas of a primary, for reads that may be a moment old (rule M5).

It has links of its own, and no place in L1, in the journal, or with the breaker of the primary. Where no replica
answers, the primary does, and for a while nobody asks a replica.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ...errors import CacheConnectionError, CacheTimeout
from ..drivers.quick import ask
from ..drivers.trips import one
from ..links import Links

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...errors import CacheError
    from ...plans.effects import Step

__all__ = ["Replicas"]

FIRST_PAUSE, LAST_PAUSE = 0.5, 10.0  # seconds in which nobody asks a replica after none has answered


class Nothing:
    """A journal without anything: what failed is sent to the primary."""

    holds = False


class Replicas:
    """The replicas of one connection. Only plans of single reads travel here."""

    clustered = False
    follows = False
    durable = 0
    journal: Any = Nothing()
    ask = ask  # the quick try of a trip

    def __init__(self, connection: Any) -> None:
        self.primary = connection
        self.dsn = connection.dsn
        self.shown = f"a replica of {connection.shown}"
        self.timeout = connection.timeout
        self.disabled = connection.disabled
        self.known: set[str] = set()
        self.trips = 0
        self.out = False
        self.links = Links(self.dsn, replicas=True)
        self._pause = 0.0
        self._again_at = 0.0

    @property
    def rest(self) -> bool:
        """Whether nobody asks a replica for now."""
        return bool(self._pause) and time.monotonic() < self._again_at

    def one(self, step: Step) -> Any:
        """The reply of a replica to a read; of the primary where none answers."""
        if not self.rest:
            try:
                return one(self, step)
            except (CacheConnectionError, CacheTimeout) as error:
                self.failed(error)
        return self.primary.one(step)

    # -- told by trips -----------------------------------------------------------------------------

    def wrote(self, steps: Sequence[Step]) -> None:
        """Reads write nothing."""

    def doubt(self) -> None:
        """A connection broke: no idle one is used again."""
        self.links.doubt()

    def failed(self, error: CacheError) -> None:
        """No replica answered: the primary is asked for a while."""
        if error._about == "call" and isinstance(error, CacheTimeout):
            return  # the caller had little time
        self._pause = min(LAST_PAUSE, 2 * self._pause) or FIRST_PAUSE
        self._again_at = time.monotonic() + self._pause
        self.out = True

    def answered(self) -> None:
        """A replica answers again."""
        self._pause, self.out = 0.0, False

    def demoted(self) -> None:
        """A replica refused a write, which nobody sends here."""

    def lacks(self, replicas: int) -> str:  # noqa: ARG002 - as of a road
        """Nothing is written here."""
        return ""

    def disagrees(self, link: Any) -> bool:  # noqa: ARG002 - as of a road
        """Nothing that comes from here is held."""
        return False

    def renew(self) -> None:
        """Other servers are the replicas by now."""
        self._pause = 0.0
        self.links.renew()

    def close(self) -> None:
        """Close the links."""
        self.links.close()
