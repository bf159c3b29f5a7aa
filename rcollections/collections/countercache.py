"""``CounterCache``: the Counter you know, in a hash on the server, which no two writers can garble."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload

from ..errors import ConfigError, EncodeError
from ..missing import MISSING
from ..plans.collections import counters as plans
from ..plans.collections import hashes
from ..values.count import Count, Place
from .hashcache import HashCache, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from typing_extensions import TypeVar as TypeVarWithDefault

    from ..handles.pipeline import Pending
    from ..plans.target import Target

    K = TypeVarWithDefault("K", default=Any)
else:
    K = TypeVar("K")

__all__ = ["Count", "CounterCache"]

D = TypeVar("D")


class CounterCache(HashCache[K, int], MutableMapping[K, int]):
    """A ``collections.Counter`` on the server: a missing field counts 0, and adding is atomic.

    ``c[field] += 1`` reads and then sends one increment, so that nobody's counting is lost; so does
    ``-=``. Every other assignment sets. ``increment`` is the same in one round trip. Counts are ints
    of 64 bits: others are an EncodeError (a TypeError) before anything is sent, a sum that would not
    fit is one too and changes nothing. A field that holds no count is a WrongTypeError.

    Operations are atomic and one round trip unless they say otherwise. Operators and ``copy()`` give
    plain ``Counter``; the in-place forms run on the server.

    >>> from rcollections import CounterCache
    >>> class Hits(CounterCache[str]):
    ...     prefix = "hits"
    >>> hits = Hits("today", data=["/", "/", "/about"])
    >>> hits["/about"] += 2
    >>> hits.update(["/", "/about"])
    >>> hits.most_common(1), hits.total(), hits["/nobody"]
    ([('/about', 4)], 7, 0)
    """

    @classmethod
    def _check_option(cls, name: str, value: Any) -> Any:
        if name == "serializer" and value is not None:
            raise ConfigError(f"{cls.__name__}.serializer: counts are numbers of the server, nothing serializes them")
        return super()._check_option(name, value)

    def _content(self, _connection: Any) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
        return plans.write_count, plans.read_count

    def _replace(self, data: Any) -> None:
        self._replace_items(_counted(data).items())

    def _merge(self, data: Any) -> None:
        self._store(_counted(data).items())

    # -- one field -------------------------------------------------------------------------------

    def __getitem__(self, field: K) -> int:
        t = self._bound()
        place = Place(t.connection, t.key, t.encode(field))
        op = plans.get(t, place, lambda: self._outside().__missing__(field))
        op.plus = lambda pending, step: _Sum(pending, place, _int(step))
        return self._run(op)  # type: ignore[no-any-return]

    def __missing__(self, field: K) -> int:
        """What a missing field reads as: 0, which is not stored."""
        return 0

    def __setitem__(self, field: K, count: int) -> None:
        t = self._bound()
        sum_: Any = count
        if isinstance(sum_, (Count, _Sum)):
            place = Place(t.connection, t.key, t.encode(field))
            step = sum_.take(place)
            if step is not None:
                op = plans.add(t, place.field, step)
                op.instead = getattr(sum_, "pending", None)
                self._run(op)
                return
        self._run(hashes.set_field(t, field, count))

    def __delitem__(self, field: K) -> None:
        """Remove a field; as in Counter it is fine if it is missing."""
        self.discard(field)

    delete = __delitem__

    @overload
    def get(self, field: K) -> int | None: ...
    @overload
    def get(self, field: K, default: D) -> int | D: ...
    def get(self, field: Any, default: Any = None) -> Any:
        """The count of a field, or the default: None, as in Counter. One round trip."""
        return self._run(hashes.get(self._bound(), field, lambda: default))

    def set(self, field: K, count: int) -> bool:
        """Make this the count of a field, whatever it was. True if the field is new."""
        return self._run(hashes.set_field(self._bound(), field, count))

    def increment(self, field: K, n: int = 1) -> int:
        """Add ``n`` to the count of a field, atomically; gives the new count. One round trip.

        With 0 this reads: a missing field counts 0 and is not stored. It is never repeated after a
        failure, so a lost reply raises instead of counting twice. ``inc`` is another name of it.
        """
        t = self._bound()
        if type(n) is int and n == 0:
            return self._run(hashes.get(t, field, lambda: 0))  # type: ignore[no-any-return]
        return self._run(plans.add(t, t.encode(field), n))  # type: ignore[no-any-return]

    inc = increment

    def setdefault(self, field: K, default: int = 0) -> int:
        """The count of a field, which is stored first if it is missing; atomic."""
        return self._run(hashes.setdefault(self._bound(), field, default))  # type: ignore[no-any-return]

    @overload
    def pop(self, field: K) -> int: ...
    @overload
    def pop(self, field: K, default: D) -> int | D: ...
    def pop(self, field: Any, default: Any = MISSING) -> Any:
        """Take a field out and give its count; a missing one gives the default, or KeyError."""

        def absent() -> Any:
            if default is MISSING:
                raise KeyError(field)
            return default

        return self._run(plans.pop(self._bound(), field, absent))

    def popitem(self) -> tuple[K, int]:
        """Take any field and its count out; KeyError if there is none."""

        def absent() -> Any:
            raise KeyError("popitem(): dictionary is empty")

        return self._run(plans.popitem(self._bound(), absent))  # type: ignore[no-any-return]

    # -- many fields -----------------------------------------------------------------------------

    def get_many(self, fields: Iterable[K], default: Any = 0) -> dict[K, Any]:
        """The counts of several fields in one round trip, 0 (or the ``default``) for missing ones."""
        return self._many(fields, lambda found: {f: default if n is MISSING else n for f, n in found.items()})

    def getmany(self, *fields: K) -> list[int]:
        """The counts of several fields in one round trip, as a list in their order, 0 for missing ones."""
        return self._many(fields, lambda found: [0 if found[f] is MISSING else found[f] for f in fields])

    def set_many(self, counts: Mapping[K, int]) -> None:
        """Make these the counts of several fields, whatever they were. Atomic up to 5,000 fields."""
        self._store(_mapping(counts).items())

    def update(self, iterable: Any = None, /, **counts: int) -> None:
        """Count the elements of an iterable, or add the counts of a mapping; one round trip.

        All or nothing up to 5,000 different elements. More are sent in steps of 2,500: what was
        counted stays if a later step fails. Another CounterCache of the same connection is read on
        the server. Adding 0 to a count that is there changes nothing, so it does not re-arm the ttl.
        """
        self._add_all(iterable, counts, "add")

    def subtract(self, iterable: Any = None, /, **counts: int) -> None:
        """Like ``update``, but subtracts; counts may get to 0 and below, and stay. One round trip."""
        self._add_all(iterable, counts, "sub")

    def _add_all(self, iterable: Any, counts: Mapping[Any, int], sign: str) -> None:
        t = self._bound()
        if not counts and _on_server(t, iterable):
            op = plans.add_all(t, [], iterable._bound(), sign, lambda: self._send(t, _flat(t, plain(iterable)), sign))
            self._run(op)
            return
        words = _words(t, iterable, counts)
        if words:
            self._send(t, words, sign)
        else:
            self._now(None)

    def _send(self, t: Target, words: list[bytes], sign: str) -> None:
        if hashes.is_small(words):
            self._run(plans.add_all(t, words, None, sign))
        else:
            self._drive("update" if sign == "add" else "subtract", plans.add_big(t, words, sign))

    @classmethod
    def fromkeys(cls, fields: Iterable[Any], value: Any = None) -> NoReturn:
        """Not there, as in Counter: what a count made of keys should be is not obvious."""
        raise NotImplementedError(f"{cls.__name__}.fromkeys() is undefined. Use {cls.__name__}(*parts, data=iterable)")

    # -- what a Counter knows --------------------------------------------------------------------

    def most_common(self, n: int | None = None) -> list[tuple[K, int]]:
        """The ``n`` fields with the largest counts (all without ``n``), largest first. Reads all, O(n log n)."""
        return self._whole(lambda items: Counter(dict(items)).most_common(n))

    def elements(self) -> Iterator[K]:
        """Each field as often as it counts; those not above 0 are left out. Reads all before the first."""
        return self._whole(lambda items: Counter(dict(items)).elements())

    def total(self) -> int:
        """The sum of all counts. Reads all of them, O(n)."""
        return self._whole(lambda items: sum(count for _, count in items))

    def to_counter(self) -> Counter[K]:
        """The content as a plain Counter; one round trip up to 10,000 fields, then one a page."""
        return self._whole(lambda items: Counter(dict(items)))

    copy = to_counter

    def to_dict(self) -> dict[K, int]:
        """The content as a plain dict; one round trip up to 10,000 fields, then one a page."""
        return self._whole(dict)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (Counter, CounterCache)):
            return self.to_counter() == _counter(other)
        if isinstance(other, Mapping):
            return bool(self.to_dict() == plain(other))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __le__(self, other: Any) -> bool:
        return NotImplemented if _foreign(other) else self.to_counter() <= _counter(other)

    def __lt__(self, other: Any) -> bool:
        return NotImplemented if _foreign(other) else self.to_counter() < _counter(other)

    def __ge__(self, other: Any) -> bool:
        return NotImplemented if _foreign(other) else self.to_counter() >= _counter(other)

    def __gt__(self, other: Any) -> bool:
        return NotImplemented if _foreign(other) else self.to_counter() > _counter(other)

    def __pos__(self) -> Counter[K]:
        return +self.to_counter()

    def __neg__(self) -> Counter[K]:
        return -self.to_counter()

    def __add__(self, other: Any) -> Counter[K]:
        return NotImplemented if _foreign(other) else self.to_counter() + _counter(other)

    def __radd__(self, other: Any) -> Counter[K]:
        return NotImplemented if _foreign(other) else _counter(other) + self.to_counter()

    def __sub__(self, other: Any) -> Counter[K]:
        return NotImplemented if _foreign(other) else self.to_counter() - _counter(other)

    def __rsub__(self, other: Any) -> Counter[K]:
        return NotImplemented if _foreign(other) else _counter(other) - self.to_counter()

    def __or__(self, other: Any) -> Counter[K]:
        return NotImplemented if _foreign(other) else Counter.__or__(self.to_counter(), _counter(other))

    def __ror__(self, other: Any) -> Counter[K]:
        return NotImplemented if _foreign(other) else Counter.__or__(_counter(other), self.to_counter())

    def __and__(self, other: Any) -> Counter[K]:
        return NotImplemented if _foreign(other) else self.to_counter() & _counter(other)

    def __rand__(self, other: Any) -> Counter[K]:
        return NotImplemented if _foreign(other) else _counter(other) & self.to_counter()

    # -- in place, on the server: afterwards only counts above 0 are left, as in Counter ----------

    def __iadd__(self, other: Any) -> Self:
        return self._combine(other, "add")

    def __isub__(self, other: Any) -> Self:
        return self._combine(other, "sub")

    def __ior__(self, other: Any) -> Self:
        return self._combine(other, "or")

    def __iand__(self, other: Any) -> Self:
        return self._combine(other, "and")

    def _combine(self, other: Any, name: str) -> Self:
        """One atomic step as long as both counters have at most 5,000 fields; above it a page at a time."""
        if not isinstance(other, Mapping):
            return NotImplemented  # type: ignore[no-any-return]
        t = self._bound()
        if isinstance(other, CounterCache) and _on_server(t, other):
            op = plans.combine(t, [], other._bound(), name, lambda: self._combine_big(t, plain(other), name))
            self._run(op)
            return self
        words = _flat(t, plain(other))
        if hashes.is_small(words):
            self._run(plans.combine(t, words, None, name, lambda: self._combine_big(t, plain(other), name)))
        else:
            self._combine_big(t, plain(other), name)
        return self

    def _combine_big(self, t: Target, counts: Mapping[Any, int], name: str) -> None:
        words = iter(_flat(t, counts))
        self._drive(name, plans.combine_big(t, dict(zip(words, words, strict=True)), name))


class _Sum:
    """``p[field] += 1`` in a pipeline: what a pending count and a step make, until it is stored."""

    __slots__ = ("_place", "_step", "pending")

    def __init__(self, pending: Pending, place: Place, step: int) -> None:
        self.pending = pending
        self._place = place
        self._step = step

    def take(self, place: Place) -> int:
        if self._place != place:
            raise TypeError("a pending count can only be stored in the field that it was read from")
        return self._step

    def __iadd__(self, by: Any) -> _Sum:
        return _Sum(self.pending, self._place, self._step + _int(by))

    def __isub__(self, by: Any) -> _Sum:
        return _Sum(self.pending, self._place, self._step - _int(by))


def _int(step: Any) -> int:
    if not isinstance(step, int):
        raise EncodeError(f"counts are int, not {type(step).__name__}")
    return int(step)


def _on_server(t: Target, other: Any) -> bool:
    return isinstance(other, CounterCache) and other._bound().connection is t.connection


def _foreign(other: Any) -> bool:
    return not isinstance(other, (Counter, CounterCache))


def _counter(other: Any) -> Counter[Any]:
    return other.to_counter() if isinstance(other, CounterCache) else other


def _mapping(counts: Any) -> dict[Any, Any]:
    found = plain(counts)
    return found if isinstance(found, dict) else dict(found)


def _counted(data: Any) -> Mapping[Any, Any]:
    """What ``Counter(data)`` counts."""
    if data is None:
        return {}
    return _mapping(data) if isinstance(data, Mapping) else Counter(data)


def _words(t: Target, iterable: Any, counts: Mapping[Any, int]) -> list[bytes]:
    """The fields and counts of ``update(iterable, **counts)``; a field in both counts twice."""
    words = _flat(t, _counted(iterable))
    if not counts:
        return words
    merged = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    more = _flat(t, counts)
    for field, count in zip(more[::2], map(int, more[1::2]), strict=True):
        merged[field] = merged.get(field, 0) + count
    return [word for field, count in merged.items() for word in (field, t.dumps(count))]


def _flat(t: Target, counts: Mapping[Any, int]) -> list[bytes]:
    return hashes.encoded(t, counts.items())
