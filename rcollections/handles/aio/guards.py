"""What Python asks without awaiting (``len``, ``in``, ``==``): refused, with the name of what can be awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["Unawaited"]

# What is written, and the methods that do it, of which a type has one.
_NAMED = {
    "__len__": ("len()", ("length",)),
    "__contains__": ("in", ("contains",)),
    "__eq__": ("==", ("equals",)),
    "__ne__": ("!=", ("equals",)),
    "__bool__": ("bool()", ("exists",)),
    "__reversed__": ("reversed()", ("items",)),
    "__setitem__": ("an assignment to an item", ("set", "add")),
    "__delitem__": ("del of an item", ("delete",)),
    "__int__": ("int()", ("get",)),
    "__float__": ("float()", ("get",)),
    "__ior__": ("|=", ("combine", "union_update", "update")),
    "__iand__": ("&=", ("combine", "intersection_update")),
    "__ixor__": ("^=", ("symmetric_difference_update",)),
    "__iadd__": ("+=", ("combine", "increment")),
    "__isub__": ("-=", ("combine", "difference_update", "increment")),
    **dict.fromkeys(("__lt__", "__le__", "__gt__", "__ge__"), ("a comparison", ("issubset", "to_counter", "get"))),
    **dict.fromkeys(("__or__", "__ror__"), ("|", ("union", "to_counter", "to_dict"))),
    **dict.fromkeys(("__and__", "__rand__"), ("&", ("intersection", "to_counter"))),
    **dict.fromkeys(("__sub__", "__rsub__"), ("-", ("difference", "to_counter"))),
    **dict.fromkeys(("__xor__", "__rxor__"), ("^", ("symmetric_difference",))),
    **dict.fromkeys(("__add__", "__radd__"), ("+", ("to_counter",))),
}


class Unawaited:
    """The part of an Async collection that refuses what cannot be awaited. Not a type of its own."""

    __hash__ = None  # type: ignore[assignment]

    if not TYPE_CHECKING:  # type checkers say themselves that there is no such method

        def __iter__(self) -> NoReturn:
            raise TypeError(f"for asks the server, and an {_kind(self)} answers when it is awaited: use async for")

        def __setattr__(self, name: str, value: object) -> None:
            if name == "data":
                raise TypeError(f"an assignment to data asks the server: use await set(…) of an {_kind(self)}")
            super().__setattr__(name, value)

        def __delattr__(self, name: str) -> None:
            if name == "data":
                raise TypeError(f"del of data asks the server: use await clear() of an {_kind(self)}")
            super().__delattr__(name)


def _kind(handle: object) -> str:
    return next((base.__name__ for base in type(handle).__mro__ if base.__name__.startswith("Async")), "Async object")


def _guard(dunder: str, what: str, names: tuple[str, ...]) -> Any:
    def refuse(self: object, *_: object) -> NoReturn:
        name = next((name for name in names if hasattr(type(self), name)), "")
        use = f"use await {name}(…)" if name else "there is no such operation"
        raise TypeError(f"{what} asks the server, and an {_kind(self)} answers when it is awaited: {use}")

    refuse.__name__ = dunder
    refuse.__qualname__ = f"Unawaited.{dunder}"
    return refuse


for _dunder, (_what, _names) in _NAMED.items():
    setattr(Unawaited, _dunder, _guard(_dunder, _what, _names))
