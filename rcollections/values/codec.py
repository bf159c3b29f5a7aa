"""``Codec``: values to stored bytes and back, by one serializer, with limits, compression and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from ..errors import ConfigError, DecodeError, EncodeError
from .compression import compress, decompress
from .interruptions import pass_on
from .packing import EXACT, pack
from .plain import INT64_MAX, INT64_MIN, TEXT_NUMBER_STARTS, TEXT_WORDS
from .serializers import Serializer, serializer_of
from .signing import SIGNED, VALUE, place
from .unpacking import NATIVE, unpack, unpack_native

if TYPE_CHECKING:
    from collections.abc import Callable

    from .signing import Keyring

__all__ = ["Codec", "Keys", "encode_exact"]

Keys: TypeAlias = "Keyring | Callable[[], Keyring | None] | None"

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
    are sizes in bytes. ``keyring`` may be a function, which the codec calls when it needs a signature. With
    ``signed`` every value is signed, and no other is read.

    A signed value counts at one place only (rule G1): that of the ``key``, ``field`` and ``kind`` which both
    ``dumps`` and ``loads`` are given.

    >>> Codec().dumps("hello"), Codec().loads(b"12")
    (b'hello', 12)
    """

    __slots__ = ("_compress_above", "_keyring", "_max_value", "_pickles", "_plain", "_serializer", "native", "signed")

    def __init__(
        self,
        serializer: Serializer | str | None = None,
        *,
        compress_above: int | None = None,
        max_value: int | None = None,
        keyring: Keys = None,
        signed: bool = False,
    ) -> None:
        self._pickles = isinstance(serializer, str) and serializer == "pickle"
        self._serializer = None if serializer is None or self._pickles else serializer_of(serializer)
        self._compress_above = _size("compress_above", compress_above)
        self._max_value = _size("max_value", max_value)
        self._keyring = keyring
        self.signed = signed
        self.native = serializer is None and not signed  # whether bytes that begin with NATIVE need no closer look
        self._plain = serializer is None and compress_above is None and max_value is None and not signed
        if self._pickles and keyring is None:
            raise ConfigError('serializer="pickle" needs a signing key: set CACHES_SIGNING_KEY')
        if signed and keyring is None:
            raise ConfigError("signed=True needs a signing key: set CACHES_SIGNING_KEY")

    def dumps(self, value: Any, key: str = "", field: bytes | None = None, kind: int = VALUE) -> bytes:
        """The bytes to store; ``EncodeError`` if the value cannot be stored, or is larger than ``max_value``."""
        if self._plain:  # the short way for the most frequent values
            of = type(value)
            if of is str and value[:1] not in TEXT_NUMBER_STARTS and value not in TEXT_WORDS:
                try:
                    data: bytes = value.encode()
                except UnicodeEncodeError:
                    return pack(value)  # lone surrogates have a form of their own
                return data
            elif of is int and INT64_MIN <= value <= INT64_MAX:
                return str(value).encode()
        keys = self._signer() if self.signed or self._pickles else None
        if self._serializer is not None:
            data = _dumped(self._serializer, value)
        else:
            try:
                data = _pickled(value) if self._pickles else pack(value)
            except EncodeError as error:
                if self._pickles:
                    raise
                keys = self._keys()
                if keys is None:
                    hint = "set CACHES_SIGNING_KEY to store such values as signed pickles"
                    raise EncodeError(f"{error}; {hint}") from error
                data = _pickled(value)
            if self._compress_above is not None and len(data) > self._compress_above:
                data = compress(data)
        if keys is not None:
            data = SIGNED + keys.sign(data, place(key, field, kind))
        if self._max_value is not None and len(data) > self._max_value:
            raise EncodeError(f"the value takes {len(data)} bytes, more than max_value={self._max_value}")
        return data

    def loads(self, data: bytes, key: str = "", field: bytes | None = None, kind: int = VALUE) -> Any:
        """The value of stored bytes; ``DecodeError`` if they cannot be read, or are not signed for this place.

        No other exception, but one that a signal handler raised meanwhile.
        """
        try:
            begin = data[:2]
            if begin == NATIVE and self.native:
                return unpack_native(data)
            if begin == SIGNED:
                return self._opened(data, place(key, field, kind))
            if self.signed:
                raise DecodeError("the stored value is not signed, and signed=True reads no other")
            if self._serializer is not None:
                return self._serializer.loads(data)
            if begin in COMPRESSED:
                data = decompress(data[1], data[2:])
                begin = data[:2]
            if begin == PICKLED or self._pickles:
                raise DecodeError("the stored bytes are not a signed pickle")
            return unpack(data)
        except DecodeError:
            raise
        except Exception as error:
            pass_on(error)
            reader = "the serializer" if self._serializer is not None else "this version"
            raise DecodeError(f"{reader} cannot read the stored bytes") from error

    def moved(self, data: bytes, key: str, to: str, field: bytes | None = None) -> bytes:
        """The same stored value for the key ``to``: signed for that, if it is one that we have signed for ``key``."""
        keys = self._keys() if data[:2] == SIGNED else None
        inner = None if keys is None else keys.verified(data[len(SIGNED) :], place(key, field))
        if keys is None or inner is None:
            return data
        return SIGNED + keys.sign(inner, place(to, field))

    @property
    def may_sign(self) -> bool:
        """Whether some of the values may be signed, and so be good at one place only."""
        return self.signed or (self._serializer is None and self._keys() is not None)

    def _opened(self, data: bytes, where: bytes) -> object:
        """The value of signed bytes: only here a pickle is opened, behind a good signature."""
        keys = self._keys()
        inner = None if keys is None else keys.verified(data[len(SIGNED) :], where)
        if self._serializer is not None:
            # What another program's serializer writes may begin like a signed value.
            return self._serializer.loads(data if inner is None and not self.signed else _verified(keys, inner))
        inner = _verified(keys, inner)
        begin = inner[:2]
        if begin in COMPRESSED:
            inner = decompress(inner[1], inner[2:])
            begin = inner[:2]
        if begin == PICKLED:
            from .pickling import from_pickle  # only with a signing key

            return from_pickle(inner[len(PICKLED) :])
        if self._pickles:
            raise DecodeError("the stored bytes are not a signed pickle")
        return unpack(inner)

    def _signer(self) -> Keyring:
        keys = self._keys()
        if keys is None and self.signed:
            raise EncodeError("signed=True needs a signing key: set CACHES_SIGNING_KEY")
        if keys is None:
            raise EncodeError("a value is pickled only with a signing key: set CACHES_SIGNING_KEY")
        return keys

    def _keys(self) -> Keyring | None:
        return self._keyring() if callable(self._keyring) else self._keyring

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Codec is not pickled: it may hold signing keys")


def _pickled(value: object) -> bytes:
    try:
        from .pickling import to_pickle  # only with a signing key

        return PICKLED + to_pickle(value)
    except Exception as error:
        pass_on(error)
        raise EncodeError(f"a value of type {type(value).__qualname__} cannot be pickled") from error


def _verified(keys: Keyring | None, inner: bytes | None) -> bytes:
    if keys is None:
        raise DecodeError("a stored value is signed, and CACHES_SIGNING_KEY is not set to check it")
    if inner is None:
        raise DecodeError("a stored value is not signed by any of our keys for this key and field: it is not opened")
    return inner


def _dumped(serializer: Serializer, value: object) -> bytes:
    try:
        data: object = serializer.dumps(value)
        if isinstance(data, str):
            data = data.encode()
    except EncodeError:
        raise
    except Exception as error:
        pass_on(error)
        raise EncodeError(f"the serializer cannot write a {type(value).__qualname__}") from error
    if not isinstance(data, (bytes, bytearray)):
        raise EncodeError(f"dumps() of the serializer must return bytes or str, not {type(data).__name__}")
    return bytes(data)


def _size(name: str, size: int | None) -> int | None:
    if size is not None and (type(size) is not int or size < 0):
        raise ConfigError(f"{name} is a number of bytes, or None")
    return size
