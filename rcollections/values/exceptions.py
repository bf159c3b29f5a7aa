"""How exceptions that are cached like results travel: by path, arguments and attributes, never by importing.

The bytes are the length of the path (2 bytes), the path ``module:Class``, and the rest as the codec carries it. So the
class can be judged before anything else in these bytes is read (rule W6). Where the rest is signed, the path is signed
with it, in the place of a field.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..errors import DecodeError, EncodeError
from .classes import name_of, registered_at
from .interruptions import pass_on

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["dump_error", "load_declared", "load_error"]


def dump_error(error: BaseException, dumps: Callable[[object, bytes], bytes]) -> bytes:
    """The bytes of an exception; EncodeError for one that would not come back as it is."""
    kind = type(error)
    path = name_of(kind) or f"{kind.__module__}:{kind.__qualname__}"
    if _found(path) is not kind:
        raise EncodeError(f"{kind.__name__} cannot be cached: its type is not found under its path in a module")
    made_of, state = _parts(error)
    # ``args`` are told apart from what makes it: an OSError is made of more, other classes are made of less.
    content = (made_of, None if made_of is error.args else error.args, state)
    name = path.encode()
    data = dumps(content, name)
    try:
        same = type(_made(kind, *content)) is kind
    except DecodeError as failed:
        raise EncodeError(str(failed)) from failed.__cause__
    if not same:
        raise EncodeError(f"{kind.__name__} cannot be cached: making it from its arguments gives another type")
    return len(name).to_bytes(2, "big") + name + data


def load_error(
    data: bytes, load: Callable[[bytes, bytes], object], declared: tuple[type[BaseException], ...]
) -> BaseException | None:
    """The exception in these bytes; None, and nothing of them was run, if its type is none of the declared ones.

    DecodeError if no module that is already imported has its type, or if the bytes cannot be read.
    """
    kind = _kind_in(data)
    if kind is None:
        raise DecodeError("the type of a cached exception is not known in this process")
    return _loaded(kind, data, load) if issubclass(kind, declared) else None


def load_declared(
    data: bytes, load: Callable[[bytes, bytes], object], declared: tuple[type[BaseException], ...]
) -> BaseException | None:
    """The same for what other processes share: a type that is not known here is not declared here either."""
    kind = _kind_in(data)
    return None if kind is None or not issubclass(kind, declared) else _loaded(kind, data, load)


def _kind_in(data: bytes) -> type[BaseException] | None:
    """The type that these bytes name, if it is an exception that this process has; nothing else is read."""
    try:
        kind = _found(data[2 : 2 + int.from_bytes(data[:2], "big")].decode())
    except UnicodeDecodeError as error:
        raise DecodeError("these bytes are no cached exception") from error
    return kind if isinstance(kind, type) and issubclass(kind, BaseException) else None


def _loaded(kind: type[BaseException], data: bytes, load: Callable[[bytes, bytes], object]) -> BaseException:
    end = 2 + int.from_bytes(data[:2], "big")
    read = load(data[end:], data[2:end])
    if not (isinstance(read, (tuple, list)) and len(read) == 3):
        raise DecodeError("these bytes are no cached exception")
    made = _made(kind, *read)
    if type(made) is not kind:
        raise DecodeError(f"a cached {kind.__name__} gives another type when it is made again")
    return made


def _parts(error: BaseException) -> tuple[tuple[Any, ...], dict[str, Any] | None]:
    """The arguments and attributes of which it can be made again, as pickle and copy ask for them."""
    kind = type(error)
    try:
        how: Any = error.__reduce_ex__(2)
    except Exception as failed:
        pass_on(failed)
        raise EncodeError(f"{kind.__name__} cannot be cached: it cannot be taken apart") from failed
    plain = isinstance(how, tuple) and 2 <= len(how) <= 3 and how[0] is kind and isinstance(how[1], tuple)
    state = how[2] if plain and len(how) == 3 else None
    if not plain or not (state is None or isinstance(state, dict)):
        raise EncodeError(f"{kind.__name__} cannot be cached: it is taken apart in a way of its own")
    return how[1], state


def _made(kind: type[BaseException], made_of: Any, args: Any, state: Any) -> BaseException:
    try:
        made = kind(*made_of)
        made.args = tuple(made_of if args is None else args)
        if state is not None:
            made.__setstate__(state)
    except Exception as error:
        pass_on(error)
        raise DecodeError(f"a cached {kind.__name__} cannot be made again from its arguments") from error
    return made


def _found(path: str) -> object:
    """What is registered under this path, or stands under it in modules that are imported.

    No ``__getattr__`` of a module is asked.
    """
    registered = registered_at(path)
    if registered is not None:
        return registered
    module, _, name = path.partition(":")
    place: object = sys.modules.get(module)
    for part in name.split("."):
        place = getattr(place, "__dict__", {}).get(part)
    return place
