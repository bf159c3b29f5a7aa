"""The class attributes: their defaults, and the check that names what is wrong with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..plans.parts import one_hash_tag
from ..plans.target import milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["OPTIONS", "check", "near_miss"]

OPTIONS = (
    "prefix",
    "ttl",
    "ttl_from",
    "jitter",
    "serialize",
    "serializer",
    "connection_name",
    "default",
    "tags",
    "l1",
    "share",
    "signed",
    "computed",
    "on_error",
    "settle",
    "read_from",
)


def check(owner: str, name: str, value: Any) -> Any:
    """The value as it is kept, or ConfigError / TypeError naming the class and the attribute."""
    test = _TESTS.get(name)
    problem = test(value) if test is not None else None
    if problem is None and name == "ttl":
        try:
            milliseconds(value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{owner}.ttl: {error}") from None
    if problem is not None:
        raise ConfigError(f"{owner}.{name} {problem}")
    return tuple(value) if name == "tags" else value


def _text(value: object) -> str | None:
    return None if isinstance(value, str) else f"is a str, not {type(value).__name__}"


def _switch(value: object) -> str | None:
    return None if isinstance(value, bool) else f"is True or False, not {value!r}"


def _prefix(value: object) -> str | None:
    if not isinstance(value, str):
        return _text(value)
    if not value.isprintable():
        return "holds a character that cannot be printed"
    if "\\" in value:
        return "holds a backslash, which escapes characters of key parts"
    if value.startswith("rc:"):
        return "begins with 'rc:', which is kept for tags, leases and guards"
    if ("{" in value or "}" in value) and not one_hash_tag(value):
        return "may hold one {hash tag}, with something in it, and no other braces"
    return None


def _tags(value: object) -> str | None:
    if isinstance(value, (str, bytes)) or not isinstance(value, (tuple, list, frozenset, set)):
        return "is a tuple of str, such as ('users',)"
    for tag in value:
        if not isinstance(tag, str):
            return f"holds a {type(tag).__name__}: tags are str"
        if not tag:
            return "holds an empty tag"
    return None


def _fraction(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        return f"is a fraction from 0 up to, not including, 1, not {value!r}"
    return None


_SERIALIZERS = ("json", "msgpack", "pickle", "string", "raw")


def _serializer(value: object) -> str | None:
    if value is None or (isinstance(value, str) and value in _SERIALIZERS):
        return None
    methods = (getattr(value, "dumps", None), getattr(value, "loads", None))
    if not isinstance(value, str) and all(map(callable, methods)):
        return None
    return f"is one of {', '.join(_SERIALIZERS)}, or an object with dumps(value) and loads(bytes)"


_TESTS: dict[str, Any] = {
    "prefix": _prefix,
    "ttl_from": lambda value: None if value in ("last", "first") else f"is 'last' or 'first', not {value!r}",
    "jitter": _fraction,
    "serialize": _switch,
    "serializer": _serializer,
    "connection_name": _text,
    "tags": _tags,
    "l1": lambda value: None if value is None or isinstance(value, bool) else f"is None, True or False, not {value!r}",
    "share": _switch,
    "signed": _switch,
    "computed": _switch,
    "on_error": lambda value: None if value in ("raise", "empty") else f"is 'raise' or 'empty', not {value!r}",
    "settle": _switch,
    "read_from": lambda value: (
        None if value in (None, "primary", "replica") else f"is None, 'primary' or 'replica', not {value!r}"
    ),
}


def near_miss(name: str, known: Iterable[str] = OPTIONS) -> str | None:
    """The option that ``name`` most likely meant, if it is one slip of the keyboard away."""
    plain = name.lower().replace("_", "")
    for option in known:
        if name == option:
            return None
    for option in known:
        target = option.replace("_", "")
        if len(target) > 2 and _distance_one(plain, target):
            return option
    return None


def _distance_one(a: str, b: str) -> bool:
    """Whether two names are equal, or differ by one letter added, dropped, replaced, or by two neighbours swapped."""
    if a == b:
        return True
    if abs(len(a) - len(b)) > 1:
        return False
    start = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[start:], b[start:]
    swapped = len(rest_a) > 1 and len(rest_b) > 1 and rest_a[0] == rest_b[1] and rest_a[1] == rest_b[0]
    return (
        rest_a[1:] == rest_b[1:]
        or rest_a[1:] == rest_b
        or rest_a == rest_b[1:]
        or (swapped and rest_a[2:] == rest_b[2:])
    )
