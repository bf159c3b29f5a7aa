"""``Load``: one filling of a collection or a field, as the plan sees it; ``Since``: a moment before a read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import CacheError
from ..draws import spread
from ..waiting import Computation

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..circles import Waits
    from ..flights import Flights
    from ..guards import Guarded
    from ..marks import Sharing
    from ..op import Operation

__all__ = ["Load", "Since"]


class Since:
    """What ``since()`` saw: hand it to ``fill`` or ``set``. Its content is private."""

    __slots__ = ("key", "mark")

    def __init__(self, key: str, seen: bytes) -> None:
        self.key = key
        self.mark = seen

    def __repr__(self) -> str:
        return "Since()"


class Load(Computation):
    """The filling of a whole collection (``mode`` "load"), or of one field of a dict ("field").

    ``make`` takes the guard from before, and calls the user's function. It gives the content, and the operation
    that stores the content under this guard.
    """

    __slots__ = ("channel", "field", "flights", "key", "lease", "make", "mode", "name", "sharing")

    def __init__(
        self,
        name: str,
        key: Guarded,
        lease: str,
        channel: str,
        flights: Flights,
        make: Callable[[bytes], tuple[object, Operation[Any]]],
        *,
        field: bytes | None = None,
        sharing: Sharing | None = None,
    ) -> None:
        self.name = name  # for messages
        self.key = key
        self.lease = lease
        self.channel = channel
        self.flights = flights
        self.make = make
        self.mode = "load" if field is None else "field"
        self.field = b"" if field is None else field
        self.sharing = sharing  # of exceptions, with other processes

    def jitter(self) -> float:
        """A random factor that spreads waiting callers, so that they do not ask all at once."""
        return spread.uniform(0.75, 1.25)

    # A filling is a computation, as the call of a function is: each may wait for the other.

    @property
    def waits(self) -> Waits:
        return self.flights.waits

    @property
    def known_as(self) -> str:
        return self.lease

    def recursion(self) -> CacheError:
        return CacheError(
            f"{self.name} of {str(self.key)!r} reads what it is about to fill: it would wait for itself; "
            "read the source there, not the collection"
        )

    def circle(self) -> CacheError:
        return CacheError(
            f"{self.name} of {str(self.key)!r} would wait for what waits for it: somebody fills it now, and needs "
            "what the caller is computing; read the source there, not the collection"
        )
