"""``Codec``: values to stored bytes and back, by one serializer, with limits, compression and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from ..errors import ConfigError, DecodeError, EncodeError
from .compression import compress, decompress
from .packing import EXACT, pack
from .plain import INT64_MAX, INT64_MIN, TEXT_NUMBER_STARTS, TEXT_WORDS
from .serializers import Serializer, serializer_of
from .unpacking import unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from .signing import Keyring

__all__ = ["Codec", "Keys", "encode_exact"]

Keys: TypeAlias = "Keyring | Callable[[], Keyring | None] | None"

PICKLE_PROTOCOL = 5  # fixed: the newest may differ between the Pythons that share a server
PICKLED = b"\xc1p"
COMPRESSED = frozenset({b"\xc1z", b"\xc1Z"})


def encode_exact(value: object) -> bytes:
    """The exact form of a function's argument: 1, True, 1.0 and ``"1"`` are four arguments, inside tuples too.

    Sets and dicts give the same bytes in any order. ``EncodeError`` for a value without an exact form: pickle
    is no way out here, because its bytes differ for equal values.
    """
    return pack(value, EXACT)


class Codec:
    """Turns values into stored bytes and back.

    ``serializer`` is None (the self-describing format), "json", "msgpack", "pickle" (always signed),
    "string", "raw", or an object with ``dumps`` and ``loads``. ``compress_above`` and ``max_value``
    are sizes in bytes. ``keyring`` may be a function, which the codec calls when it needs a signature.

    >>> Codec().dumps("hello"), Codec().loads(b"12")
    (b'hello', 12)
    """

    __slots__ = ("_compress_above", "_keyring", "_max_value", "_pickles", "_plain", "_serializer")

    def __init__(
        self,
        serializer: Serializer | str | None = None,
        *,
        compress_above: int | None = None,
        max_value: int | None = None,
        keyring: Keys = None,
    ) -> None:
        self._pickles = isinstance(serializer, str) and serializer == "pickle"
        self._serializer = None if serializer is None or self._pickles else serializer_of(serializer)
        self._compress_above = _size("compress_above", compress_above)
        self._max_value = _size("max_value", max_value)
        self._keyring = keyring
        self._plain = serializer is None and compress_above is None and max_value is None
        if self._pickles and keyring is None:
            raise ConfigError('serializer="pickle" needs a signing key: set CACHES_SIGNING_KEY')

    def dumps(self, value: Any) -> bytes:
        """The bytes to store; ``EncodeError`` if the value cannot be stored, or is larger than ``max_value``."""
        if self._plain:  # the short way for the most frequent values
            kind = type(value)
            if kind is str and value[:1] not in TEXT_NUMBER_STARTS and value not in TEXT_WORDS:
                try:
                    data: bytes = value.encode()
                except UnicodeEncodeError:
                    return pack(value)  # lone surrogates have a form of their own
                return data
            elif kind is int and INT64_MIN <= value <= INT64_MAX:
                return str(value).encode()
        if self._serializer is not None:
            data = _dumped(self._serializer, value)
        else:
            try:
                data = self._pickled(value) if self._pickles else pack(value)
            except EncodeError as error:
                data = self._pickled_instead(value, error)
            if self._compress_above is not None and len(data) > self._compress_above:
                data = compress(data)
        if self._max_value is not None and len(data) > self._max_value:
            raise EncodeError(f"the value takes {len(data)} bytes, more than max_value={self._max_value}")
        return data

    def loads(self, data: bytes) -> Any:
        """The value of stored bytes; ``DecodeError``, and nothing else, if they cannot be read."""
        try:
            if self._serializer is not None:
                return self._serializer.loads(data)
            kind = data[:2]
            if kind in COMPRESSED:
                data = decompress(data[1], data[2:])
                kind = data[:2]
            if kind == PICKLED:
                return self._unpickled(data)
            if self._pickles:
                raise DecodeError("the stored bytes are not a signed pickle")
            return unpack(data)
        except DecodeError:
            raise
        except Exception as error:
            reader = "the serializer" if self._serializer is not None else "this version"
            raise DecodeError(f"{reader} cannot read the stored bytes") from error

    def _pickled_instead(self, value: object, error: EncodeError) -> bytes:
        if self._pickles:
            raise error
        if self._keys() is None:
            hint = "set CACHES_SIGNING_KEY to store such values as signed pickles"
            raise EncodeError(f"{error}; {hint}") from error
        return self._pickled(value)

    def _pickled(self, value: object) -> bytes:
        keys = self._keys()
        if keys is None:
            raise EncodeError("a value is pickled only with a signing key: set CACHES_SIGNING_KEY")
        try:
            import pickle  # only with a signing key

            return PICKLED + keys.sign(pickle.dumps(value, PICKLE_PROTOCOL))
        except Exception as error:
            raise EncodeError(f"a value of type {type(value).__qualname__} cannot be pickled") from error

    def _unpickled(self, data: bytes) -> object:
        keys = self._keys()
        if keys is None:
            raise DecodeError("a stored value is pickled, and CACHES_SIGNING_KEY is not set to check it")
        pickled = keys.verified(data[len(PICKLED) :])
        if pickled is None:
            raise DecodeError("a stored pickle is not signed by any of our keys, so it is not opened")
        import pickle

        return pickle.loads(pickled)  # noqa: S301 (signed by us)

    def _keys(self) -> Keyring | None:
        return self._keyring() if callable(self._keyring) else self._keyring

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Codec is not pickled: it may hold signing keys")


def _dumped(serializer: Serializer, value: object) -> bytes:
    try:
        data: object = serializer.dumps(value)
        if isinstance(data, str):
            data = data.encode()
    except EncodeError:
        raise
    except Exception as error:
        raise EncodeError(f"the serializer cannot write a {type(value).__qualname__}") from error
    if not isinstance(data, (bytes, bytearray)):
        raise EncodeError(f"dumps() of the serializer must return bytes or str, not {type(data).__name__}")
    return bytes(data)


def _size(name: str, size: int | None) -> int | None:
    if size is not None and (type(size) is not int or size < 0):
        raise ConfigError(f"{name} is a number of bytes, or None")
    return size
