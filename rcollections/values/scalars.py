"""Values without items: one letter, one way to bytes, one way back for each type.

A scalar is written as text where text carries it exactly, so that redis-cli shows a readable value.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Context, Decimal, InvalidOperation
from enum import Enum, Flag
from fractions import Fraction
from pathlib import PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from uuid import UUID, SafeUUID
from zoneinfo import ZoneInfo

from ..errors import DecodeError, EncodeError
from ..key import Key
from .classes import class_at, path_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ENUM", "SCALARS", "SCALAR_READERS", "Scalar"]

T = TypeVar("T", datetime, time)


class Scalar(NamedTuple):
    """How one type travels: ``code`` is the letter, both after 0xC1 and as MessagePack extension."""

    code: int
    write: Callable[[Any], bytes]
    read: Callable[[bytes], object]


def _write_int(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _read_int(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


def _write_complex(value: complex) -> bytes:
    return f"{value.real!r},{value.imag!r}".encode()


def _read_complex(data: bytes) -> complex:
    real, imag = data.split(b",")
    return complex(float(real), float(imag))


def _write_decimal(value: Decimal) -> bytes:
    # A context with capitals=0 writes "e"; the bytes of equal values must not depend on the context.
    return str(value).replace("e", "E").encode()


# A context of our own: the traps and flags of the user's context must not change the value that is read.
_DECIMALS = Context(traps=[InvalidOperation])


def _read_decimal(data: bytes) -> Decimal:
    return Decimal(data.decode("ascii"), _DECIMALS)


def _write_ints(*numbers: int) -> bytes:
    # Hexadecimal: decimal text of long ints is quadratic, and limited by the interpreter.
    return ",".join(f"{number:x}" for number in numbers).encode()


def _read_ints(data: bytes) -> list[int]:
    return [int(number, 16) for number in data.split(b",")]


def _write_fraction(value: Fraction) -> bytes:
    return _write_ints(value.numerator, value.denominator)


def _read_fraction(data: bytes) -> Fraction:
    return Fraction(*_read_ints(data))


def _write_range(value: range) -> bytes:
    return _write_ints(value.start, value.stop, value.step)


def _read_range(data: bytes) -> range:
    start, stop, step = _read_ints(data)
    return range(start, stop, step)


def _write_timedelta(value: timedelta) -> bytes:
    return b"%d,%d,%d" % (value.days, value.seconds, value.microseconds)


def _read_timedelta(data: bytes) -> timedelta:
    days, seconds, microseconds = data.split(b",")
    return timedelta(int(days), int(seconds), int(microseconds))


def _write_date(value: date) -> bytes:
    return value.isoformat().encode()


def _read_date(data: bytes) -> date:
    return date.fromisoformat(data.decode("ascii"))


def _write_moment(value: datetime | time) -> bytes:
    """ISO 8601, then marks for what ISO cannot say: ``|f`` the fold, ``z`` the zone, ``n`` the offset's name."""
    zone = value.tzinfo
    text = value.isoformat() if zone is None or type(zone) is timezone else value.replace(tzinfo=None).isoformat()
    marks = ("f" if value.fold else "") + _zone_mark(zone)
    if marks:
        text = f"{text}|{marks}"
    return text.encode("utf-8", "surrogatepass")


def _zone_mark(zone: tzinfo | None) -> str:
    if zone is None:
        return ""
    if type(zone) is timezone:
        named = zone.__getinitargs__()  # type: ignore[attr-defined]
        return f"n{named[1]}" if len(named) > 1 else ""
    if type(zone) is ZoneInfo and zone.key:
        return f"z{zone.key}"
    raise EncodeError(
        f"a time zone of type {type(zone).__qualname__} cannot be stored exactly; "
        "use datetime.timezone or zoneinfo.ZoneInfo with a key"
    )


# No dots: where the system has no zones, zoneinfo looks for the key inside the package tzdata.
_ZONE_KEY = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")


def _read_moment(kind: type[T], data: bytes) -> T:
    iso, _, marks = data.decode("utf-8", "surrogatepass").partition("|")
    value = kind.fromisoformat(iso)
    if marks[:1] == "f":
        value, marks = value.replace(fold=1), marks[1:]
    if marks[:1] == "z" and _ZONE_KEY.fullmatch(marks, 1):
        return value.replace(tzinfo=ZoneInfo(marks[1:]))
    offset = value.utcoffset()
    if marks[:1] == "n" and offset is not None:
        return value.replace(tzinfo=timezone(offset, marks[1:]))
    if marks:
        raise DecodeError("a stored date or time has a mark that this version does not know")
    return value


def _read_datetime(data: bytes) -> datetime:
    return _read_moment(datetime, data)


def _read_time(data: bytes) -> time:
    return _read_moment(time, data)


_SAFETY = {SafeUUID.safe: "+", SafeUUID.unsafe: "-", SafeUUID.unknown: ""}


def _write_uuid(value: UUID) -> bytes:
    return f"{value}{_SAFETY[value.is_safe]}".encode()


def _read_uuid(data: bytes) -> UUID:
    text = data.decode("ascii")
    if text.endswith(("+", "-")):
        return UUID(text[:-1], is_safe=SafeUUID.safe if text[-1] == "+" else SafeUUID.unsafe)
    return UUID(text)


_PATHS: dict[str, type[PurePath]] = {
    "P": PurePosixPath,
    "p": PosixPath,
    "W": PureWindowsPath,
    "w": WindowsPath,
}
_PATH_LETTERS = {cls: letter for letter, cls in _PATHS.items()}


def _write_path(value: PurePath) -> bytes:
    text = str(value)
    # The text of some odd Windows paths ("./c:x" on older Pythons) reads back as another path.
    if type(value)(text) != value:
        raise EncodeError("this path cannot be stored exactly: its text reads back as another path")
    return (_PATH_LETTERS[type(value)] + text).encode("utf-8", "surrogatepass")


def _read_path(data: bytes) -> PurePath:
    text = data.decode("utf-8", "surrogatepass")
    return _PATHS[text[0]](text[1:])


def _read_surrogates(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _write_enum(value: Enum) -> bytes:
    """``module:Class=NAME``; of a Flag, whose combinations have no name, ``module:Class=value``."""
    cls = type(value)
    path = path_of(cls)
    if isinstance(value, Flag):
        return f"{path}={value.value:d}".encode("utf-8", "surrogatepass")
    name = value._name_
    if cls._member_map_.get(name) is not value:
        raise EncodeError(f"this object of {path} is not one of the members of its class")
    return f"{path}={name}".encode("utf-8", "surrogatepass")


def _read_enum(data: bytes) -> Enum:
    path, _, name = data.decode("utf-8", "surrogatepass").partition("=")
    cls = class_at(path)
    if not issubclass(cls, Enum):
        raise DecodeError("a stored value names a class that is not an Enum")
    if issubclass(cls, Flag):
        return cls(int(name))
    return cls._member_map_[name]


def _read_key(data: bytes) -> Key:
    return Key(data.decode("utf-8", "surrogatepass"))


SCALARS: dict[type, Scalar] = {
    int: Scalar(ord("i"), _write_int, _read_int),  # ints beyond 64 bits, which MessagePack and plain text do not carry
    bytearray: Scalar(ord("y"), bytes, bytearray),
    str: Scalar(ord("u"), lambda text: text.encode("utf-8", "surrogatepass"), _read_surrogates),
    Key: Scalar(ord("K"), lambda text: text.encode("utf-8", "surrogatepass"), _read_key),
    complex: Scalar(ord("c"), _write_complex, _read_complex),
    Decimal: Scalar(ord("D"), _write_decimal, _read_decimal),
    Fraction: Scalar(ord("F"), _write_fraction, _read_fraction),
    range: Scalar(ord("r"), _write_range, _read_range),
    datetime: Scalar(ord("T"), _write_moment, _read_datetime),
    date: Scalar(ord("d"), _write_date, _read_date),
    time: Scalar(ord("t"), _write_moment, _read_time),
    timedelta: Scalar(ord("e"), _write_timedelta, _read_timedelta),
    UUID: Scalar(ord("U"), _write_uuid, _read_uuid),
    **{cls: Scalar(ord("/"), _write_path, _read_path) for cls in _PATH_LETTERS},
}
ENUM = Scalar(ord("E"), _write_enum, _read_enum)
SCALAR_READERS: dict[int, Callable[[bytes], object]] = {
    scalar.code: scalar.read for scalar in (*SCALARS.values(), ENUM)
}
