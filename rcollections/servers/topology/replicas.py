"""``Replicas``: the road to the replicas of a primary, for reads that may be a moment old (rule M5).

It has links of its own, and no place in L1, in the journal, or with the breaker of the primary. Stamps of tags are
read from the primary, at the same time. Where no replica answers, the primary does, and for a while nobody asks one.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from ...errors import CacheConnectionError, CacheTimeout
from ...plans.collections.afar import halves
from ...plans.naming import tags
from ...wire.clock import until
from ...wire.packing import pack
from ..drivers.quick import ask, read_all
from ..drivers.trips import one
from ..links import Links
from .rest import Rest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...errors import CacheError
    from ...plans.effects import Command, Step

__all__ = ["Nothing", "Replicas"]


class Nothing:
    """A journal without anything: what failed is sent to the primary."""

    holds = False
    handovers = 0


class Replicas:
    """The replicas of one connection. Only plans of single reads travel here."""

    clustered = False
    moves = False
    follows = False
    durable = 0
    deaf = False  # the sentinels look after that
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
        self._tags = tags(self.dsn.namespace)
        self._rest = Rest()

    @property
    def rest(self) -> bool:
        """Whether nobody asks a replica for now."""
        return self._rest.lasts

    def halves(self, step: Step) -> tuple[Any, Any]:
        """What a replica is asked of a read, and what the primary."""
        return halves(step, self._tags)

    def one(self, step: Step) -> Any:
        """The reply of a replica to a read, the stamps of tags from the primary; of this alone where none answers."""
        far, near = self.halves(step)
        if far is not None and not self.rest:
            try:
                return one(self, far) if near is None else self._both(far, near)
            except (CacheConnectionError, CacheTimeout) as error:
                self.failed(error)
        return self.primary.one(step)

    def _both(self, far: Command, near: Command) -> list[Any]:
        """The replies of both, at once where both have a link at hand."""
        found, primary = None, self.primary
        if not (self.out or primary.out or primary.journal.holds):
            began = monotonic()
            asks = [(self, pack(far.args), 1), (primary, pack(near.args), 1)]
            found = read_all(asks, until(self.timeout), began)
        if found is not None:
            return [*found[0][0], *found[1][0]]
        own: Any = one(self, far)
        return [*own, *primary.one(near)]

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
        self._rest.begin()
        self.out = True

    def answered(self) -> None:
        """A replica answers again."""
        self._rest.end()
        self.out = False

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
        self._rest.end()
        self.links.renew()

    def all_links(self) -> list[Links]:
        """The links to all of them."""
        return [self.links]

    def close(self) -> None:
        """Close the links."""
        self.links.close()
