"""Signed pickles, key rotation, compression and limits."""

from __future__ import annotations

import importlib
import pickle
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcollections import ConfigError, DecodeError, EncodeError
from rcollections.values import Codec, compression
from rcollections.values.signing import SIGNED, Keyring, parse_keys, place

OLD, NEW = "the old key, long enough", "the new key, long enough"


class Odd:
    """Something that only pickle carries."""

    def __init__(self, a: int) -> None:
        self.a = a

    def __eq__(self, other: object) -> bool:
        return type(other) is Odd and other.a == self.a

    __hash__ = None  # type: ignore[assignment]


class Unpicklable:
    def __reduce__(self) -> Any:
        raise RuntimeError("no")


def test_without_a_key_nothing_is_pickled() -> None:
    with pytest.raises(EncodeError, match="CACHES_SIGNING_KEY"):
        Codec().dumps(Odd(1))
    with pytest.raises(ConfigError, match="CACHES_SIGNING_KEY"):
        Codec("pickle")
    with pytest.raises(EncodeError, match="CACHES_SIGNING_KEY"):
        Codec("pickle", keyring=lambda: None).dumps(1)


def test_with_a_key_only_what_needs_it_is_pickled() -> None:
    codec = Codec(keyring=Keyring([NEW]))
    stored = codec.dumps([Odd(1)])
    assert stored[:2] == SIGNED
    assert codec.loads(stored) == [Odd(1)]
    assert codec.dumps((1, "a")) == Codec().dumps((1, "a"))
    loop: list[Any] = []
    loop.append(loop)
    back = codec.loads(codec.dumps(loop))
    assert back[0] is back


def test_keys_rotate() -> None:
    """A new key in front signs; what the old one signed is read until it is taken out."""
    stored = Codec(keyring=Keyring([OLD])).dumps(Odd(1))
    both = Codec(keyring=parse_keys(f"{NEW}, {OLD}".replace("key, long", "key long")))
    assert both.loads(both.dumps(Odd(2))) == Odd(2)
    both = Codec(keyring=Keyring([NEW, OLD]))
    assert both.loads(stored) == Odd(1)
    newer = both.dumps(Odd(1))
    assert Codec(keyring=Keyring([NEW])).loads(newer) == Odd(1)
    for codec in (Codec(keyring=Keyring([NEW])), Codec("pickle", keyring=Keyring([NEW]))):
        with pytest.raises(DecodeError, match="not signed"):
            codec.loads(stored)
    with pytest.raises(DecodeError, match="CACHES_SIGNING_KEY"):
        Codec().loads(stored)


def test_the_pickle_serializer_signs_everything() -> None:
    codec = Codec("pickle", keyring=Keyring([NEW]))
    for value in (1, "a", [Odd(1)]):
        stored = codec.dumps(value)
        assert stored[:2] == SIGNED
        assert codec.loads(stored) == value
    for data in (
        b"1",
        b"abc",
        Codec().dumps([1]),
        b"\xc1p",
        b"\xc1p" + pickle.dumps(1),
        SIGNED,
        SIGNED + pickle.dumps(1),
    ):
        with pytest.raises(DecodeError):
            codec.loads(data)


def test_what_cannot_be_pickled_is_an_encode_error() -> None:
    for codec in (Codec(keyring=Keyring([NEW])), Codec("pickle", keyring=Keyring([NEW]))):
        with pytest.raises(EncodeError) as caught:
            codec.dumps(Unpicklable())
        assert caught.value.__cause__ is not None


def test_a_signed_pickle_that_fails_is_a_decode_error() -> None:
    keys = Keyring([NEW])
    for data in (b"nonsense", b"cnot_a_module_of_ours\nThing\n."):
        with pytest.raises(DecodeError) as caught:
            Codec(keyring=keys).loads(SIGNED + keys.sign(b"\xc1p\0\0\0\1\x90" + data, place("")))
        assert caught.value.__cause__ is not None


def test_the_keyring_is_asked_late() -> None:
    keys: list[Keyring | None] = [None]
    codec = Codec(keyring=lambda: keys[0])
    with pytest.raises(EncodeError):
        codec.dumps(Odd(1))
    keys[0] = Keyring([NEW])
    assert codec.loads(codec.dumps(Odd(1))) == Odd(1)


@pytest.mark.parametrize("text", ["", ",", f"{NEW},", "k3y", "secret-15-chars", f"{NEW},tiny"], ids=repr)
def test_bad_keys_are_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_keys(text)
    for key in text.split(","):
        assert not key or key not in str(caught.value)


def test_a_keyring_shows_and_gives_away_nothing() -> None:
    keys = Keyring([NEW, OLD.encode(), "k" * 200])
    assert repr(keys) == "<Keyring of 3>"
    for held in (keys, Codec(keyring=keys)):
        with pytest.raises(TypeError):
            pickle.dumps(held)
    with pytest.raises(ConfigError):
        Keyring(NEW)
    with pytest.raises(ConfigError):
        Keyring([])
    assert Keyring(["k" * 200]).verified(keys.sign(b"a")) is None
    assert keys.verified(Keyring(["k" * 200]).sign(b"a")) == b"a"
    assert keys.verified(b"") is None


TEXT = "so much of the same " * 500


def without_zstd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_zstd", lambda: None)


@pytest.fixture(params=["zstd", "zlib"])
def squeezing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Codec:
    if request.param == "zlib":
        without_zstd(monkeypatch)
    elif compression._zstd() is None:
        pytest.skip("no zstd here")
    return Codec(compress_above=100)


def test_long_values_are_compressed(squeezing: Codec) -> None:
    stored = squeezing.dumps(TEXT)
    assert len(stored) < len(TEXT) / 10
    assert squeezing.loads(stored) == Codec().loads(stored) == TEXT
    assert squeezing.dumps("short") == b"short"
    hundred = "a" * 100
    assert squeezing.dumps(hundred) == hundred.encode()


def test_what_does_not_shrink_stays_as_it_is(squeezing: Codec) -> None:
    noise = bytes(range(256))
    assert squeezing.dumps(noise) == b"\xc1b" + noise


def test_what_shrinks_too_well_is_still_read(squeezing: Codec) -> None:
    """The bound on the ratio, which stops bombs, holds for the writer too."""
    nothing = bytes(10_000_000)
    stored = squeezing.dumps(nothing)
    assert len(stored) < 50_000
    assert squeezing.loads(stored) == nothing


def test_signed_pickles_are_compressed_too(squeezing: Codec) -> None:
    codec = Codec(compress_above=100, keyring=Keyring([NEW]))
    stored = codec.dumps([Odd(i) for i in range(100)])
    assert stored[:2] == SIGNED
    assert stored[18:20] in (b"\xc1z", b"\xc1Z")
    assert len(stored) < len(Codec(keyring=Keyring([NEW])).dumps([Odd(i) for i in range(100)]))
    assert codec.loads(stored) == [Odd(i) for i in range(100)]


def test_bombs_and_damage_are_refused(squeezing: Codec) -> None:
    stored = squeezing.dumps(TEXT)
    kind, size, packed = stored[:2], int.from_bytes(stored[2:6], "big"), stored[6:]
    sizes = (0, 1, size - 1, size + 1, 2**29, 2**32 - 1)
    forged = [kind + claimed.to_bytes(4, "big") + packed for claimed in sizes]
    forged += [stored[:end] for end in range(2, len(stored) - 1)] + [stored + b"x", stored + packed]
    forged += [kind + zlib.crc32(packed).to_bytes(4, "big") + packed]
    for data in forged:
        with pytest.raises(DecodeError):
            squeezing.loads(data)


def test_a_compressed_value_in_a_compressed_value_is_refused() -> None:
    inner = Codec(compress_above=0).dumps(TEXT)
    twice = b"\xc1z" + len(inner).to_bytes(4, "big") + zlib.compress(inner)
    with pytest.raises(DecodeError):
        Codec().loads(twice)


def test_zstd_data_without_the_package_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    if compression._zstd() is None:
        pytest.skip("no zstd here")
    stored = Codec(compress_above=0).dumps(TEXT)
    without_zstd(monkeypatch)
    with pytest.raises(DecodeError, match=r"pip install rcollections\[zstd\]"):
        Codec().loads(stored)


def test_a_missing_package_means_zlib(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    compression._zstd.cache_clear()
    try:
        assert Codec(compress_above=0).dumps(TEXT)[:2] == b"\xc1z"
    finally:
        compression._zstd.cache_clear()


@settings(max_examples=100, deadline=None)
@given(st.recursive(st.text() | st.integers(), st.lists), st.integers(0, 50))
def test_compression_changes_no_value(value: Any, above: int) -> None:
    codec = Codec(compress_above=above)
    assert codec.loads(codec.dumps(value)) == value


def test_too_large_values_are_refused_with_sizes_and_without_content() -> None:
    codec = Codec(max_value=10)
    assert codec.dumps("1234567890"[:9] + "x") == b"123456789x"
    with pytest.raises(EncodeError, match=r"11 bytes.*max_value=10") as caught:
        codec.dumps("secretvalue")
    assert "secret" not in str(caught.value)
    assert (
        Codec(max_value=1000, compress_above=100).loads(Codec(max_value=1000, compress_above=100).dumps(TEXT)) == TEXT
    )


@pytest.mark.parametrize(
    "wrong", [{"max_value": -1}, {"compress_above": "1kb"}, {"max_value": True}, {"max_value": 1.5}]
)
def test_sizes_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Codec(**wrong)
