"""Enums, namedtuples and dataclasses: found again by path or by @register, never by importing."""

from __future__ import annotations

import sys
from collections import namedtuple
from dataclasses import dataclass
from enum import Enum
from types import ModuleType
from typing import Any

import pytest

from rcollections import ConfigError, DecodeError, EncodeError, register
from rcollections.values import Codec, encode_exact, encode_field

codec = Codec()


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that is imported during the test only."""
    module = ModuleType("shop_of_this_test")
    source = """
from dataclasses import dataclass
from enum import Enum
from collections import namedtuple
class Color(Enum):
    RED = 1
class Outer:
    @dataclass
    class Inner:
        a: int
        b: int = 2
Point = namedtuple("Point", "x y")
"""
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(source, vars(module))  # noqa: S102
    return module


def test_a_class_comes_back_by_its_path(shop: Any) -> None:
    for value in (shop.Color.RED, shop.Outer.Inner(1), shop.Point(1, 2)):
        back = codec.loads(codec.dumps(value))
        assert back == value
        assert type(back) is type(value)


def test_a_module_that_is_not_imported_is_not_imported(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = codec.dumps(shop.Color.RED)
    monkeypatch.delitem(sys.modules, shop.__name__)
    with pytest.raises(DecodeError, match="register"):
        codec.loads(stored)


def test_a_module_level_getattr_is_not_asked(shop: Any) -> None:
    """It could import, as lazy packages do."""

    def __getattr__(name: str) -> Any:
        raise AssertionError("asked")

    stored = codec.dumps(shop.Color.RED)
    del shop.Color
    shop.__getattr__ = __getattr__
    with pytest.raises(DecodeError):
        codec.loads(stored)


def test_a_local_class_needs_register() -> None:
    class Local(Enum):
        A = 1

    @dataclass
    class Row:
        a: int

    pair = namedtuple("Elsewhere", "a b")
    for value in (Local.A, Row(1), pair(1, 2)):
        for write in (codec.dumps, encode_exact):
            with pytest.raises(EncodeError, match="register"):
                write(value)
    with pytest.raises(EncodeError, match="register"):
        encode_field(Local.A)

    assert register(Local) is Local
    assert codec.loads(codec.dumps(Local.A)) is Local.A
    register(name="tests.Row")(Row)
    assert codec.loads(codec.dumps(Row(1))) == Row(1)


def test_a_class_that_moved_keeps_its_old_name(shop: Any) -> None:
    """Values and fields written before the move are read, and written the same afterwards."""
    old, old_field = codec.dumps([shop.Color.RED]), encode_field(shop.Color.RED)
    path = f"{shop.__name__}.Color"
    del shop.Color

    @register(name=path)
    class Colour(Enum):
        RED = 1

    assert codec.loads(old) == [Colour.RED]
    assert codec.loads(codec.dumps([Colour.RED])) == [Colour.RED]
    # The dot in front of the class is all that can differ: read by either name.
    assert encode_field(Colour.RED).replace(b".Color", b":Color") == old_field


def test_register_takes_what_travels_by_path() -> None:
    class Plain:
        pass

    for wrong in (Plain, int, Plain(), len, dict):
        with pytest.raises(ConfigError, match="Enum"):
            register(wrong)  # type: ignore[type-var]
    for name in ("", "a=b", "a(b", 7):
        with pytest.raises(ConfigError, match="path"):
            register(name=name)  # type: ignore[arg-type]


def test_two_classes_cannot_have_one_name() -> None:
    @register(name="tests.taken")
    class First(Enum):
        A = 1

    class Second(Enum):
        A = 1

    with pytest.raises(ConfigError, match=r"tests\.taken"):
        register(name="tests.taken")(Second)


def test_a_class_defined_anew_takes_the_place_of_its_old_self() -> None:
    """As a reload or a notebook cell does."""

    def define() -> Any:
        @register
        class Again(Enum):
            A = 1

        return Again

    stored = codec.dumps(define().A)
    newer = define()
    assert codec.loads(stored) is newer.A
    assert codec.loads(codec.dumps(newer.A)) is newer.A


def test_another_version_of_a_class_is_not_misread(shop: Any) -> None:
    """Fields added, renamed or swapped: unreadable, never values in the wrong fields."""
    stored = [codec.dumps(shop.Point(1, 2)), codec.dumps(shop.Outer.Inner(1))]
    shop.Point = namedtuple("Point", "y x", module=shop.__name__)
    shop.Outer.Inner.__dataclass_fields__.pop("b")
    for data in stored:
        with pytest.raises(DecodeError, match="fields"):
            codec.loads(data)


def test_a_path_that_leads_to_another_class_is_refused(shop: Any) -> None:
    old = shop.Color
    shop.Color = Enum("Color", "RED", module=shop.__name__)
    with pytest.raises(EncodeError, match="register"):
        codec.dumps(old.RED)
