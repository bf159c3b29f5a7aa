"""The one reader of plain bytes: what is a number, what is text, and what is wrapped."""

# ruff: noqa: E501 (tables of cases, many to a line)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcollections import DecodeError, EncodeError
from rcollections.values import ENTRY, Codec, decode_field, decode_raw, encode_field, encode_raw

codec = Codec()

NUMBERS = {
    b"0": 0,
    b"7": 7,
    b"-7": -7,
    b"999999999999999999": 999999999999999999,
    b"9223372036854775807": 2**63 - 1,
    b"-9223372036854775808": -(2**63),
    b"0.0": 0.0,
    b"-0.0": -0.0,
    b"1.5": 1.5,
    b"1.50": 1.5,
    b"1e+16": 1e16,
    b"1e-07": 1e-07,
    b"-1.5e+300": -1.5e300,
    b"5e-324": 5e-324,
    b"inf": float("inf"),
    b"-inf": float("-inf"),
}
TEXTS = [
    "", "-", "+5", "007", "00", "-0", "-01", "1e5", "1e+5", "1E+16", "1.", ".5", "1.5e5", "1.5e+1234", "1_000", " 1", "1 ",
    "1\n", "1.5\n", "0x10", "9223372036854775808", "-9223372036854775809", "99999999999999999999", "Infinity",
    "NaN", "nane", "+inf", "\u0661", "1\u0661", "-é", "i", "n", "true", "None", "name", "id:1", "é", "🆗", "\0",
]  # fmt: skip


@pytest.mark.parametrize("data", NUMBERS, ids=repr)
def test_what_reads_like_a_number_is_one(data: bytes) -> None:
    """Both readers agree, and give the number's own type."""
    for read in (codec.loads, decode_field, decode_raw):
        value = read(data)
        assert repr(value) == repr(NUMBERS[data])


def test_nan_is_read_and_written_plainly() -> None:
    assert repr(codec.loads(b"nan")) == "nan"
    assert codec.dumps(float("nan")) == b"nan"


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_what_reads_like_no_number_is_plain_text(text: str) -> None:
    """What is typed in redis-cli is what is read here, and the other way round."""
    assert codec.dumps(text) == encode_field(text) == encode_raw(text) == text.encode()
    for read in (codec.loads, decode_field, decode_raw):
        assert read(text.encode()) == text


@pytest.mark.parametrize("data", [*NUMBERS, b"nan"], ids=repr)
def test_text_that_reads_like_a_number_is_wrapped(data: bytes) -> None:
    """So the str "7" comes back as a str."""
    text = data.decode()
    stored = codec.dumps(text)
    assert stored == encode_field(text) == b"\xc1s" + data
    assert codec.loads(stored) == decode_field(stored) == text


@given(st.text() | st.from_regex(r"-?[0-9.e+-]{1,22}|-?inf|nan", fullmatch=True))
def test_a_text_is_plain_exactly_when_the_reader_gives_it_back(text: str) -> None:
    stored = codec.dumps(text)
    assert codec.loads(stored) == text
    assert (stored == text.encode()) == (decode_raw(text.encode()) == text)


@given(st.integers(-(2**70), 2**70) | st.floats())
def test_numbers_are_what_int_and_repr_write(number: float) -> None:
    """So INCRBY, HINCRBY and SORT work on them."""
    stored = codec.dumps(number)
    back = codec.loads(stored)
    assert (type(back), repr(back)) == (type(number), repr(number))
    if type(number) is float or -(2**63) <= number < 2**63:
        assert stored == repr(number).encode()


@pytest.mark.parametrize("first", [ENTRY, *range(0xF5, 0x100)])
def test_bytes_kept_for_later_are_not_read_as_anything(first: int) -> None:
    for read in (codec.loads, decode_field):
        with pytest.raises(DecodeError):
            read(bytes([first]) + b"abc")


@pytest.mark.parametrize("data", [b"\x80", b"abc\xff", b"\xed\xa0\x80", b"1\xc1", b"\xc3"], ids=repr)
def test_foreign_bytes_that_are_not_text_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        codec.loads(data)
    assert decode_raw(data) == data


@pytest.mark.parametrize("value", [True, None, 2**63, "\ud800", [1], 1j, bytearray(b"x")], ids=ascii)
def test_raw_takes_numbers_text_and_bytes_alone(value: object) -> None:
    with pytest.raises(EncodeError):
        encode_raw(value)


def test_raw_writes_things_as_they_are() -> None:
    assert [encode_raw(value) for value in (12, -1.5, "7", b"\xc1x")] == [b"12", b"-1.5", b"7", b"\xc1x"]
    assert decode_raw(b"7") == 7
