"""Looking for what no collection of the server can hold: as in Python, it is not there. Nothing is sent.

Such a field or member is hashable, and has no canonical form: ``object()``, a function, a frozen dataclass, NaN (it is
equal to nothing). Storing it is an error all the same. What is not hashable is a TypeError, as in ``dict`` and ``set``.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..op import More, Ready, Trips

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..op import Operation
    from ..target import Target

__all__ = ["known", "lookup", "lookups", "member", "unfound"]

F = TypeVar("F", bound="Callable[..., Any]")


# -- one ---------------------------------------------------------------------------------------


def lookup(missing: Callable[..., object]) -> Callable[[F], F]:
    """For the function of an operation that looks for one field or member, its argument behind the target.

    ``missing`` gets the argument and those behind it, and gives the result of a miss, or raises. The functions that
    are called most do without this decorator, which costs a call: they catch the error and give ``unfound`` themselves.
    """

    def decorate(make: F) -> F:
        @wraps(make)
        def made(t: Any, elem: object, *args: Any) -> Any:
            try:
                return make(t, elem, *args)
            except (TypeError, ValueError):
                return unfound(make.__name__, elem, lambda: missing(elem, *args))

        return cast("F", made)

    return decorate


def unfound(name: str, elem: object, missing: Callable[[], object]) -> Operation[Any]:
    """The operation that finds nothing, whatever the server holds; a TypeError if ``elem`` is not hashable."""
    hash(elem)
    try:
        value = missing()
    except Exception as error:  # the error of this one call: in a pipeline it is that of its result
        error.__context__ = None
        return Ready(None, error)
    return Trips(name, value.plan) if isinstance(value, More) else Ready(value)


# -- several -----------------------------------------------------------------------------------


def member(t: Target, elem: object) -> bytes | None:
    """A field or member as bytes; None for one that the server cannot hold. TypeError if it is not hashable."""
    try:
        return t.encode(elem)
    except (TypeError, ValueError):
        hash(elem)
        return None


def lookups(t: Target, elems: Iterable[object]) -> list[bytes | None]:
    """Several fields or members as bytes, in order; None for those that the server cannot hold."""
    wanted = list(elems)
    try:
        return list(map(t.encode, wanted))
    except (TypeError, ValueError):
        return [member(t, elem) for elem in wanted]


def known(t: Target, elems: Iterable[object]) -> list[bytes]:
    """Several fields or members as bytes, equal ones once, without those that the server cannot hold."""
    return [data for data in dict.fromkeys(lookups(t, elems)) if data is not None]
