"""A stored object whose class has other fields by now is unreadable: a miss for caches, never a broken object."""

from __future__ import annotations

import enum
import sys
from collections import namedtuple
from dataclasses import dataclass, field, make_dataclass
from functools import partial
from importlib.util import find_spec
from ipaddress import IPv4Address
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from rcollections import DecodeError, DictCache, KeyCache, cached, configure
from rcollections.values import Codec
from rcollections.values.pickling import field_names
from rcollections.values.signing import SIGNED, Keyring

if TYPE_CHECKING:
    from collections.abc import Callable

CODEC = Codec(keyring=Keyring(["a key that is long enough"]))


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Callable[[type], type]:
    """Puts a class into a module ``shop``, in the place of the class that had its name."""
    module = ModuleType("shop")
    monkeypatch.setitem(sys.modules, "shop", module)

    def put(cls: type) -> type:
        cls.__module__, cls.__qualname__ = "shop", cls.__name__
        setattr(module, cls.__name__, cls)
        return cls

    return put


def plain(*names: str, slots: bool = False) -> type:
    """A class like those that programs write by hand: with annotations, or with slots."""
    body: dict[str, Any] = {"__slots__": names} if slots else {"__annotations__": dict.fromkeys(names, int)}
    return type("Item", (), body)


def filled(cls: type, *names: str) -> Any:
    item = cls()
    for name in names:
        setattr(item, name, 1)
    return item


def built(cls: Callable[..., Any], *names: str) -> Any:
    return cls(**dict.fromkeys(names, 1))


def dataclassed(*names: str) -> type:
    fields: list[Any] = [(name, int, field(default=0)) for name in names]
    # On top of a built-in type a dataclass has no exact form of ours, so it is pickled.
    return make_dataclass("Item", fields, bases=(Held,))


class Held(list):  # type: ignore[type-arg]
    """A list with attributes."""


def pydantic_model(*names: str) -> type:
    import pydantic

    return pydantic.create_model("Item", **dict.fromkeys(names, (int, 0)))  # type: ignore[call-overload,no-any-return]


def attrs_class(*names: str) -> type:
    import attrs

    return attrs.make_class("Item", {name: attrs.field(default=0) for name in names})


def msgspec_struct(*names: str) -> type:
    import msgspec

    return msgspec.defstruct("Item", [(name, int, 0) for name in names])


MAKERS: dict[str, tuple[Callable[..., type], Callable[..., Any]]] = {
    "annotations": (plain, filled),
    "slots": (partial(plain, slots=True), filled),
    "dataclass": (dataclassed, built),
    "pydantic": (pydantic_model, built),
    "attrs": (attrs_class, built),
    "msgspec": (msgspec_struct, built),
}
KINDS = [
    pytest.param(*MAKERS[kind], id=kind, marks=pytest.mark.skipif(
        kind in ("pydantic", "attrs", "msgspec") and find_spec(kind) is None, reason=f"{kind} is not installed"
    ))
    for kind in MAKERS
]  # fmt: skip
CHANGES = {
    "added": ("a", "b", "c"),
    "removed": ("a",),
    "renamed": ("a", "z"),
}


@pytest.mark.parametrize(("make", "fill"), KINDS)
def test_the_same_fields_are_read(shop: Any, make: Any, fill: Any) -> None:
    old = shop(make("a", "b"))
    stored = CODEC.dumps(fill(old, "a", "b"))
    assert stored[:2] == SIGNED
    for cls in (old, make("a", "b")):
        shop(cls)
        found = CODEC.loads(stored)
        assert type(found) is cls
        assert (found.a, found.b) == (1, 1)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("make", "fill"), KINDS)
def test_other_fields_are_not(shop: Any, make: Any, fill: Any, change: str) -> None:
    stored = CODEC.dumps([fill(shop(make("a", "b")), "a", "b")])
    shop(make(*CHANGES[change]))
    with pytest.raises(DecodeError, match="other fields by now"):
        CODEC.loads(stored)


def test_a_class_inside_of_another_object(shop: Any) -> None:
    """Each class of the pickle is compared, not only that of the outermost object."""
    Outer = shop(type("Outer", (), {}))
    outer = Outer()
    outer.items = {"first": [filled(shop(plain("a")), "a")]}
    stored = CODEC.dumps({"outer": outer})
    assert CODEC.loads(stored)["outer"].items["first"][0].a == 1
    shop(plain("a", "b"))
    with pytest.raises(DecodeError, match="other fields"):
        CODEC.loads(stored)


def test_a_base_class_that_changes(shop: Any) -> None:
    base = shop(type("Base", (), {"__annotations__": {"a": int}}))
    stored = CODEC.dumps(shop(type("Item", (base,), {}))())
    base = shop(type("Base", (), {"__annotations__": {"a": int, "b": int}}))
    shop(type("Item", (base,), {}))
    with pytest.raises(DecodeError):
        CODEC.loads(stored)


def test_a_private_attribute_of_a_model(shop: Any) -> None:
    pydantic = pytest.importorskip("pydantic")

    def model(**private: Any) -> Any:
        attributes = {name: pydantic.PrivateAttr(value) for name, value in private.items()}
        return shop(
            type("Item", (pydantic.BaseModel,), {"__module__": "shop", "__annotations__": {"a": int}, **attributes})
        )

    stored = CODEC.dumps(model(_seen=0)(a=1))
    assert CODEC.loads(stored)._seen == 0
    model(_seen=0, _more=1)
    with pytest.raises(DecodeError):
        CODEC.loads(stored)


def test_a_class_that_is_gone(shop: Any) -> None:
    stored = CODEC.dumps(shop(plain("a"))())
    del sys.modules["shop"].Item  # type: ignore[attr-defined]
    with pytest.raises(DecodeError):
        CODEC.loads(stored)
    sys.modules["shop"].Item = len  # type: ignore[attr-defined]
    with pytest.raises(DecodeError):
        CODEC.loads(stored)


def test_classes_without_fields_cost_nothing_and_stay_readable(shop: Any) -> None:
    home = IPv4Address("10.0.0.1")
    value = {"home": home, "error": ValueError("no"), "function": len, "kind": IPv4Address, "more": object}
    found = CODEC.loads(CODEC.dumps(value))
    assert {**found, "error": 0} == {**value, "error": 0}
    bare = shop(type("Bare", (), {}))
    item = bare()
    item.whatever = 1
    stored = CODEC.dumps(item)
    shop(type("Bare", (), {"method": lambda self: self.whatever}))
    assert CODEC.loads(stored).method() == 1


def test_the_names_of_fields() -> None:
    class Slotted:
        __slots__ = "one"

    class Lines(NamedTuple):
        a: int
        b: int = 0

    @dataclass
    class More(Lines):
        c: int = 0

    assert field_names(Slotted) == ("one",)
    assert field_names(Lines) == ("a", "b")
    assert field_names(More) == ("c", "a", "b")
    assert field_names(int) == field_names(object) == ()


# -- what travels by path, without pickle ------------------------------------------------------------


PATHS = {
    "dataclass": lambda *names: make_dataclass("Item", [(name, int, field(default=0)) for name in names]),
    "namedtuple": lambda *names: namedtuple("Item", names, defaults=[0] * len(names)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", PATHS)
def test_classes_that_travel_by_path(shop: Any, kind: str, change: str) -> None:
    codec = Codec()
    value = shop(PATHS[kind]("a", "b"))(1, 2)
    stored = codec.dumps([value])
    assert codec.loads(stored) == [value]
    shop(PATHS[kind](*CHANGES[change]))
    with pytest.raises(DecodeError, match="other fields than its class now has"):
        codec.loads(stored)


def test_members_of_an_enum_that_are_gone(shop: Any) -> None:
    colour = shop(enum.Enum("Colour", ["RED", "BLUE"]))
    plainly, pickled = Codec().dumps([colour.BLUE]), CODEC.dumps([colour.BLUE, IPv4Address(1)])
    shop(enum.Enum("Colour", ["RED", "BLUE", "GREEN"]))
    assert Codec().loads(plainly)[0].name == CODEC.loads(pickled)[0].name == "BLUE"
    shop(enum.Enum("Colour", ["RED"]))
    for codec, stored in ((Codec(), plainly), (CODEC, pickled)):
        with pytest.raises(DecodeError):
            codec.loads(stored)


# -- on a server -------------------------------------------------------------------------------------


def test_an_old_object_is_a_miss(store: Any, shop: Any) -> None:
    configure(signing_key="a key that is long enough")
    calls = []

    @cached(ttl=60, l1=False)
    def item(n: int) -> Any:
        calls.append(n)
        return filled(sys.modules["shop"].Item, "a")

    shop(plain("a"))
    item(1), item(1)
    KeyCache("item").set(item(1))
    d = DictCache("items", data={1: item(1)})
    assert calls == [1]
    new = shop(plain("a", "b"))
    assert type(item(1)) is new
    assert calls == [1, 1]
    assert KeyCache("item").get("none") == "none"
    with pytest.raises(DecodeError, match="other fields"):
        d[1]
