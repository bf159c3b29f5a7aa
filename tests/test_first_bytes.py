"""Values whose bytes begin with any byte, those of entries among them: each is read back by every operation (N1)."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections import (
    CacheMissError,
    DecodeError,
    DictCache,
    KeyCache,
    cached,
    configure,
    connection,
    multi_cached,
)
from rcollections.plans.entries import pack, unpack, wrapped


class Prefixing:
    """Writes a text behind one byte, as encryption and compression do: any byte may come first."""

    def __init__(self, first: int) -> None:
        self.first = first

    def dumps(self, value: str) -> bytes:
        return bytes((self.first,)) + value.encode()

    def loads(self, data: bytes) -> str:
        if data[0] != self.first:
            raise ValueError("another first byte")
        return data[1:].decode()


# Text, the mark of entries, and that of the codec.
FIRST = (0x31, 0xC0, 0xC1)
TEXTS = ("", "x", "\0" * 17, "\0" * 17 + "as long as an entry", "\0\0\0\0\0\0\0\0\1" + "\0" * 40)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("first", FIRST, ids=hex)
@pytest.mark.parametrize("tags", [(), ("a",)], ids=["plain", "tagged"])
def test_every_operation(store: Any, first: int, text: str, tags: tuple[str, ...]) -> None:
    class Value(KeyCache[str]):
        prefix = "value"
        serializer = Prefixing(first)

    Value.tags = tags
    c = Value("a")
    for write in (
        lambda: c.set(text),
        lambda: c.set(text, ttl=0),
        lambda: c.add(text),
        lambda: c.set(text, nx=True),
        lambda: c.cas(text, c.gets()[1]),
        lambda: Value.set_many({"a": text}),
        lambda: Value("a", ttl_from="first").set(text),
        lambda: Value("b", data=text).copy_to("a"),
    ):
        c.clear()
        write()
        assert c.get("missing") == c.peek(strict=True) == c.data == text
        assert Value.get_many(["a"]) == {"a": text}
        assert Value.get_many(["a"], with_ttl=True)["a"][0] == c.get_ttl()[0] == text
        assert c.exists()
        assert c.exists(ttl=0.001)
        assert c.touch()
        assert c.expire(500)
        assert c.renew(100_000)
        assert not c.set("other", nx=True)
        value, token = c.gets()
        assert value == text
        assert c.cas(text, token)
    with c.pipeline() as p:
        p.set(text)
        found = p.get()
    assert found.value == text
    assert c.getdel() == text
    assert not c.exists()


def test_all_first_bytes(store: Any) -> None:
    """Of a value, of a function's result, of many, and of a field."""
    ser = Prefixing(0)

    class Value(KeyCache[str]):
        prefix = "value"
        serializer = ser

    class Fields(DictCache[str, str]):
        prefix = "fields"
        serializer = ser

        def __missing__(self, field: str) -> str:
            return field

    calls: list[Any] = []

    @cached(Value, key=lambda n: (n,), l1=False)
    def f(n: int) -> str:
        calls.append(n)
        return "result"

    @multi_cached("ids", Value)
    def many(ids: list[str]) -> dict[str, str]:
        calls.append(ids)
        return {each: each for each in ids}

    for first in range(256):
        ser.first = first
        calls.clear()
        Value("a").set("text")
        assert Value("a").get() == "text"
        assert f(first) == f(first) == f.peek(first) == Value(first).get() == "result"
        f.put(first, _cache_put="put")
        assert f(first) == "put"
        ids = [f"m{first}", f"n{first}"]
        assert many(ids) == many(ids) == {each: each for each in ids}
        assert len(calls) == 2
        d = Fields()
        d["x"] = "value"
        assert (d["x"], d[f"y{first}"], d[f"y{first}"]) == ("value", f"y{first}", f"y{first}")
        d.clear()


def test_the_other_serializers(store: Any) -> None:
    class Packed(KeyCache[Any]):
        prefix = "packed"
        serializer = "msgpack"

    class Raw(KeyCache[Any]):
        prefix = "raw"
        serialize = False

    assert Packed("a", data=None).get("missing") is None
    for data in (b"\xc0", b"\xc0abc", b"\xc0" + bytes(17), b"\xc0" + bytes(17) + b"tail"):
        assert Raw("a", data=data).get() == data
        with pytest.raises(TypeError):
            Raw("a").increment()
        assert Raw("a").get() == data


def test_signed_pickles(store: Any) -> None:
    """Their bytes are random where they begin, so one in 256 begins like an entry."""
    configure(signing_key="0123456789abcdef")

    class Pickled(KeyCache[Any]):
        prefix = "pickled"
        serializer = "pickle"

    many = {n: {"n": n} for n in range(2000)}
    Pickled.set_many(many)
    assert Pickled.get_many(many) == many


def test_bytes_of_other_programs(store: Any) -> None:
    """No whole entry: a miss that is in nobody's way."""

    class Raw(KeyCache[Any]):
        prefix = "foreign"
        serialize = False

    c = Raw("a")
    for data in (b"\xc0", b"\xc0abc", b"\xc0\x07" + bytes(30), b"\xc0" + b"\xff" * 30):
        connection().raw("SET", "foreign.a", data)
        assert c.get("missing") == "missing"
        assert not c.exists()
        with pytest.raises(DecodeError):
            c.peek(strict=True)
        with pytest.raises(CacheMissError):
            c.peek()
        assert c.set("mine", nx=True)
        assert c.get() == "mine"


def test_equal_values_are_equal_bytes() -> None:
    """So that ``cas`` sees what it would see without the header."""
    assert wrapped(b"\xc0x") == wrapped(b"\xc0x") != wrapped(b"\xc0y")
    assert wrapped(b"x") == b"x"
    for value in (b"", b"\xc0", b"\xc0" * 40):
        entry = unpack(wrapped(value))
        assert entry is not None
        assert (entry.value, entry.grace, entry.stamps) == (value, 0, ())
        assert pack(entry) == wrapped(value)
