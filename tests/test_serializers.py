"""The serializers by name, and serializers of one's own: compressing, validating by a schema."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest

from rcollections import ConfigError, DecodeError, EncodeError
from rcollections.values import Codec


def test_a_serializer_of_ones_own_that_compresses() -> None:
    class Compressed:
        def dumps(self, value: Any) -> bytes:
            return zlib.compress(json.dumps(value).encode())

        def loads(self, data: bytes) -> Any:
            return json.loads(zlib.decompress(data))

    codec = Codec(Compressed(), compress_above=0)
    stored = codec.dumps({"a": [1] * 1000})
    assert json.loads(zlib.decompress(stored)) == {"a": [1] * 1000}
    assert codec.loads(stored) == {"a": [1] * 1000}
    with pytest.raises(DecodeError) as unread:
        codec.loads(b"something else")
    assert isinstance(unread.value.__cause__, zlib.error)
    with pytest.raises(EncodeError) as unwritten:
        codec.dumps({1, 2})
    assert isinstance(unwritten.value.__cause__, TypeError)


def test_a_serializer_of_ones_own_with_a_marshmallow_schema() -> None:
    """Objects of one class, checked by their schema in both directions."""
    marshmallow = pytest.importorskip("marshmallow")

    class User:
        def __init__(self, name: str, age: int) -> None:
            self.name, self.age = name, age

    class UserSchema(marshmallow.Schema):  # type: ignore[misc, name-defined]
        name = marshmallow.fields.String(required=True)
        age = marshmallow.fields.Integer(required=True)

        @marshmallow.post_load
        def make(self, data: dict[str, Any], **_: Any) -> User:
            return User(**data)

    class Users:
        schema = UserSchema()

        def dumps(self, value: User) -> str:
            return str(self.schema.dumps(value))

        def loads(self, data: bytes) -> User:
            user: User = self.schema.loads(data.decode())
            return user

    codec = Codec(Users())
    stored = codec.dumps(User("Ada", 36))
    assert json.loads(stored) == {"name": "Ada", "age": 36}
    user = codec.loads(stored)
    assert (type(user), user.name, user.age) == (User, "Ada", 36)
    with pytest.raises(DecodeError) as caught:
        codec.loads(b'{"name": "Ada", "age": "old"}')
    assert isinstance(caught.value.__cause__, marshmallow.ValidationError)


def test_json_is_for_other_programs() -> None:
    codec = Codec("json", compress_above=0)
    assert codec.dumps({"a": [1, None, True, "é"]}) == '{"a":[1,null,true,"é"]}'.encode()
    assert codec.loads(b' {"a": 1.5} ') == {"a": 1.5}
    assert codec.loads(codec.dumps((1, 2))) == [1, 2]
    for value in (float("nan"), {1, 2}, "\ud800", object()):
        with pytest.raises(EncodeError):
            codec.dumps(value)
    for data in (b"", b"{", b"\xff", b"[" * 100_000, b"9" * 5000, b"\xc1m\xc0"):
        with pytest.raises(DecodeError):
            codec.loads(data)


def test_msgpack_is_for_other_programs() -> None:
    codec = Codec("msgpack")
    assert codec.dumps({"a": (1, b"x")}) == b"\x81\xa1a\x92\x01\xc4\x01x"
    assert codec.loads(b"\x81\x01\x92\x01\xc3") == {1: [1, True]}
    for value in (2**64, {1, 2}, object(), "\ud800"):
        with pytest.raises(EncodeError):
            codec.dumps(value)
    for data in (b"", b"\x92\x01", b"\x01\x01", b"\xc1", b"\xd4\x01a"):
        with pytest.raises(DecodeError):
            codec.loads(data)


def test_string_is_str_of_everything() -> None:
    codec = Codec("string")
    assert [codec.dumps(value) for value in ("7", 7, None, [1])] == [b"7", b"7", b"None", b"[1]"]
    assert codec.loads(b"7") == "7"
    with pytest.raises(DecodeError):
        codec.loads(b"\xff")
    with pytest.raises(EncodeError):
        codec.dumps("\ud800")


def test_raw_is_numbers_text_and_bytes() -> None:
    codec = Codec("raw")
    assert [codec.loads(codec.dumps(value)) for value in (7, "7", 1.5, "a", b"\xff")] == [7, 7, 1.5, "a", b"\xff"]
    with pytest.raises(EncodeError):
        codec.dumps(None)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="json, msgpack, pickle, raw, string"):
        Codec("yaml")


def test_a_serializer_is_checked_when_it_is_given() -> None:
    class Half:
        def dumps(self, value: Any) -> bytes:
            return b""

    with pytest.raises(ConfigError, match=r"Half.*loads\(\)"):
        Codec(Half())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"dumps\(\)"):
        Codec(7)  # type: ignore[arg-type]


def test_dumps_must_give_bytes_or_text() -> None:
    class Wrong:
        def dumps(self, value: Any) -> Any:
            return value

        def loads(self, data: bytes) -> Any:
            raise DecodeError("said by the serializer itself")

    codec = Codec(Wrong(), max_value=3)
    assert [codec.dumps(value) for value in ("é", b"x", bytearray(b"y"))] == ["é".encode(), b"x", b"y"]
    with pytest.raises(EncodeError, match="not int"):
        codec.dumps(7)
    with pytest.raises(EncodeError, match="max_value=3"):
        codec.dumps("long")
    with pytest.raises(DecodeError, match="itself"):
        codec.loads(b"x")


def test_a_module_is_a_serializer_too() -> None:
    codec = Codec(json)
    assert codec.loads(codec.dumps([1, "a"])) == [1, "a"]
