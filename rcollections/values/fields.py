"""Fields and members: **equal fields give equal bytes**, where "equal" means ``==`` and ``hash`` of Python.

All fields that are equal have one representative (``1`` for ``True``, ``1.0`` and ``Decimal(1)``).
The representative is written, and a reader gets the representative back.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from math import isnan
from operator import index
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..errors import DecodeError, EncodeError
from .classes import is_dataclass
from .packing import DEEPEST, EXACT, pack
from .plain import INT64_MAX, INT64_MIN, TEXT_NUMBER_STARTS, TEXT_WORDS, write_str
from .unpacking import unpack

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["canonical", "decode_field", "encode_field"]

LARGEST_EXPONENT = 4000
NAN = "NaN is not equal to itself, so it cannot be a field or a member"


def encode_field(field: object) -> bytes:
    """The one form of a field or member; an unhashable object is a TypeError, NaN a ValueError."""
    kind = type(field)
    if kind is str:
        # The hot path: nearly all fields are text that does not begin like a number.
        if field[:1] not in TEXT_NUMBER_STARTS and field not in TEXT_WORDS:  # type: ignore[index]
            try:
                return field.encode()  # type: ignore[attr-defined, no-any-return]
            except UnicodeEncodeError:
                pass
        return write_str(field)  # type: ignore[arg-type]
    if kind is int and INT64_MIN <= field <= INT64_MAX:  # type: ignore[operator]
        return str(field).encode()
    return pack(canonical(field), EXACT)


def decode_field(data: bytes) -> object:
    """The representative of a stored field or member; ``DecodeError`` for bytes that cannot be a field."""
    field = unpack(data)
    if data[:1] == b"\xc1":
        try:
            hash(field)
        except TypeError as error:
            raise DecodeError("the stored bytes are not those of a field or member: not hashable") from error
    return field


def canonical(value: Any, depth: int = 1) -> object:
    """The representative of all objects that are equal to ``value``."""
    kind = type(value)
    if kind is str or kind is bytes or value is None:
        return value
    rule = RULES.get(kind)
    if rule is None:
        rule = _rule_of_subclass(value)
    if rule is not _tuple and rule is not _frozenset:
        return rule(value)
    if depth > DEEPEST:
        raise EncodeError(f"a field of more than {DEEPEST} tuples in one another")
    if rule is _tuple:
        return tuple([canonical(item, depth + 1) for item in tuple.__iter__(value)])
    return frozenset([canonical(item, depth + 1) for item in frozenset.__iter__(value)])


def _rule_of_subclass(value: object) -> Callable[[object], object]:
    for base, rule in RULES.items():
        # Plain Enums come last: to Python an IntEnum is a number, and a (str, Enum) a text.
        if isinstance(value, base):
            return rule
    if isinstance(value, Enum):
        return _same
    number = _as_int(value)
    if number is not None:
        return lambda _: number
    name = type(value).__name__
    if type(value).__hash__ is None or is_dataclass(type(value)):
        raise EncodeError(f"unhashable type: {name!r}")
    raise EncodeError(f"a value of type {name!r} cannot be a field or member")


def _as_int(value: Any) -> int | None:
    """The int that an object counts as (numpy's integers), if it is the same field of a dict."""
    try:
        number = index(value)
        return number if hash(value) == hash(number) and bool(value == number) else None
    except TypeError:
        return None


def _same(value: object) -> object:
    return value


def _float(value: float) -> int | float:
    value = float.__float__(value)
    if isnan(value):
        raise ValueError(NAN)
    return int(value) if value.is_integer() else value


def _decimal(value: Decimal) -> int | float | Fraction:
    if value.is_nan():
        raise ValueError(NAN)
    if value.is_infinite():
        return float(value)
    exponent = value.as_tuple().exponent
    if max(abs(int(exponent)), abs(value.adjusted())) > LARGEST_EXPONENT and value:
        raise ValueError(f"a Decimal with an exponent over {LARGEST_EXPONENT} cannot be a field or a member")
    return _fraction(Fraction(value)) if value else 0


def _fraction(value: Fraction) -> int | float | Fraction:
    if value.denominator == 1:
        return value.numerator
    try:
        nearest = float(value)
    except OverflowError:
        return Fraction(value.numerator, value.denominator)
    return nearest if nearest == value else Fraction(value.numerator, value.denominator)


def _complex(value: complex) -> int | float | complex:
    if isnan(value.real) or isnan(value.imag):
        raise ValueError(NAN)
    if not value.imag:
        return _float(value.real)
    return complex(value.real + 0.0, value.imag)  # + 0.0: -0.0 is equal to 0.0


def _date(value: date) -> date:
    return date(value.year, value.month, value.day)


def _datetime(value: datetime) -> datetime:
    # Of exactly that type, and with fold=0: within one zone Python compares without the fold.
    naive = datetime.combine(_date(value), time(value.hour, value.minute, value.second, value.microsecond))
    offset = value.replace(fold=0).utcoffset()
    if offset is None:
        return naive
    if value.replace(fold=1).utcoffset() != offset:
        # In the hour of a clock change Python finds this time equal to no time of another zone.
        return naive.replace(tzinfo=value.tzinfo)
    try:
        return (naive - offset).replace(tzinfo=UTC)
    except OverflowError:  # within a day of an end of the calendar: take the zone that leads farthest away from it
        zone = LAST_ZONE if naive.year == 1 else FIRST_ZONE
        return (naive + (zone.utcoffset(None) - offset)).replace(tzinfo=zone)


def _time(value: time) -> time:
    offset = value.utcoffset()
    if offset is None:
        return time(value.hour, value.minute, value.second, value.microsecond)
    # Python does not wrap around midnight here: 00:30+01:00 is before, and not equal to, 23:30+00:00.
    # Python does not compare the microseconds of offsets either.
    second = value.hour * 3600 + value.minute * 60 + value.second - offset.days * DAY - offset.seconds
    zone = UTC
    if second < 0:
        second, zone = second + DAY - 1, LAST_SECOND_ZONE
    elif second >= DAY:
        second, zone = second - DAY + 1, FIRST_SECOND_ZONE
    minutes, seconds = divmod(second, 60)
    return time(minutes // 60, minutes % 60, seconds, value.microsecond, zone)


def _timedelta(value: timedelta) -> timedelta:
    return timedelta(value.days, value.seconds, value.microseconds)


def _range(value: range) -> range:
    # Ranges are equal when they hold the same numbers.
    if not value:
        return range(0)
    first, last = value[0], value[-1]
    if first == last:
        return range(first, first + 1)
    return range(first, last + (1 if value.step > 0 else -1), value.step)


def _path(value: PurePath) -> PurePath:
    if isinstance(value, PureWindowsPath):
        return PureWindowsPath(str(value).lower())
    return PurePosixPath(str(value))


def _tuple(value: object) -> object:  # pragma: no cover (canonical() handles tuples itself, to count the depth)
    raise NotImplementedError


def _frozenset(value: object) -> object:  # pragma: no cover (canonical() handles frozensets itself too)
    raise NotImplementedError


DAY = 24 * 60 * 60
LAST_ZONE = timezone(timedelta(days=1) - timedelta.resolution)
FIRST_ZONE = timezone(timedelta.resolution - timedelta(days=1))
LAST_SECOND_ZONE = timezone(timedelta(seconds=DAY - 1))
FIRST_SECOND_ZONE = timezone(timedelta(seconds=1 - DAY))

RULES: dict[type, Callable[[Any], object]] = {
    int: int.__int__,  # bool and IntEnum too
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    float: _float,
    tuple: _tuple,
    frozenset: _frozenset,
    datetime: _datetime,
    date: _date,
    time: _time,
    timedelta: _timedelta,
    Decimal: _decimal,
    Fraction: _fraction,
    complex: _complex,
    UUID: lambda value: UUID(int=value.int),
    range: _range,
    PurePath: _path,
}
