"""``Packed``: a value that a caller could change, held as bytes, so that each hit gets a value of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import DecodeError
from .calls import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Packed"]


class Packed:
    """Bytes of the server, and the function that reads them."""

    __slots__ = ("_data", "_load")

    def __init__(self, data: bytes, load: Callable[[bytes], Any]) -> None:
        self._data = data
        self._load = load

    def open(self) -> Any:
        """The value, decoded again; ABSENT if the bytes cannot be read any more."""
        try:
            return self._load(self._data)
        except DecodeError:
            return ABSENT
