"""A ``Job``: one call of a cached function, as the plans of ``fetch`` see it."""

from __future__ import annotations

import random
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ...errors import CacheError, DecodeError, EncodeError
from ...l1 import ABSENT, Packed, estimate, is_immutable
from ..circles import CircleError
from ..effects import Call
from ..entries import ERROR, VALUE, Entry
from ..tags import DAY_MS
from ..target import milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..circles import Waits
    from ..effects import Plan, Script
    from ..flights import Flights
    from ..target import Target
    from .found import Found

__all__ = ["Job", "Recipe"]

# The keys that are being computed in this thread or task, so that a function that calls itself is noticed.
computing: ContextVar[frozenset[tuple[int, str]]] = ContextVar("rcollections_computing", default=frozenset())


class Recipe:
    """What all calls of one function share: its options, and the target that reads and writes its values."""

    def __init__(
        self,
        name: str,
        target: Target,
        flights: Flights,
        breaker: Any,
        *,
        ttl: float | timedelta | Callable[[Any], Any],
        async_ttl: float | None = None,
        swr: float = 0.0,
        sie: float = 0.0,
        soft_timeout: float | None = None,
        lease: float = 10.0,
        cache_errors: tuple[type[Exception], ...] = (),
        raises: bool = False,
        round_trip: bool = False,
        note: Callable[..., None] = lambda _word, _key, _error=None: None,
        lost: Callable[[BaseException], None] = lambda _error: None,
        dump_error: Callable[[BaseException], bytes] | None = None,
        load_error: Callable[[bytes], BaseException] | None = None,
        late: Callable[[], bool] = lambda: False,
        disabled: bool = False,
        tiering: Any = None,
        share: bool = False,
        awaits: bool = True,
    ) -> None:
        self.name = name
        self.target = target
        self.flights = flights
        self.breaker = breaker
        self.ttl = ttl
        whole = None if callable(ttl) else milliseconds(ttl) / 1000
        # chorde: below this much freshness the value is refreshed ahead; negative counts from the ttl.
        self.early = None if async_ttl is None else async_ttl if async_ttl >= 0 else max(0.0, (whole or 0) + async_ttl)
        self.swr, self.sie = swr, sie
        self.grace = round(max(swr, sie) * 1000)
        self.soft_timeout = soft_timeout
        self.needs_ttl = bool(swr or sie) or soft_timeout is not None or self.early is not None
        self.lease_ms = milliseconds(lease)
        self.tag_ms = 0 if whole == 0 else max(DAY_MS, 2 * (round((whole or 86_400) * 1000) + self.grace))
        self.cache_errors = cache_errors
        self.raises = raises
        self.round_trip = round_trip
        self.note = note
        self.lost = lost
        self.dump_error = dump_error
        self.load_error = load_error
        self.late = late  # whether the deadline around this call has passed
        self.disabled = disabled
        self.tiering = tiering  # None: nothing is held in the process
        self.share = share
        self.awaits = awaits  # whether the function is an async def

    def saw(self, ms: int) -> None:
        """T3: tags outlive the entries that carry them, else these would be missed; ``ms`` 0 is for ever."""
        if self.tag_ms and (not ms or self.tag_ms < 2 * (ms + self.grace)):
            self.tag_ms = 2 * (ms + self.grace) if ms else 0


class Job:
    """One call: its key, lease, channel and tags, and the user's function with its arguments."""

    __slots__ = ("channel", "fn", "held_as", "key", "lease", "recipe", "tags", "unanswered", "unkept")

    def __init__(
        self, recipe: Recipe, key: str, lease: str, channel: str, tags: tuple[str, ...], fn: Callable[[], Any]
    ) -> None:
        self.recipe = recipe
        self.key = key
        self.lease = lease
        self.channel = channel
        self.tags = tags
        self.fn = fn
        self.unkept = False  # the result is not to be stored
        self.unanswered = False  # it was to be stored, and the server did not say that it is
        self.held_as: tuple[int, tuple[Any, ...]] | None = None  # under what the result is held in the process

    def __getattr__(self, name: str) -> Any:
        return getattr(self.recipe, name)

    def note(self, word: str, error: BaseException | None = None) -> None:
        """Tell counters and observers what happened to this call."""
        self.recipe.note(word, self.key, error)

    def change(self, step: Script) -> Plan[Any]:
        """The reply to a step that changes something. That it failed is raised, counted and told."""
        try:
            return (yield step)
        except CacheError as error:
            self.note("error", error)
            raise

    def failed(self, error: CacheError) -> None:
        """The server failed, not just this call's own deadline: the breaker has to know."""
        if not self.recipe.late():
            self.recipe.breaker.failed(error)

    def jitter(self) -> float:
        """Spreads waiters, so that they do not ask in step."""
        return random.uniform(0.75, 1.25)  # noqa: S311 - guards nothing

    # -- the tier in this process ----------------------------------------------------------------

    def held(self) -> Any:
        """What is held in the process for this call, or ABSENT."""
        if self.held_as is None:
            return ABSENT
        return self.recipe.tiering.tier.held(*self.held_as, ABSENT)

    def token(self) -> Any:
        """To be taken before a read whose reply may be held; None if it may not."""
        return None if self.held_as is None else self.recipe.tiering.token(self.key, self.tags)

    def hold(self, found: Any, result: Any) -> None:
        """Hold what was read until it is no longer fresh, or until it shall be refreshed ahead."""
        token, found.token = found.token, None
        if self.held_as is None or found.entry.kind != VALUE:
            return
        left = found.soft
        if left is not None and self.recipe.early is not None:
            left -= self.recipe.early
        # Of the clock of ``Now``: the read was sent at ``until - left``.
        deadline = 0 if left is None else round((found.until - found.left + left) * 1e9)
        self._keep(token, found.entry.value, result, deadline)

    def _keep(self, token: Any, data: bytes, result: Any, deadline: int) -> None:
        owner, args = self.held_as  # type: ignore[misc]
        recipe = self.recipe
        shared = recipe.share or is_immutable(result)
        value = result if shared else Packed(data, recipe.target.load)
        size = estimate(args, result) if shared else estimate(args, data)
        recipe.tiering.tier.keep(token, owner, args, value, deadline, size)

    # -- the user's function ---------------------------------------------------------------------

    @property
    def waits(self) -> Waits:
        """Who waits for whom, in this process and on this connection."""
        return self.recipe.flights.waits

    def guard(self) -> None:
        """Refuse a call that would have to wait for itself."""
        if (id(self.waits), self.key) in computing.get():
            raise CacheError(
                f"{self.recipe.name} calls itself with the same arguments while it computes {self.key!r}: "
                "the answer would need itself; call .uncached, or change the arguments"
            )

    def computing(self) -> list[str]:
        """The keys of which the computation calls this job: they wait for it."""
        mine = id(self.waits)
        return [key for owner, key in computing.get() if owner == mine]

    def begin_wait(self) -> list[str]:
        """This call waits for its key from now on: what its caller computes, for ``end_wait``. Refuses circles."""
        computing = self.computing()
        try:
            self.waits.begin(computing, (self.key,))
        except CircleError:
            raise self.circle() from None
        return computing

    def end_wait(self, computing: list[str]) -> None:
        """The wait has ended, well or not."""
        self.waits.end(computing, (self.key,))

    def circle(self) -> CacheError:
        """The error of a call that would wait for itself by way of others."""
        return CacheError(
            f"{self.recipe.name} would wait for {self.key!r}, of which the computation waits for the caller's: "
            "the two functions call each other; call .uncached in one of them, or change the arguments"
        )

    def compute(self) -> Plan[Any]:
        """Call the function, with this key marked as being computed."""
        self.guard()
        self.note("compute")
        mark = computing.get() | {(id(self.waits), self.key)}
        fn = self.fn

        def run() -> Any:
            token = computing.set(mark)
            try:
                result = fn()
            finally:
                computing.reset(token)
            return self.marked(result, mark)

        return (yield Call(run))

    def marked(self, result: Any, mark: frozenset[tuple[int, str]]) -> Any:
        """What a function gave; an awaitable is awaited with that mark. TypeError where nobody would await it."""
        if not hasattr(result, "__await__"):
            return result
        if self.recipe.awaits:
            return marked(result, mark)
        if hasattr(result, "close"):
            result.close()
        raise TypeError(f"{self.recipe.name} is a def and gave a {type(result).__name__}: make it an async def")

    # -- values ----------------------------------------------------------------------------------

    def load(self, entry: Entry) -> tuple[bool, Any]:
        """(True, the value or the exception), or (False, None) for bytes that nobody can read."""
        recipe = self.recipe
        try:
            if entry.kind == ERROR:
                if recipe.load_error is None:
                    return False, None
                error = recipe.load_error(entry.value)
                return isinstance(error, recipe.cache_errors), _Raise(error)
            return True, recipe.target.load(entry.value)
        except DecodeError:
            self.note("unreadable")
            return False, None

    def load_shared(self, found: Found) -> tuple[bool, Any]:
        """The same for several callers of one read: decoded once, if nobody can change it (or ``share`` says so)."""
        target = self.recipe.target
        decoded = found.decoded
        if decoded is not None and decoded[0] is target:
            return True, decoded[1]
        usable, result = self.load(found.entry)
        if usable and (self.recipe.share or is_immutable(result)):
            found.decoded = target, result
        return usable, result

    def give(self, result: Any) -> Any:
        """Hand a loaded result to the caller: a cached exception is raised."""
        if type(result) is _Raise:
            raise result.error
        return result

    def dump(self, value: Any) -> tuple[bytes | None, int]:
        """The bytes of a result and its ttl in ms; None: this result is not to be stored."""
        ms = self._ttl(value)
        if ms is None:
            return None, 0
        self.recipe.saw(ms)
        return self.recipe.target.dumps(value), ms

    def dump_error(self, error: BaseException) -> tuple[bytes | None, int]:
        """The same for an exception that is cached like a result; None: it is not, or cannot be written."""
        recipe = self.recipe
        if recipe.dump_error is None or not isinstance(error, recipe.cache_errors):
            return None, 0
        try:
            data = recipe.dump_error(error)
        except EncodeError:
            self.note("unwritable")
            return None, 0
        return data, recipe.target.ms() if callable(recipe.ttl) else recipe.target.ms(recipe.ttl)

    def _ttl(self, value: Any) -> int | None:
        ttl = self.recipe.ttl
        if not callable(ttl):
            return self.recipe.target.ms(ttl)
        chosen = ttl(value)
        if isinstance(chosen, timedelta):
            chosen = chosen.total_seconds()
        if chosen is None or (isinstance(chosen, (int, float)) and chosen < 0):
            return None
        try:
            return self.recipe.target.ms(chosen)
        except (TypeError, ValueError) as error:
            raise type(error)(f"ttl= of {self.recipe.name} gave {chosen!r}: {error}") from None

    def returns(self, value: Any, data: bytes | None) -> Any:
        """What the owner's caller gets: with a serializer of the user's, what every later caller will get."""
        if self.recipe.round_trip and data is not None:
            return self.recipe.target.load(data)
        return value


class _Raise:
    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


async def marked(awaitable: Any, mark: frozenset[tuple[int, str]]) -> Any:
    token = computing.set(mark)
    try:
        return await awaitable
    finally:
        computing.reset(token)
