"""The tier of one connection in pure Python: values of the server, held in this process while they surely count.

``_tier.pyx`` is the same, compiled; one suite tests both. A value is held under its question: an owner and exact
arguments. It belongs to its *origin*, the key on the server that it was read from. When the server says that this
key changed, all values of this origin go. The keys of tags and guards are *watched*. A value that was read under
watched keys is served as long as none of these keys has changed.

The fence (rules F): a reader that wants to hold a reply takes a token before it reads. Meanwhile a message about
the key or a watched key, an own write, or a lost listener may make the reply void. The tier sees that when the
reader brings the value in, and refuses the value. Of keys without a held value the tier keeps only a sequence
number in one of 4,096 slots. Two keys that share a slot cost each other a fill at most.

The proof (rules Q): the tier serves values until ``staleness`` seconds after the proven instant. All changes that
the server acknowledged before this instant have been heard. Two clocks must agree on that: the monotonic clock
stands still while a machine sleeps, so the tier asks the wall clock as well. If the wall clock jumped, nothing is
served until the next proof.

Behind one connection there may be several servers, the *nodes*, each with a proof of its own. A value depends on the
nodes that answered for its key and for what it watches: bit ``i`` of a number is node ``i``. The value is served while
the proof of each of them holds, whatever becomes of other nodes. One server is node 0.

Threads may do all of this at once, without the GIL too. A change that no thread may see by halves is a step of the
store, or one object. Without the GIL only the counts may miss a few; the counts of the compiled twin do not.
"""

from __future__ import annotations

from struct import pack
from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING, Any, NamedTuple

from .calls import EXACT, is_class
from .counts import TierCounts
from .packed import Packed
from .store import Dead, Entry, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .words import Words

__all__ = ["Tier", "Token"]

SEQS = 4096
MARKS = 1 << 16
NODES = 64
FOREVER = 1 << 62
CUT = 1_000_000  # ns by which a ttl may be too long: the clock of a server is cut to whole ms
SLEPT = 100_000_000  # ns by which the clocks may part before we say that the machine slept
SPECIAL = (b"rc:t:", b"rc:g:")  # the marks in the keys of tags and guards


class Token(NamedTuple):
    """The state of the tier before a read was sent."""

    epoch: int
    key: bytes
    seq: int
    watched: tuple[tuple[int, int], ...]
    nodes: int = 1  # who is to answer: bits
    epochs: int = 0  # of these nodes, together
    slots: tuple[int, ...] = ()  # of the key and of what is watched


class Kept:
    """A value with the token that it depends on."""

    __slots__ = ("args", "refused", "token", "value")

    def __init__(self, value: object, token: Token) -> None:
        self.value = value
        self.token = token
        self.refused = False
        self.args: tuple[Any, ...] = ()  # keeps classes among the arguments alive, so that no other class gets their id


class Tier(Store[Any, Any]):
    """Values of one server. ``clock`` and ``wall`` give seconds, for tests; all other times are in ns."""

    __slots__ = (
        "_at", "_cut", "_drift", "_emptying", "_epoch", "_epochs", "_fills", "_hears", "_invalidations", "_local",
        "_marks", "_origins", "_refused", "_seqs", "_staleness", "_until", "_until_wall", "_wall_clock",
    )  # fmt: skip

    def __init__(
        self,
        capacity: int = 10_000,
        *,
        bytes: int | None = None,  # noqa: A002 - the name that the store has
        staleness: float = 1.0,
        clock: Callable[[], float] | None = None,
        wall: Callable[[], float] | None = None,
    ) -> None:
        self._origins: dict[Any, set[Any]] = {}
        super().__init__(capacity, bytes=bytes, size=_no_size, clock=clock)
        self._wall_clock = wall
        self._cut = CUT if clock is None else 0
        self._staleness = round(staleness * 1e9)
        self._epoch = 0
        self._local = self._emptying = False
        self._hears = 0  # the nodes whose changes are heard: bits
        self._epochs, self._until, self._until_wall, self._at = ([0] * NODES for _ in range(4))
        self._drift: list[int | None] = [None] * NODES
        self._seqs = [0] * SEQS
        self._marks: dict[int, int] = {}
        self._fills = self._refused = self._invalidations = 0

    def follow(self, words: Words) -> None:
        """The compiled tiers of a listener share its words; in Python a listener tells each tier."""

    # -- the proof

    @property
    def live(self) -> bool:
        """Whether changes are heard, of any node: then a reader gets a token, and may bring its value in."""
        return self._hears != 0

    @property
    def serves(self) -> bool:
        """Whether values may be served at this moment, of any node."""
        return any(self.serving())

    def serving(self) -> list[bool]:
        """Of each node whose changes are heard, in order: whether its values may be served at this moment."""
        return [not self._emptying and self._served(1 << node) for node in _bits(self._hears)]

    def _served(self, nodes: int) -> bool:
        if self._local:
            return self._hears != 0
        now, wall = self._now(), self._wall_now()
        if nodes == 1:
            return now < self._until[0] and wall < self._until_wall[0]
        return all(now < self._until[node] and wall < self._until_wall[node] for node in _bits(nodes))

    @property
    def age(self) -> float | None:
        """Seconds since the proven instant, of several the oldest; None before the first proof."""
        proven = [self._at[node] for node in _bits(self._hears) if self._until[node]]
        return None if self._local or not proven else (self._now() - min(proven)) / 1e9

    def instant(self) -> tuple[int, int]:
        """Now on both clocks, for ``prove``."""
        return self._now(), self._wall_now()

    def begin(self, *, local: bool = False, node: int = 0) -> None:
        """From now on changes of this node are heard (F5). ``local``: every writer tells the tier itself."""
        with self._lock:
            if not self._hears & 1 << node:
                self._until[node] = 0  # drops a proof that came between the parts of ``lost``
            self._local = local
            self._hears |= 1 << node

    def prove(self, instant: tuple[int, int], node: int = 0) -> None:
        """All changes that this node acknowledged before this instant have been heard (Q3)."""
        now, wall = instant
        drift = wall - now
        before = self._drift[node]  # None: the first proof since ``begin``. Read once: ``lost`` may come between
        if before is not None and drift - before > SLEPT:
            self.void()  # we slept, and a writer or listener that should have told us may have slept too
        with self._lock:
            self._drift[node] = drift
            if self._hears & 1 << node:
                self._at[node], self._until[node] = now, now + self._staleness
                self._until_wall[node] = wall + self._staleness

    def lost(self, node: int | None = None) -> None:
        """Changes may have been missed, of this node or of all (F4): nothing that was read from it counts any more."""
        with self._lock:
            gone = range(NODES) if node is None else (node,)
            self._hears = 0 if node is None else self._hears & ~(1 << node)
            for each in gone:
                self._until[each] = 0
                self._drift[each] = None
        if node is None or not self._hears:
            self.void()
        else:
            self._leave_behind(lambda token: bool(token.nodes >> node & 1))

    def void(self, node: int | None = None) -> None:
        """Everything changed, on this node or on all: nothing that was read from it before counts any more."""
        if node is not None and self._hears & ~(1 << node):
            self._leave_behind(lambda token: bool(token.nodes >> node & 1), node)
            return
        nested = self._lock._is_owned()
        with self._lock:
            entered = self._begins(nested)  # False: this call interrupts a step, and no other thread is in one
            try:
                self._epoch += 1
                if not entered:
                    self._emptying = True  # ``clear`` waits until that step is over
            finally:
                if entered:
                    self._busy = False
        self.clear()

    def moved(self, slots: Iterable[int]) -> None:
        """These slots have another owner: what was read of their keys counts no more; what is on its way is refused."""
        gone = frozenset(slots)
        self._leave_behind(lambda token: not gone.isdisjoint(token.slots))

    def _leave_behind(self, is_void: Callable[[Token], bool], node: int | None = None) -> None:
        """Refuse what is on its way, of this node or of all, and drop what is void."""
        nested = self._lock._is_owned()
        with self._lock:
            entered = self._begins(nested)
            try:
                if node is None:
                    self._epoch += 1
                else:
                    self._epochs[node] += 1
                if not entered:  # as in ``_drop``
                    self._emptying = True
                    self.clear()
                found = self._keys_of(is_void)
            finally:
                if entered:
                    self._busy = False
        for each in found:
            self.delete(each)

    def _keys_of(self, is_void: Callable[[Token], bool]) -> list[Any]:
        return [entry.key for queue in self._queues for entry in queue if is_void(entry.value.token)]

    # -- the fence

    def token(self, key: str, watched: Iterable[str] = (), nodes: int = 1, slots: tuple[int, ...] = ()) -> Token | None:
        """A token for a reader, before it sends its read; None while changes are not heard (F1).

        ``nodes``: who is to answer for the key and for what is watched, in bits. ``slots``: of them, in a cluster.
        """
        epoch = self._epoch  # read before ``_hears``: a loss after that makes the token void
        if nodes & ~self._hears:
            return None
        name = str.encode(key)
        places = [hash(str.encode(each)) % MARKS for each in watched]
        marks = tuple((place, self._marks.get(place, 0)) for place in places)
        return Token(epoch, name, self._seqs[hash(name) % SEQS], marks, nodes, self._epochs_of(nodes), slots)

    def _epochs_of(self, nodes: int) -> int:
        return self._epochs[0] if nodes == 1 else sum(self._epochs[node] for node in _bits(nodes))

    def keep(
        self, token: Token, owner: int, args: tuple[Any, ...], value: object, deadline: int = 0, size: int = 0
    ) -> bool:
        """Hold a value that was read until ``deadline`` (0: no end of its own), unless it is void by now (F3)."""
        if self._is_void(token):
            self._refused += 1
            return False
        now = self._now()
        if deadline > FOREVER:
            deadline = 0
        if deadline:
            deadline -= self._cut
            if deadline <= now:
                return False
        key = exact_key(owner, args)
        if key is None:
            return False
        kept = Kept(value, token)
        kept.args = args
        self._store(key, kept, hash(key), size, deadline, now)
        if kept.refused or self._is_void(token):
            self._refused += 1  # the value became void meanwhile: it is not held, or not held any more
            return False
        self._fills += 1
        return True

    def put(self, key: object, value: object, ttl: object = None, size: object = None) -> None:  # noqa: ARG002
        """Not for a tier: ``keep`` knows the token that a value depends on."""
        raise TypeError("a tier is filled by keep()")

    def _refuses(self, value: Kept) -> bool:
        value.refused = self._is_void(value.token)
        return value.refused

    def _is_void(self, token: Token) -> bool:
        return (
            bool(token.nodes & ~self._hears)
            or token.epochs != self._epochs_of(token.nodes)
            or token.epoch != self._epoch
            or token.seq != self._seqs[hash(token.key) % SEQS]
            or any(self._marks.get(slot, 0) != mark for slot, mark in token.watched)
        )

    def changed(self, keys: Iterable[bytes]) -> None:
        """The server says that these keys changed."""
        for key in keys:
            self._invalidations += 1
            self._drop(key)

    def announced(self, numbers: Iterable[int]) -> None:
        """For the compiled tier: its ear moves words, and values go later. Here ``changed`` does both."""

    def wrote(self, keys: Iterable[str | bytes]) -> None:
        """We wrote these keys, or may have. Called after the reply, or where the reply was lost (F6)."""
        for key in keys:
            self._drop(str.encode(key) if isinstance(key, str) else key)

    def _drop(self, key: bytes) -> None:
        number = hash(key)
        nested = self._lock._is_owned()
        with self._lock:  # a fill before this step is dropped below, a fill after it is refused
            entered = self._begins(nested)
            try:
                self._seqs[number % SEQS] += 1
                if any(each in key for each in SPECIAL):
                    slot = number % MARKS
                    self._marks[slot] = self._marks.get(slot, 0) + 1
                if not entered:  # this call interrupts a step, perhaps the fill of this key: all goes after that step
                    self._emptying = True
                    self.clear()
            finally:
                if entered:
                    self._busy = False
        for each in list(self._origins.get(key, ())):
            self.delete(each)

    # -- looking

    def held(self, owner: int, args: tuple[Any, ...], default: object = None) -> Any:
        """The value that is held for these arguments and may be served, else the default."""
        key = exact_key(owner, args) if self._hears and not self._emptying else None
        entry = None if key is None else self._find(key, hash(key))
        if entry is None or not self._served(entry.value.token.nodes):
            self._misses += 1
            return default
        kept = self.get(key, None)
        if kept is None:
            return default
        for slot, mark in kept.token.watched:
            if self._marks.get(slot, 0) != mark:
                self.delete(key)
                self._hits -= 1
                self._misses += 1
                return default
        value = kept.value
        return value.open() if type(value) is Packed else value

    @property
    def counts(self) -> TierCounts:
        """The counts since the tier was made, and its content now."""
        return TierCounts(
            self._hits, self._misses, self._fills, self._refused, self._invalidations, self._evictions,
            self._n, self._bytes,
        )  # fmt: skip

    # -- inside: the keys that belong to an origin

    def _wall_now(self) -> int:
        return time_ns() if self._wall_clock is None else int(self._wall_clock() * 1e9)

    def _now(self) -> int:
        return monotonic_ns() if self._clock is None else int(self._clock() * 1e9)

    def _insert(
        self, key: object, value: Any, hash_: int, size: int, queue: int, uses: int, expires: int, now: int
    ) -> None:
        super()._insert(key, value, hash_, size, queue, uses, expires, now)
        self._origins.setdefault(value.token.key, set()).add(key)

    def _replace(self, entry: Entry, value: Any, size: int, expires: int, now: int, dead: Dead) -> None:
        self._unlink(entry)
        super()._replace(entry, value, size, expires, now, dead)
        self._origins.setdefault(value.token.key, set()).add(entry.key)

    def _take(self, entry: Entry, dead: Dead, why: int) -> None:
        self._unlink(entry)
        super()._take(entry, dead, why)

    def _unlink(self, entry: Entry) -> None:
        belong = self._origins[entry.value.token.key]
        belong.discard(entry.key)
        if not belong:
            del self._origins[entry.value.token.key]

    def _recover(self) -> None:
        self._epoch += 1  # the step may have been about a change: replies that were read before it count no more
        self._forget()

    def _forget(self) -> None:
        super()._forget()
        self._origins.clear()
        self._emptying = False

    def _check(self) -> Any:
        found = super()._check()
        entries = {entry.key: entry.value.token.key for queue in self._queues for entry in queue}
        assert {key: origin for origin, keys in self._origins.items() for key in keys} == entries
        assert all(self._origins.values())
        return found


def exact_key(owner: int, args: tuple[Any, ...]) -> Any:
    """A key that is equal for equal arguments of the same types only: 1, True and 1.0 are three, 0.0 and -0.0 two.

    None for arguments that cannot be compared without running code of the user. A tuple among the arguments holds
    the names of keywords.
    """
    kinds = tuple(map(type, args))
    if not EXACT.issuperset(map(id, kinds)):
        if not all(map(_is_exact, args)):
            return None
        # A class is compared by its identity: ``__eq__`` and ``__hash__`` of its metaclass do not run.
        kinds = tuple(type if is_class(each) else type(each) for each in args)
        args = tuple(id(each) if kind is type else each for each, kind in zip(args, kinds, strict=True))
    if float in kinds:
        args = tuple(pack("d", each) if kind is float else each for each, kind in zip(args, kinds, strict=True))
    return owner, kinds, args


def _bits(nodes: int) -> Iterator[int]:
    return (node for node in range(nodes.bit_length()) if nodes >> node & 1)


def _is_exact(each: Any) -> bool:
    if type(each) is tuple:
        return all(type(name) is str for name in each)
    return id(type(each)) in EXACT or is_class(each)


def _no_size(_key: object, _value: object) -> int:
    return 0
