"""The other serializers: json, msgpack, string, raw, and any object with ``dumps`` and ``loads``.

These serializers are for sharing values with other programs. Their bytes are stored verbatim, so each
serializer carries the types of its format and no others: json and msgpack make lists of tuples.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import ormsgpack

from ..errors import ConfigError
from .packing import STRICT
from .plain import decode_raw, encode_raw
from .unpacking import unpack_whole

__all__ = ["Serializer", "serializer_of"]


@runtime_checkable
class Serializer(Protocol):
    """The objects that ``serializer=`` takes besides names: any object with these two methods."""

    def dumps(self, value: Any, /) -> bytes | str: ...
    def loads(self, data: bytes, /) -> Any: ...


class _Json:
    def dumps(self, value: object) -> str:
        import json  # only where it was chosen

        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    def loads(self, data: bytes) -> object:
        import json

        return json.loads(data.decode())


class _MessagePack:
    # Tuples become arrays, and keys of any simple type are allowed; all other types stay refused.
    dump_options = (STRICT & ~ormsgpack.OPT_PASSTHROUGH_TUPLE) | ormsgpack.OPT_NON_STR_KEYS

    def dumps(self, value: object) -> bytes:
        return ormsgpack.packb(value, None, self.dump_options)

    def loads(self, data: bytes) -> object:
        return unpack_whole(data, None, ormsgpack.OPT_NON_STR_KEYS)


class _String:
    def dumps(self, value: object) -> str:
        return str(value)

    def loads(self, data: bytes) -> str:
        return data.decode()


class _Raw:
    def dumps(self, value: object) -> bytes:
        return encode_raw(value)

    def loads(self, data: bytes) -> int | float | str | bytes:
        return decode_raw(data)


NAMED: dict[str, type[Serializer]] = {"json": _Json, "msgpack": _MessagePack, "string": _String, "raw": _Raw}


def serializer_of(chosen: object) -> Serializer:
    """The serializer of a name, or the given object itself if it can serve as one; else ``ConfigError``."""
    if isinstance(chosen, str):
        if chosen not in NAMED:
            names = ", ".join(sorted([*NAMED, "pickle"]))
            raise ConfigError(f"there is no serializer {chosen!r}; the names are: {names}")
        return NAMED[chosen]()
    for method in ("dumps", "loads"):
        if not callable(getattr(chosen, method, None)):
            raise ConfigError(f"the serializer of type {type(chosen).__name__} has no method {method}()")
    return chosen  # type: ignore[return-value]
