"""``Recipe``: what all calls of one cached function share on one connection."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ..patience import Patience
from ..tags import DAY_MS
from ..target import milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from ...errors import CacheError
    from ...l1 import Tier, Token
    from ..flights import Flights
    from ..marks import Sharing
    from ..purpose import Journal, Whole
    from ..target import Target

__all__ = ["Breaker", "Recipe", "Tiering", "Trouble"]


LONGEST_COOLDOWN = 30.0  # seconds, unless the function says more


class Breaker(Protocol):
    """Knows whether the server is worth asking at present."""

    @property
    def failure(self) -> BaseException | None:
        """Why it may not be; None: it is, so nobody has to ask ``allows``."""

    def allows(self) -> bool: ...
    def undecided(self) -> float: ...
    def may_try(self, turn: object, /) -> bool: ...
    def tried(self, turn: object, /) -> None: ...
    def error(self) -> CacheError: ...
    def failed(self, error: CacheError, /) -> None: ...
    def worked(self) -> None: ...
    def stored(self) -> None: ...


class Tiering(Protocol):
    """L1 of one connection, and the read tokens without which L1 holds nothing."""

    @property
    def tier(self) -> Tier: ...
    @property
    def server(self) -> bytes: ...
    def token(self, key: str, watched: tuple[str, ...], /) -> Token | None: ...


class Trouble:
    """Hears of computations that fail while stale values are served; this one says nothing of it to anybody."""

    open = False  # whether any fails at present

    def failed(self, key: str, error: BaseException) -> None:
        """A computation failed, and a stale value is served."""

    def served(self, key: str) -> None:
        """A stale value was served without a computation, since the last one failed."""

    def worked(self, key: str) -> None:
        """There is a fresh value."""


_NO_TROUBLE = Trouble()


def _untold(_word: str, _key: str, _error: BaseException | None) -> None:
    """``note`` of a recipe whose calls are not counted."""


def _unlogged(_error: BaseException) -> None:
    """``lost`` of a recipe without background work, ``unstorable`` of one that tells nobody."""


def _endless() -> bool:
    """``late`` of a recipe without deadlines."""
    return False


@dataclass(slots=True, eq=False)
class Recipe:
    """The options of one function, and the target that reads and writes its values. Durations are in seconds."""

    name: str
    target: Target
    flights: Flights
    breaker: Breaker
    _: KW_ONLY
    ttl: float | timedelta | Callable[[object], Any]
    async_ttl: float | None = None
    swr: float = 0.0
    sie: float = 0.0
    soft_timeout: float | None = None
    lease: float | Patience = 3.0  # a Patience is shared by all recipes of one function
    cache_errors: tuple[type[Exception], ...] = ()
    raises: bool = False
    round_trip: bool = False
    namespace: str = ""
    note: Callable[[str, str, BaseException | None], None] = _untold
    lost: Callable[[BaseException], None] = _unlogged
    dump_error: Callable[[BaseException, str], bytes] | None = None
    load_error: Callable[[bytes, str], BaseException | None] | None = None  # None of a type not in cache_errors
    cooldown: float = 1.0
    trouble: Trouble = _NO_TROUBLE
    sharing: Sharing | None = None  # None: no exception goes to other processes
    strict: bool = False  # whether a result that cannot be stored is an error
    unstorable: Callable[[BaseException], None] = _unlogged  # told of such a result
    late: Callable[[], bool] = _endless  # whether the deadline around this call has passed
    disabled: bool = False
    journal: Journal | None = None  # keeps changes that failed (J1); None: of values that are not a function's
    whole: Whole | None = None  # the keys of all calls, where they have a beginning of their own
    tiering: Tiering | None = None  # None: L1 holds nothing of this function
    share: bool = False
    awaits: bool = True  # whether the function is an async def

    early: float | None = field(init=False)
    grace: int = field(init=False)
    needs_ttl: bool = field(init=False)
    patience: Patience = field(init=False)
    tag_ms: int = field(init=False)

    def __post_init__(self) -> None:
        whole = None if callable(self.ttl) else milliseconds(self.ttl) / 1000
        # As in chorde: with less freshness left than this, the value is refreshed ahead; negative counts from the ttl.
        ahead = self.async_ttl
        self.early = None if ahead is None else ahead if ahead >= 0 else max(0.0, (whole or 0) + ahead)
        self.grace = round(max(self.swr, self.sie) * 1000)
        self.needs_ttl = bool(self.swr or self.sie) or self.soft_timeout is not None or self.early is not None
        lease = self.lease
        self.patience = lease if isinstance(lease, Patience) else Patience(milliseconds(lease))
        self.tag_ms = 0 if whole == 0 else max(DAY_MS, 2 * (round((whole or 86_400) * 1000) + self.grace))

    @property
    def lease_ms(self) -> int:
        """What the next lease lasts."""
        return self.patience.ms

    def cool(self, failures: int) -> int:
        """W5: for how many ms nobody asks the source again, after so many failures in a row."""
        longest = max(LONGEST_COOLDOWN, self.cooldown)
        return round(min(longest, self.cooldown * 2.0 ** min(failures - 1, 16)) * 1000)

    def saw(self, ms: int) -> None:
        """T3: tags outlive the entries that carry them. ``ms`` is the ttl of an entry, 0 for ever."""
        if self.tag_ms and (not ms or self.tag_ms < 2 * (ms + self.grace)):
            self.tag_ms = 2 * (ms + self.grace) if ms else 0
