"""Arguments and instances that lie, raise, or want to be asked: nobody may run what they define.

``ASKED`` gathers whatever was run all the same.
"""

from __future__ import annotations

from typing import Any

__all__ = ["ASKED", "CLASSES", "HOOKLESS", "INSTANCES", "ODD", "TELLERS", "Text", "Told"]

ASKED: list[str] = []


class Equal(type):
    """All classes of this one say that they are the same."""

    def __eq__(cls, other: object) -> bool:
        ASKED.append("Equal.__eq__")
        return True

    def __hash__(cls) -> int:
        ASKED.append("Equal.__hash__")
        return 7


class Raising(type):
    """Nobody may ask."""

    def __eq__(cls, other: object) -> bool:
        ASKED.append("Raising.__eq__")
        raise AssertionError("nobody may ask whether classes are equal")

    def __hash__(cls) -> int:
        ASKED.append("Raising.__hash__")
        raise AssertionError("nobody may ask for the hash of a class")


class Unhashable(type):
    def __eq__(cls, other: object) -> bool:
        ASKED.append("Unhashable.__eq__")
        return NotImplemented


class Text(str):
    """A str with a hash of its own."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        return str.__hash__(self)


class Nasty:
    """Neither hashed nor compared, and it says that it is a class."""

    __hash__ = None  # type: ignore[assignment]

    @property
    def __class__(self) -> Any:
        return type

    def __eq__(self, other: object) -> bool:
        ASKED.append("Nasty.__eq__")
        raise AssertionError("nobody may ask")


class Told:
    """Tells what it is."""

    def __init__(self, own: Any) -> None:
        self.own = own

    def __cache_key__(self) -> Any:
        return self.own


class NoHook(Told):
    """Its base has the hook; it has none."""

    __cache_key__ = None  # type: ignore[assignment]


class Shadowed(Told):
    """The instance says that it has no hook."""

    def __init__(self) -> None:
        self.__cache_key__ = None  # type: ignore[assignment,method-assign]


class OwnHook:
    """Only the instance has one: its class does not tell."""

    def __init__(self) -> None:
        self.__cache_key__ = lambda: 1


class Property:
    @property
    def __cache_key__(self) -> Any:
        return None


class Broken:
    def __cache_key__(self) -> Any:
        raise ValueError("no key")


class HookOfClasses(type):
    """The hook of the metaclass is none of the instances'."""

    def __cache_key__(cls) -> Any:
        return 1


class Hookless(metaclass=HookOfClasses):
    pass


def _classes(meta: type) -> list[Any]:
    """Two plain classes and one that tells."""
    made = [meta(name, (), {}) for name in ("A", "B")]
    return [*made, meta("T", (Told,), {})]


_MADE = [_classes(meta) for meta in (Equal, Raising, Unhashable)]
CLASSES: list[Any] = [int, str, type, Told, Broken, Hookless, *(cls for made in _MADE for cls in made)]
TELLERS: list[Any] = []  # instances whose classes have odd metaclasses; two of each three are the same
for _, _, _cls in _MADE:
    TELLERS += [_cls(1), _cls(1), type(_cls)("T", (Told,), {})(1)]
_INSTANCES: list[Any] = [cls() for cls, _, _ in _MADE]  # of classes that must not be asked

# What no quick way may compare.
ODD: list[Any] = [Text("a"), Nasty(), [1], (1,), ("a",), (), {}, object(), 1j, *_INSTANCES]

# Who does not tell what it is in a way that the quick call can use.
HOOKLESS: list[Any] = [
    NoHook(1), Shadowed(), OwnHook(), Property(), Hookless(), *ODD, *map(Told, [*ODD, int, _MADE[0][0], Told(1)]),
    1, True, "a", None,
]  # fmt: skip
INSTANCES: list[Any] = [
    *TELLERS, *CLASSES, *HOOKLESS, Told(1), Told(1), Told(True), Told(1.0), Told("a"), Broken(),
]  # fmt: skip
