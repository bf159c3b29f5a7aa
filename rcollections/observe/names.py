"""The names by which observers know classes and functions: with their module, so that no two of them meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["name_of"]

_PACKAGE = __name__.partition(".")[0]
_OWN = f"{_PACKAGE}.collections."


def name_of(named: type[Any] | Callable[..., Any]) -> str:
    """``shop.prices.Price``; the types of this library as they are imported: ``rcollections.KeyCache``."""
    module = str(named.__module__)
    return f"{_PACKAGE if module.startswith(_OWN) else module}.{named.__qualname__}"
