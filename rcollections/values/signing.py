"""Signatures: they decide which bytes from the server may be unpickled, and where a signed value counts.

A signature is a keyed BLAKE2b over the bytes and over their place, compared in constant time. The place is the
key, the field and the kind (rule G1): a signed value that somebody moved to another key or field does not verify
there. The first key signs and all keys verify. So a new key is put in front, and the old key goes when no stored
value is signed by it any more.
"""

from __future__ import annotations

from hashlib import blake2b
from hmac import compare_digest
from typing import TYPE_CHECKING, NoReturn

from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ERROR", "SHARED", "SIGNED", "VALUE", "Keyring", "parse_keys", "place"]

SIGNED = b"\xc1S"  # the two bytes that signed values begin with
VALUE, ERROR, SHARED = 0, 1, 2  # kinds: a value, an exception cached like one, an exception for waiting callers

SHORTEST = 16  # bytes of a key
TAG_SIZE = 16  # bytes of a signature


def place(key: str, field: bytes | None = None, kind: int = VALUE) -> bytes:
    """The place of a value, as bytes that no other place has and that begin no other place's bytes."""
    name = key.encode("utf-8", "surrogatepass")
    inside = b"-" if field is None else b"%d:%b" % (len(field), field)
    return b"%d,%d:%b,%b," % (kind, len(name), name, inside)


class Keyring:
    """Signing keys. The first key signs, every key verifies; no key can be read back from a keyring."""

    __slots__ = ("_hashers",)

    def __init__(self, keys: Sequence[bytes | str]) -> None:
        if isinstance(keys, (bytes, str)):
            raise ConfigError("signing keys are a sequence of keys; parse_keys() takes one string")
        if not keys:
            raise ConfigError("a keyring needs at least one signing key")
        self._hashers = tuple(_hasher(key, number) for number, key in enumerate(keys, 1))

    def sign(self, data: bytes, where: bytes = b"") -> bytes:
        """``data`` with its signature in front; ``where`` is its place, see ``place()``."""
        return _tag(self._hashers[0], where, data) + data

    def verified(self, signed: bytes, where: bytes = b"") -> bytes | None:
        """The data behind a signature, or None if none of our keys signed exactly this data for this place."""
        tag, data = signed[:TAG_SIZE], signed[TAG_SIZE:]
        for hasher in self._hashers:
            if compare_digest(tag, _tag(hasher, where, data)):
                return data
        return None

    def __repr__(self) -> str:
        return f"<Keyring of {len(self._hashers)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Keyring is not pickled: it holds secrets")


def parse_keys(text: str | bytes) -> Keyring:
    """The keyring of a comma-separated list, as ``CACHES_SIGNING_KEY`` holds it."""
    if isinstance(text, bytes):
        return Keyring([key.strip() for key in text.split(b",")])
    return Keyring([key.strip() for key in text.split(",")])


def _hasher(key: bytes | str, number: int) -> blake2b:
    raw = key.encode() if isinstance(key, str) else bytes(key)
    if not raw:
        raise ConfigError(f"signing key {number} is empty")
    if len(raw) < SHORTEST:
        raise ConfigError(f"signing key {number} is too short: {SHORTEST} characters or more")
    if len(raw) > blake2b.MAX_KEY_SIZE:
        raw = blake2b(raw).digest()
    # The personal string makes our signatures differ from any other use of the same key.
    return blake2b(key=raw, digest_size=TAG_SIZE, person=b"rcollections")


def _tag(hasher: blake2b, where: bytes, data: bytes) -> bytes:
    copy = hasher.copy()
    copy.update(where)
    copy.update(data)
    return copy.digest()
