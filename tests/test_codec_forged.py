"""Forged, damaged and random bytes: a value or a DecodeError; no unpickling, no import, no crash."""

from __future__ import annotations

import builtins
import pickle
import sys
import zlib
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import ormsgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_codec_values import EXAMPLES

from rcollections import DecodeError
from rcollections.values import Codec, decode_field, decode_raw, pickling
from rcollections.values.signing import Keyring

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = Keyring(["a key of 16 bytes or more"])
CODECS = [Codec(), Codec(keyring=KEYS), Codec("pickle", keyring=KEYS), Codec("json"), Codec("msgpack"), Codec("string")]
KINDS = b"smbiyucDFrTdteU/E({<:qOCfn@pzZ?"
SEEDS = [Codec(compress_above=0).dumps(value) for value in EXAMPLES] + [Codec().dumps(value) for value in EXAMPLES]
SEEDS.append(Codec("pickle", keyring=KEYS).dumps({"a": 1}))


@pytest.fixture(autouse=True)
def _guarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Unpickling fails the test; so does a new module, except tzdata and what hypothesis loads late."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("forged bytes were unpickled")

    Codec(compress_above=0).loads(Codec(compress_above=0).dumps("a" * 100))  # the optional module of zstd
    read_all(b"\xc1T2026-01-01T00:00:00|zEurope/Nowhere")  # what zoneinfo itself imports on its first miss
    before = set(sys.modules)
    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(pickle, "Unpickler", refuse)
    monkeypatch.setattr(pickling, "from_pickle", refuse)
    yield
    ours = {name for name in set(sys.modules) - before if not name.startswith(("tzdata", "hypothesis."))}
    assert ours == set()


def read_all(data: bytes) -> None:
    for read in [codec.loads for codec in CODECS] + [decode_field]:
        with suppress(DecodeError):
            read(data)
    decode_raw(data)


@settings(max_examples=1000, deadline=None)
@given(
    st.binary(max_size=60)
    | st.builds(lambda kind, rest: bytes([0xC1, kind]) + rest, st.sampled_from(KINDS), st.binary(max_size=60))
)
def test_random_bytes_are_read_or_refused(data: bytes) -> None:
    read_all(data)


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4), st.data())
def test_damaged_bytes_are_read_or_refused(seed: bytes, changes: list[tuple[int, int]], data: st.DataObject) -> None:
    """Bytes changed, cut off, doubled or taken from another value."""
    forged = bytearray(seed)
    for place, byte in changes:
        if forged:
            forged[place % len(forged)] = byte
    start = data.draw(st.integers(0, min(len(forged), 6)))
    read_all(bytes(forged[start : data.draw(st.integers(start, len(forged)))]))
    read_all(bytes(forged) + data.draw(st.binary(max_size=4)))


trees = st.recursive(
    st.none() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.builds(
            lambda kind, items: ormsgpack.Ext(kind, ormsgpack.packb(items)),
            st.sampled_from(KINDS),
            st.lists(inner, max_size=4) | inner,
        )
        | st.builds(ormsgpack.Ext, st.sampled_from(KINDS), st.sampled_from([seed[2:] for seed in SEEDS]))
    ),
    max_leaves=10,
)


@settings(max_examples=700, deadline=None)
@given(st.sampled_from(KINDS), trees)
def test_well_formed_forgeries_are_read_or_refused(kind: int, tree: Any) -> None:
    """Right MessagePack with the wrong things in it: sets of lists, deques without maxlen, odd classes."""
    read_all(bytes([0xC1, kind]) + ormsgpack.packb(tree))


FORGED = {
    "enum of a function": b"\xc1Eos:system=NAME",
    "enum of a class": b"\xc1Esubprocess:Popen=NAME",
    "enum of a module not imported": b"\xc1Ethis:Zen=NAME",
    "enum without member": b"\xc1Esocket:AddressFamily=NOPE",
    "enum method": b"\xc1Esocket:AddressFamily=mro",
    "flag with text": b"\xc1Ere:RegexFlag=system",
    "namedtuple of a class": b"\xc1n" + ormsgpack.packb(["subprocess:Popen(args)", "true"]),
    "namedtuple with other fields": b"\xc1n" + ormsgpack.packb(["urllib.parse:DefragResult(a,b)", 1, 2]),
    "namedtuple with fewer items": b"\xc1n" + ormsgpack.packb(["urllib.parse:DefragResult(url,fragment)", 1]),
    "structseq": b"\xc1n" + ormsgpack.packb(["os:stat_result()", 1]),
    "dataclass of a class": b"\xc1@" + ormsgpack.packb(["subprocess:Popen(args)", "true"]),
    "dataclass of nothing": b"\xc1@" + ormsgpack.packb([]),
    "factory": b"\xc1f" + ormsgpack.packb(["eval"]),
    "deque over its maxlen": b"\xc1q" + ormsgpack.packb([1, 1, 2]),
    "set of a list": b"\xc1{" + ormsgpack.packb([[1]]),
    "odd pairs": b"\xc1:" + ormsgpack.packb([1, 2, 3]),
    "zone outside": b"\xc1T2026-01-01T00:00:00|z../../../../etc/passwd",
    "zone with dots": b"\xc1T2026-01-01T00:00:00|zos.path/x",
    "zone unknown": b"\xc1T2026-01-01T00:00:00|zEurope/Nowhere",
    "huge int text": b"\xc1e" + b"9" * 10000 + b",0,0",
    "zero denominator": b"\xc1F1,0",
    "deep lists": b"\xc1m" + b"\x91" * 100_000 + b"\x01",
    "deep tuples": b"\xc1(" + b"\xc7\xff(" * 5000,
    "long array": b"\xc1m\xdd\xff\xff\xff\xff",
    "long array with something in it": b"\xc1m\xdd\xff\xff\xff\xff\x01\x01\x01",
    "long array inside": b"\xc1m\x92\xa3abc\x91\xdd\x0f\xff\xff\xff\x01\x01",
    "long array in a tuple": b"\xc1(\x91\xc7\x08(\x92\x01\xdd\xff\xff\xff\xff\x01",
    "entry": b"\xc0\x00",
    "nothing": b"\xc1",
    "unsigned pickle": b"\xc1p" + pickle.dumps(print),
    "pickle with a made up signature": b"\xc1p" + b"\0" * 16 + pickle.dumps(print),
    "bare pickle": pickle.dumps(print, 5),
    "pickle in a compressed value": b"\xc1z" + (1000).to_bytes(4, "big") + zlib.compress(b"\xc1p" + bytes(998)),
}


@pytest.mark.parametrize("codec", CODECS[:3], ids=["no key", "key", "pickle"])
@pytest.mark.parametrize("data", FORGED.values(), ids=FORGED)
def test_what_bytes_name_is_neither_imported_nor_called(
    codec: Codec, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError(f"{name} was imported")

    codec.loads  # noqa: B018 (bound before imports are blocked)
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", refuse)
        with pytest.raises(DecodeError):
            codec.loads(data)


def test_deep_containers_are_refused_one_level_at_a_time() -> None:
    payload = ormsgpack.packb([1])
    for _ in range(5000):
        payload = ormsgpack.packb([ormsgpack.Ext(ord("("), payload)])
    with pytest.raises(DecodeError):
        Codec().loads(b"\xc1(" + payload)


def test_a_signed_pickle_with_one_bit_changed_is_refused() -> None:
    signed = Codec("pickle", keyring=KEYS).dumps([1, 2, 3])
    for place in range(2, len(signed)):
        forged = bytearray(signed)
        forged[place] ^= 1
        with pytest.raises(DecodeError, match="not signed"):
            CODECS[1].loads(bytes(forged))


@pytest.mark.parametrize(
    "value",
    [None, [1], {"a": 1}, (1,), ((1,),), [datetime(2026, 1, 1)], Decimal(1)],
    ids=lambda each: type(each).__name__,
)
def test_something_behind_a_value_is_not_overlooked(value: Any) -> None:
    """As APPEND on the server would leave it."""
    for more in (b"\x00", b"x", b"\xc0", b"abc" * 100):
        with pytest.raises(DecodeError):
            Codec().loads(Codec().dumps(value) + more)
