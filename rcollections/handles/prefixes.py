"""Which prefixes the classes of this process have, so that two that could share keys are told of."""

from __future__ import annotations

import warnings
import weakref

__all__ = ["tell_shared"]

_classes: weakref.WeakSet[type] = weakref.WeakSet()


def tell_shared(cls: type) -> None:
    """Warn if the prefix of a class continues that of another: ``user`` with the part ``admin`` is in ``user.admin``.

    The warning names both classes. A class that is defined again under its name is not another one.
    """
    prefix, place = _facts(cls)
    if not prefix:
        return
    for other in list(_classes):
        theirs, there = _facts(other)
        if there != place or (other.__module__, other.__qualname__) == (cls.__module__, cls.__qualname__):
            continue
        if theirs and prefix.startswith(f"{theirs}."):
            warnings.warn(
                f"{cls.__qualname__} has the prefix {prefix!r} and {other.__qualname__} has {theirs!r}: a key of one "
                f"may be a key of the other ({prefix!r} is {theirs!r} with a part), and clean() of {theirs!r} "
                "removes both",
                stacklevel=4,
            )
    _classes.add(cls)


def _facts(cls: type) -> tuple[str, str]:
    prefix, place = getattr(cls, "prefix", ""), getattr(cls, "connection_name", "")
    return (prefix, place) if isinstance(prefix, str) and isinstance(place, str) else ("", "")
