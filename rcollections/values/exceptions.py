"""How exceptions that are cached like results travel: by path and arguments, never by importing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..errors import DecodeError, EncodeError
from .interruptions import pass_on

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["dump_error", "load_error"]


def dump_error(error: BaseException, dumps: Callable[[object], bytes]) -> bytes:
    """The bytes of an exception: the path of its type, and its arguments as the codec carries them."""
    kind = type(error)
    if _found(f"{kind.__module__}:{kind.__qualname__}") is not kind:
        raise EncodeError(f"{kind.__name__} cannot be cached: its type is not found under its path in a module")
    return dumps((f"{kind.__module__}:{kind.__qualname__}", error.args))


def load_error(data: bytes, load: Callable[[bytes], object]) -> BaseException:
    """The exception in these bytes; DecodeError if no module that is already imported has its type."""
    read = load(data)
    if not (isinstance(read, tuple) and len(read) == 2 and isinstance(read[0], str) and isinstance(read[1], tuple)):
        raise DecodeError("these bytes are no cached exception")
    kind = _found(read[0])
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        raise DecodeError("the type of a cached exception is not known in this process")
    try:
        made = kind(*read[1])
    except Exception as error:
        pass_on(error)
        raise DecodeError(f"a cached {kind.__name__} cannot be made again from its arguments") from error
    made.args = read[1]
    return made


def _found(path: str) -> object:
    module, _, name = path.partition(":")
    place: object = sys.modules.get(module)
    for part in name.split("."):
        place = getattr(place, part, None)
    return place
