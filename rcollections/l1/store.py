"""The bounded store of L1 in pure Python: its promises and its policy. ``_store.pyx`` is the same, compiled.

Both stores make the same decisions, step by step; one suite tests both. This file is for machines without a
compiler, and to read.

The policy is an adaptive S3-FIFO. New entries go into the queue *small*, which gets a share of the entries, one in
ten to begin with. When an entry reaches the end of small, it moves on to the queue *main* if it was used twice.
Other entries leave, since most entries that are used once are never used again. Where small has a third of the
entries or more, one use is enough. There an entry is used soon after it came, and a stricter rule would keep the
old entries of main for ever. Main is a FIFO too: an entry stays for one more round for each use since it came.
The hash of an evicted entry is remembered as a *ghost*. An entry whose ghost is found goes straight to main. Its
ghost shows which of the two queues was too short, and the share of that queue grows. While there is room, no entry
leaves: entries that overflow small go to main.

Times are kept in a wheel of 512 slots of about a second. Every ``put`` takes out a bounded number of expired
entries, ``purge`` takes out all. A ``get`` moves nothing: it counts the use, up to three.

The rule for changes in this file: code of the user (``__eq__``, ``__hash__``, callbacks, clock, size function)
runs before or after a step, never inside. The garbage collector or a signal may still interrupt a step, and
call the store. Then that call waits in ``_later`` until the step is over.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from functools import partial
from threading import RLock
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from ..errors import CacheMissError, ConfigError
from ..forks import after_fork
from .size import estimate
from .stats import StoreStats

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from datetime import timedelta

__all__ = ["Store"]

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")
D = TypeVar("D")

SMALL, MAIN = 0, 1
EVICTED, EXPIRED = 1, 2
REASONS: tuple[Any, ...] = (None, "evicted", "expired")
BATCH = 32  # entries that one step takes out at most
SPARE = 4  # so many of BATCH are not for expired entries, since a put has to take out some itself
LOOKS = 64  # entries of the wheel that a step looks at
WHEEL = 512  # slots of the wheel
TICK = 30  # a slot is 2**30 ns
SLOTS = 64  # slots that a put passes
STEPS = 512  # how often the hand of main spares an entry in one eviction
PROVEN = 2  # uses in small that make an entry move to main; 1 where small is long
FIRST_SHARE, LEAST_SHARE, MOST_SHARE, LONG = 0.1, 0.01, 0.9, 1 / 3
PACE = 0.5
FOREVER = 4e9  # seconds; a longer ttl means for ever
ABSENT: Any = object()


class Entry:
    """A key, its value, and where it stands."""

    __slots__ = ("chain", "expires", "hash", "key", "later", "queue", "size", "sooner", "uses", "value")

    def __init__(self, key: Any, value: Any, hash_: int, size: int, uses: int) -> None:
        self.key = key
        self.value = value
        self.hash = hash_
        self.size = size
        self.uses = uses  # hits since it came into its queue, up to 3
        self.queue = SMALL
        self.expires = 0  # in ns of the clock; 0: never
        self.chain: Entry | None = None  # another entry of the same hash
        self.sooner: Entry | None = None  # its neighbours in its slot of the wheel
        self.later: Entry | None = None


class Ghost:
    """The hash of an entry that was evicted."""

    __slots__ = ("alive", "hash", "queue")

    def __init__(self, hash_: int, queue: int) -> None:
        self.hash = hash_
        self.queue = queue
        self.alive = True


Dead = list[tuple[Any, Any, int]]


class Store(Generic[K, V]):
    """A mapping with a bound: ``capacity`` entries, and ``bytes`` if given.

    ``ttl`` (seconds, 0 for ever) is for entries that are put without a ttl. ``touch_on_read=False`` makes reads
    count for nothing when room is needed. The store calls ``eviction_callback(key, value, reason)`` for each entry
    that leaves by itself; ``reason`` is "evicted" or "expired". ``size(key, value)`` gives the bytes of an entry
    that is put without a size; if only ``bytes`` is given, the store estimates sizes. ``clock()`` gives seconds.
    """

    __slots__ = (
        "__weakref__",
        "_busy",
        "_bytes",
        "_callback",
        "_clock",
        "_cursor",
        "_evictions",
        "_expirations",
        "_ghosts",
        "_hits",
        "_later",
        "_limit",
        "_lock",
        "_misses",
        "_most",
        "_n",
        "_queues",
        "_remembered",
        "_ring",
        "_share",
        "_sizer",
        "_soon",
        "_table",
        "_tick",
        "_timed",
        "_touch",
        "_ttl",
        "_version",
        "_wheel",
    )

    def __init__(
        self,
        capacity: int = 10_000,
        *,
        bytes: int | None = None,  # noqa: A002 - the name of the property
        ttl: float | timedelta = 0,
        touch_on_read: bool = True,
        eviction_callback: Callable[[K, V, Literal["evicted", "expired"]], object] | None = None,
        size: Callable[[K, V], int] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if hasattr(self, "_limit"):
            raise TypeError("a store is made once")
        if not 1 <= capacity <= 0x7FFFFFFF:
            raise ConfigError(f"capacity={capacity!r}: a store holds 1 to 2147483647 entries")
        if bytes is not None and bytes < 1:
            raise ConfigError(f"bytes={bytes!r}: the most bytes that may be used, or None for no such limit")
        self._ttl = nanoseconds(ttl)
        self._callback = eviction_callback
        self._clock = clock
        self._most = int(bytes or 0)
        self._sizer: Callable[[Any, Any], int] | None = size
        if size is None and bytes is not None:
            self._sizer = estimate
        self._touch = touch_on_read
        self._limit = int(capacity)
        self._hits = self._misses = self._evictions = self._expirations = self._version = 0
        self._later: deque[Callable[[], object]] = deque()
        self._unlock_all()
        self._forget()
        after_fork(self._after_fork)

    # -- reading

    @overload
    def get(self, key: K) -> V: ...
    @overload
    def get(self, key: K, default: D) -> V | D: ...
    def get(self, key: K, default: Any = ABSENT) -> Any:
        """The value. A missing or expired key gives the default, or raises CacheMissError."""
        entry = self._find(key, hash(key))
        if entry is not None:
            if not entry.expires or entry.expires > self._now():
                if entry.uses < 3 and self._touch:
                    entry.uses += 1
                self._hits += 1
                return entry.value
            self._remove(key, EXPIRED, over=True)
        self._misses += 1
        if default is ABSENT:
            raise CacheMissError(f"nothing is stored under {key!r}")
        return default

    @overload
    def get_ttl(self, key: K) -> tuple[V, float]: ...
    @overload
    def get_ttl(self, key: K, default: D) -> tuple[V | D, float]: ...
    def get_ttl(self, key: K, default: object = ABSENT) -> tuple[Any, float]:
        """The value and the seconds that the value stays (``inf``: for ever). A miss gives ``(default, -1.0)``."""
        now = self._now()
        entry = self._find(key, hash(key))
        if entry is not None:
            expires = entry.expires
            if not expires or expires > now:
                if entry.uses < 3 and self._touch:
                    entry.uses += 1
                self._hits += 1
                return entry.value, (expires - now) / 1e9 if expires else float("inf")
            self._remove(key, EXPIRED, over=True)
        self._misses += 1
        if default is ABSENT:
            raise CacheMissError(f"nothing is stored under {key!r}")
        return default, -1.0

    def contains(self, key: K, ttl: float | timedelta | None = None) -> bool:
        """Whether the key is there, with ``ttl`` for more than that many seconds. No use, hit or miss."""
        least = 0 if ttl is None else nanoseconds(ttl)
        now = self._now() if self._timed else 0
        entry = self._find(key, hash(key))
        return entry is not None and (not entry.expires or entry.expires > now + least)

    def __contains__(self, key: object) -> bool:
        return self.contains(key)  # type: ignore[arg-type]

    def __len__(self) -> int:
        """How many entries there are, with expired entries that were not taken out yet."""
        return self._n

    def keys(self) -> list[K]:
        """The keys that are not expired now, in no order."""
        now = self._now() if self._timed else 0
        with self._lock:
            entries = [*self._queues[SMALL], *self._queues[MAIN]]
        return [entry.key for entry in entries if not entry.expires or entry.expires > now]

    def __iter__(self) -> Iterator[K]:
        return iter(self.keys())

    # -- writing

    def put(self, key: K, value: V, ttl: float | timedelta | None = None, size: int | None = None) -> None:
        """Store a value of ``size`` bytes for ``ttl`` seconds (default: the ttl of the store; 0: for ever).

        If there is no room, other entries leave. A value that is larger than the whole store is not kept.
        """
        self._keep(key, value, ttl, size, anew=False)

    def add(self, key: K, value: V, ttl: float | timedelta | None = None, size: int | None = None) -> bool:
        """As ``put``, but only if the key is missing or expired; tells whether it was. One step for all threads."""
        return self._keep(key, value, ttl, size, anew=True)

    def _keep(self, key: K, value: V, ttl: float | timedelta | None, size: int | None, anew: bool) -> bool:
        lasts = self._ttl if ttl is None else nanoseconds(ttl)
        hash_ = hash(key)
        room = 0
        if size is not None or self._sizer is not None:
            room = int(size if size is not None else self._sizer(key, value))  # type: ignore[misc]
            if room < 0:
                raise ConfigError(f"size={room}: the bytes of an entry cannot be negative")
        now = self._now() if lasts or self._timed else 0
        return self._store(key, value, hash_, room, now + lasts if lasts else 0, now, anew)

    def renew(self, key: K, ttl: float | timedelta | None = None) -> bool:
        """Lengthen the life of an entry to ``ttl`` seconds, never shorten it; whether it was lengthened.

        ``ttl`` as in ``put``. False for a missing or expired key, and for an entry that lives longer already.
        """
        lasts = self._ttl if ttl is None else nanoseconds(ttl)
        now = self._now()
        return self._lengthen(key, now + lasts if lasts else 0, now)

    def _lengthen(self, key: object, expires: int, now: int) -> bool:
        hash_ = hash(key)
        while True:
            version = self._version
            entry = self._find(key, hash_)
            if entry is None:
                return False
            nested = self._lock._is_owned()
            with self._lock:
                if not self._begins(nested):
                    self._later.append(partial(self._lengthen, key, expires, now))
                    return False
                try:
                    if version == self._version:
                        longer = entry.expires > now and (expires == 0 or expires > entry.expires)
                        if longer:
                            self._untime(entry)
                            entry.expires = 0
                            if expires:
                                self._time(entry, expires, now)
                        return longer
                except BaseException:
                    self._forget()
                    raise
                finally:
                    self._busy = False

    @overload
    def pop(self, key: K) -> V: ...
    @overload
    def pop(self, key: K, default: D) -> V | D: ...
    def pop(self, key: K, default: Any = ABSENT) -> Any:
        """Take an entry out and give its value, in one step for all threads.

        A missing or expired key gives the default, or raises CacheMissError. Counts as a hit or a miss.
        """
        taken: list[Any] = []
        if self._remove(key, 0, taken=taken):
            self._hits += 1
            return taken[0]
        self._misses += 1
        if default is ABSENT:
            raise CacheMissError(f"nothing is stored under {key!r}")
        return default

    def delete(self, key: K) -> bool:
        """Remove the key; whether it was there and not expired."""
        return self._remove(key, 0)

    def expire(self, key: K) -> bool:
        """As ``delete``, but the store counts the removal as an expiry, and tells the callback so."""
        return self._remove(key, EXPIRED)

    def purge(self) -> int:
        """Take out all expired entries now, and give their number. ``put`` takes some each time; an idle store none."""
        now = self._now()
        gone = 0
        more, last = True, False
        while more:
            dead: Dead = []
            nested = self._lock._is_owned()
            with self._lock:
                if not self._begins(nested):
                    self._later.append(self.purge)
                    return gone
                try:
                    more = self._advance(now, dead, WHEEL)
                    if not more and not last and self._timed:
                        last = more = True
                        self._open(now >> TICK)  # this slot is not over, but some of its entries may be expired
                except BaseException:
                    self._forget()
                    raise
                finally:
                    self._busy = False
            gone += len(dead)
            self._bury(dead)
        return gone

    def clear(self) -> int:
        """Remove all entries, and give the memory back; gives how many entries were removed."""
        nested = self._lock._is_owned()
        with self._lock:
            if not self._begins(nested):
                self._later.append(self.clear)
                return 0
            try:
                old, gone = self._queues, self._n
                self._forget()
            finally:
                self._busy = False
        for queue in old:
            for entry in queue:
                entry.sooner = entry.later = entry.chain = None
        self._bury([])
        return gone

    # -- sizes and counts

    @property
    def capacity(self) -> int:
        """How many entries the store holds at most."""
        return self._limit

    @property
    def usage(self) -> int:
        """How many entries the store holds now."""
        return self._n

    @property
    def bytes(self) -> int:
        """The sizes of the entries together: given with ``put``, or estimated if ``bytes`` bounds the store."""
        return self._bytes

    @property
    def stats(self) -> StoreStats:
        """The counts since the store was made, and its content now."""
        return StoreStats(self._hits, self._misses, self._evictions, self._expirations, self._n, self._bytes)

    def __reduce__(self) -> Any:
        raise TypeError(f"a {type(self).__name__} is neither copied nor pickled: its entries are here alone")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._n} of {self._limit} entries>"

    # -- inside: locks and steps

    def _now(self) -> int:
        return monotonic_ns() if self._clock is None else int(self._clock() * 1e9)

    def _unlock_all(self) -> None:
        self._lock: Any = RLock()
        self._busy = False

    def _after_fork(self) -> None:
        """In a child: the thread that held the lock is of the parent, and may have been in the midst of a step."""
        half = self._busy
        self._unlock_all()
        if half:
            self._forget()

    def _begins(self, nested: bool) -> bool:
        """Begin a step, locked. False: this call interrupts a step of this thread, which had the lock before it.

        Not nested, and a step is under way: the exception of a signal handler has ended that one in its middle. Then
        nothing in the store counts any more. (A ``with`` block gives the lock back in any case.)
        """
        if self._busy:
            if nested:
                return False
            self._recover()
        self._busy = True
        return True

    def _recover(self) -> None:
        """A step ended in its middle: begin anew, empty."""
        self._forget()

    def _bury(self, dead: Dead) -> None:
        """After a step: make the calls that had to wait, and tell the callback. The dead values go with the list."""
        while self._later:
            try:
                late = self._later.popleft()
            except IndexError:  # another thread took the last call
                break
            late()
        if self._callback is not None:
            for key, value, why in dead:
                if why:
                    _tell(self._callback, key, value, REASONS[why])

    def _remove(self, key: object, why: int, over: bool = False, taken: list[Any] | None = None) -> bool:
        """Whether the key was there. ``over``: leave an entry that is not expired, which another thread has put.

        ``taken`` gets the value.
        """
        now = self._now() if self._timed else 0
        hash_ = hash(key)
        dead: Dead = []
        while True:
            version = self._version
            entry = self._find(key, hash_)
            if entry is None:
                return False
            nested = self._lock._is_owned()
            with self._lock:
                if not self._begins(nested):
                    self._later.append(partial(self._remove, key, why, over))
                    return False
                try:
                    if version == self._version:
                        there = not entry.expires or entry.expires > now
                        if taken is not None:
                            taken.append(entry.value)
                        if not (over and there):
                            self._take(entry, dead, why if there else EXPIRED)
                        break
                except BaseException:
                    self._forget()
                    raise
                finally:
                    self._busy = False
        self._bury(dead)
        return there

    def _store(
        self, key: object, value: object, hash_: int, size: int, expires: int, now: int, anew: bool = False
    ) -> bool:
        """Store a value; False if it was to be ``anew`` and there is one."""
        queue = -1  # of the new entry; unknown until the ghosts were asked
        uses = 0
        evicted = False
        while True:
            dead: Dead = []
            version = self._version
            entry = self._find(key, hash_)
            nested = self._lock._is_owned()
            with self._lock:
                if not self._begins(nested):
                    self._later.append(partial(self._store, key, value, hash_, size, expires, now, anew))
                    return True
                if version != self._version:
                    self._busy = False
                    continue
                done = there = False
                try:
                    done = self._refuses(value)
                    if not done and entry is not None and entry.expires and entry.expires <= now:
                        self._take(entry, dead, EXPIRED)
                        entry = None
                    if not done and self._timed:
                        self._advance(now, dead, SLOTS)  # does not take out ``entry``, which is not expired
                    if not done and anew and entry is not None:
                        done = there = True
                    if not done and entry is not None:
                        if self._most and self._bytes - entry.size + size > self._most:
                            # Out, and in again at the end of its queue: else it could be evicted to make room for
                            # itself.
                            queue = entry.queue
                            uses = min(3, entry.uses + 1)
                            self._take(entry, dead, 0)
                        else:
                            self._replace(entry, value, size, expires, now, dead)
                            done = True
                    if not done and self._most and size > self._most:
                        # The value leaves at once. The older value is gone already, else it would be served.
                        self._evictions += 1
                        dead.append((key, value, EVICTED))
                        done = True
                    if not done:
                        if queue < 0:
                            queue = MAIN if self._recall(hash_) else SMALL
                        if self._timed and self._lacks_room(size):
                            self._take_expired(now, dead)
                        evicted = self._make_room(size, dead) or evicted
                        if not self._lacks_room(size):
                            self._insert(key, value, hash_, size, queue, uses, expires, now)
                            if not evicted:
                                self._settle()
                            done = True
                except BaseException:
                    self._forget()
                    raise
                finally:
                    self._busy = False
            self._bury(dead)
            if done:
                return not there

    def _make_room(self, size: int, dead: Dead) -> bool:
        """In a step: evict at most a batch. Whether any entry went. (A loop of its own: see ``wire/pool.py``.)"""
        evicted = False
        while len(dead) < BATCH and self._lacks_room(size):
            self._evict(dead)
            evicted = True
        return evicted

    def _refuses(self, _value: Any) -> bool:
        """For the tier, in a step: whether this value became void before it was stored."""
        return False

    # -- the table

    def _find(self, key: object, hash_: int) -> Entry | None:
        """The entry of this key. Runs ``__eq__``, so before a step, and once more if that changed the store."""
        while True:
            version = self._version
            entry = self._table.get(hash_)
            while entry is not None:
                if entry.key is key or entry.key == key:
                    break
                entry = entry.chain
            if version == self._version:
                return entry

    def _insert(
        self, key: object, value: object, hash_: int, size: int, queue: int, uses: int, expires: int, now: int
    ) -> None:
        entry = Entry(key, value, hash_, size, uses)
        entry.chain = self._table.get(hash_)
        entry.queue = queue
        self._table[hash_] = entry
        self._queues[queue][entry] = None
        self._bytes += size
        self._n += 1
        self._version += 1
        if expires:
            self._time(entry, expires, now)

    def _replace(self, entry: Entry, value: object, size: int, expires: int, now: int, dead: Dead) -> None:
        """Another value for a key that is there. Counts as a use of the entry."""
        dead.append((None, entry.value, 0))
        entry.value = value
        self._bytes += size - entry.size
        entry.size = size
        entry.uses = min(3, entry.uses + 1)
        if entry.expires:
            self._untime(entry)
            entry.expires = 0
        if expires:
            self._time(entry, expires, now)

    def _take(self, entry: Entry, dead: Dead, why: int) -> None:
        """Take an entry out of all tables. ``dead`` keeps its key and value alive until the step is over."""
        dead.append((entry.key, entry.value, why))
        first = self._table[entry.hash]
        if first is not entry:
            while first.chain is not entry:
                assert first.chain is not None
                first = first.chain
            first.chain = entry.chain
        elif entry.chain is not None:
            self._table[entry.hash] = entry.chain
        else:
            del self._table[entry.hash]
        del self._queues[entry.queue][entry]
        if entry.expires:
            self._untime(entry)
        self._evictions += why == EVICTED
        self._expirations += why == EXPIRED
        self._bytes -= entry.size
        self._n -= 1
        self._version += 1

    def _forget(self) -> None:
        """Make the store empty; also after a step that did not come to its end."""
        self._table: dict[int, Entry] = {}
        self._queues: tuple[OrderedDict[Entry, None], OrderedDict[Entry, None]] = (OrderedDict(), OrderedDict())
        self._ring: deque[Ghost] = deque()
        self._remembered: dict[int, Ghost] = {}
        self._ghosts = [0, 0]
        self._wheel: list[Entry | None] = []
        self._cursor: Entry | None = None
        self._tick: int = 0
        self._soon: int = 0  # no entry of the slot that is not over expires before this instant
        self._timed: int = 0
        self._n: int = 0
        self._bytes: int = 0
        self._share = FIRST_SHARE
        self._version += 1

    # -- the queues

    def _lacks_room(self, size: int) -> bool:
        return self._n >= self._limit or (self._most > 0 and self._bytes + size > self._most)

    def _evict(self, dead: Dead) -> None:
        """Take one entry out."""
        small, main = self._queues
        steps = 0
        proven = PROVEN if self._share < LONG else 1
        while True:
            if small and (len(small) >= self._share * self._n or not main):
                entry = next(iter(small))
                if entry.uses >= proven:
                    del small[entry]
                    entry.uses = 0
                    entry.queue = MAIN
                    main[entry] = None
                    continue
            else:
                entry = next(iter(main))
                if entry.uses and steps < STEPS:
                    steps += 1
                    entry.uses -= 1
                    main.move_to_end(entry)
                    continue
            self._remember(entry.hash, entry.queue)
            self._take(entry, dead, EVICTED)
            return

    def _settle(self) -> None:
        """While there is room, an entry that overflows small is kept in main."""
        small, main = self._queues
        if len(small) > 1 and len(small) > self._share * self._n:
            entry = next(iter(small))
            del small[entry]
            entry.uses = 0
            entry.queue = MAIN
            main[entry] = None

    # -- the ghosts

    def _remember(self, hash_: int, queue: int) -> None:
        """Make a ghost: an entry of this hash was evicted from ``queue``. There are as many ghosts as entries."""
        while len(self._ring) >= self._n:
            oldest = self._ring.popleft()
            if oldest.alive:
                self._lay(oldest)
        known = self._remembered.get(hash_)
        if known is not None:
            self._lay(known)
        ghost = Ghost(hash_, queue)
        self._ring.append(ghost)
        self._remembered[hash_] = ghost
        self._ghosts[queue] += 1

    def _recall(self, hash_: int) -> bool:
        """Whether this hash has a ghost. The ghost is forgotten, and the shares of the queues adapt."""
        ghost = self._remembered.get(hash_)
        if ghost is None:
            return False
        small, main = self._ghosts
        if ghost.queue == MAIN:
            self._share -= PACE * max(small / main, 1.0) / max(self._n, 1)
            self._share = max(self._share, LEAST_SHARE)
        else:
            self._share += PACE * max(main / small, 1.0) / max(self._n, 1)
            self._share = min(self._share, MOST_SHARE)
        self._lay(ghost)
        return True

    def _lay(self, ghost: Ghost) -> None:
        """Forget a ghost. Its place in the ring stays, dead, until the ring comes round to it."""
        ghost.alive = False
        del self._remembered[ghost.hash]
        self._ghosts[ghost.queue] -= 1

    # -- the wheel

    def _time(self, entry: Entry, expires: int, now: int) -> None:
        slot = (expires >> TICK) & (WHEEL - 1)
        if not self._wheel:
            self._wheel = [None] * WHEEL
        if not self._timed:
            self._tick = (now >> TICK) - 1
        self._timed += 1
        self._soon = min(self._soon, expires)
        entry.expires = expires
        entry.sooner = None
        entry.later = self._wheel[slot]
        if entry.later is not None:
            entry.later.sooner = entry
        self._wheel[slot] = entry

    def _untime(self, entry: Entry) -> None:
        if self._cursor is entry:
            self._cursor = entry.later
        if entry.sooner is None:
            self._wheel[(entry.expires >> TICK) & (WHEEL - 1)] = entry.later
        else:
            entry.sooner.later = entry.later
        if entry.later is not None:
            entry.later.sooner = entry.sooner
        entry.sooner = entry.later = None  # ``expires`` stays: a thread that has found the entry may read it now
        self._timed -= 1

    def _advance(self, now: int, dead: Dead, slots: int) -> bool:
        """Take out a bounded number of expired entries, from the slots that are over. True: there are more."""
        last = (now >> TICK) - 1
        looks = LOOKS
        self._tick = max(self._tick, last - WHEEL)
        while True:
            while self._cursor is not None:
                if looks == 0 or len(dead) >= BATCH - SPARE:
                    return True
                looks -= 1
                entry = self._cursor
                self._cursor = entry.later
                if entry.expires <= now:  # else the entry belongs to a later turn of the wheel
                    self._take(entry, dead, EXPIRED)
            if self._tick >= last or not self._timed:
                return False
            if slots == 0:
                return True
            slots -= 1
            self._tick += 1
            self._open(self._tick)

    def _take_expired(self, now: int, dead: Dead) -> None:
        """Before an entry has to leave: take out what has expired in the slot that is not over, in a bounded time."""
        if now < self._soon:
            return
        least = ((now >> TICK) + 1) << TICK
        looks = STEPS
        entry = self._wheel[(now >> TICK) & (WHEEL - 1)]
        while entry is not None:
            if looks == 0 or len(dead) >= BATCH - SPARE:
                least = now + (looks == 0)  # not once more before the clock moves; there are expired ones: at once
                break
            looks -= 1
            later = entry.later
            if entry.expires <= now:
                self._take(entry, dead, EXPIRED)
            elif entry.expires < least:
                least = entry.expires
            entry = later
        self._soon = least

    def _open(self, tick: int) -> None:
        self._cursor = self._wheel[tick & (WHEEL - 1)]

    # -- for tests

    def _check(self) -> tuple[list[K], list[K], float, int, int]:
        """Assert all invariants; give the keys of both queues, the share of small, and the ghosts of each queue."""
        small, main = self._queues
        entries = [*small, *main]
        assert all(entry.queue == SMALL for entry in small)
        assert all(entry.queue == MAIN for entry in main)
        assert self._n == len(entries) <= self._limit
        assert self._bytes == sum(entry.size for entry in entries)
        assert not self._most or self._bytes <= self._most
        chained = []
        for hash_, first in self._table.items():
            link: Entry | None = first
            while link is not None:
                assert link.hash == hash_
                chained.append(link)
                link = link.chain
        assert len(chained) == self._n
        assert set(chained) == set(entries)
        timed = []
        for slot, head in enumerate(self._wheel):
            link, before = head, None
            while link is not None:
                assert link.sooner is before
                assert (link.expires >> TICK) & (WHEEL - 1) == slot
                timed.append(link)
                before, link = link, link.later
        assert len(timed) == self._timed == sum(entry.expires != 0 for entry in entries)
        alive = [ghost for ghost in self._ring if ghost.alive]
        assert len(alive) == len(self._remembered) == sum(self._ghosts)
        return [e.key for e in small], [e.key for e in main], self._share, *self._ghosts  # type: ignore[return-value]


def _tell(callback: Callable[..., object], key: object, value: object, reason: str) -> None:
    """An error of the callback goes to ``sys.unraisablehook``, like an error of ``__del__``: the put succeeded."""
    try:
        callback(key, value, reason)
    except BaseException as error:
        _Report(error)


class _Report:
    """An object whose ``__del__`` raises the given error: the way to ``sys.unraisablehook``."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __del__(self) -> None:
        raise self.error


def nanoseconds(ttl: float | timedelta) -> int:
    """A ttl in nanoseconds; 0: for ever."""
    total: Callable[[], float] | None = getattr(ttl, "total_seconds", None)
    given: Any = ttl if total is None else total()
    if isinstance(given, (str, bytes, bytearray)):  # float() would read text
        raise TypeError(f"must be real number, not {type(given).__name__}")
    seconds = float(given)
    if not seconds >= 0:
        raise ConfigError(f"ttl={ttl!r}: seconds from now, 0 for ever")
    if seconds == 0 or seconds >= FOREVER:
        return 0
    return max(1, int(seconds * 1e9))
