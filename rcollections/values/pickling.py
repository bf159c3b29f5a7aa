"""Pickles, and the fields of the classes in them: an object whose class has other fields by now is not made.

A pickle restores attributes and calls no ``__init__``. After a deploy that adds a field, it would give objects
without that field. So in front of a pickle stands a table of the classes in it, each with a digest of the names
of its fields. A reader compares each class when the pickle asks for it, before any object of that class is made.
"""

from __future__ import annotations

import io
import pickle
import sys
from enum import Enum
from hashlib import blake2b
from typing import Any

import ormsgpack

from ..errors import DecodeError

__all__ = ["field_names", "from_pickle", "to_pickle"]

PROTOCOL = 5  # fixed: the newest may differ between the Pythons that share a server
HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: defined by a class statement, or by a newer C module
SIZE_BYTES = 4  # of the length of the table
DIGEST_SIZE = 8


def to_pickle(value: object) -> bytes:
    """The table of classes, and the pickle."""
    file = io.BytesIO()
    pickler = _Pickler(file, PROTOCOL)
    pickler.dump(value)
    table = ormsgpack.packb(pickler.table())
    return len(table).to_bytes(SIZE_BYTES, "big") + table + file.getvalue()


def from_pickle(data: bytes) -> object:
    """The value; ``DecodeError`` if a class in it has other fields by now. Only for bytes that we have signed."""
    end = SIZE_BYTES + int.from_bytes(data[:SIZE_BYTES], "big")
    table = {(module, name): digest for module, name, digest in ormsgpack.unpackb(data[SIZE_BYTES:end])}
    return _Unpickler(io.BytesIO(data[end:]), table).load()


class _Pickler(pickle.Pickler):
    """Notes each class that the pickle names."""

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.classes: set[type] = set()

    def reducer_override(self, obj: object) -> Any:
        if isinstance(obj, type):
            self.classes.add(obj)
        return NotImplemented

    def table(self) -> list[list[object]]:
        """Module, name and digest of each class whose fields may change."""
        found: list[list[object]] = []
        for cls in self.classes:
            digest = _digest(cls)
            if digest is not None:
                found.append([pickle.whichmodule(cls, cls.__qualname__), cls.__qualname__, digest])  # type: ignore[attr-defined]
        return found


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, table: dict[tuple[str, str], bytes]) -> None:
        super().__init__(file)
        self.digests = table

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        digest = self.digests.get((module, name))
        if digest is not None and (not isinstance(found, type) or _digest(found) != digest):
            raise DecodeError("a stored object is of a class that has other fields by now")
        return found


def _digest(cls: type) -> bytes | None:
    """A digest of the field names; None for a class whose fields do not depend on the program's version."""
    if not cls.__flags__ & HEAP_TYPE or issubclass(cls, (Enum, type)):
        return None
    names = field_names(cls)
    if not names and cls.__module__.partition(".")[0] in sys.stdlib_module_names:
        return None
    return blake2b("\0".join(names).encode("utf-8", "surrogatepass"), digest_size=DIGEST_SIZE).digest()


def field_names(cls: type) -> tuple[str, ...]:
    """The names of the fields, of whatever library made the class; of a plain class its annotations and slots."""
    found: dict[str, None] = {}
    for attribute, names in _DECLARED.items():
        declared = _static(cls, attribute)
        if declared is not None:
            found.update(dict.fromkeys(names(declared)))
    if found:
        return tuple(found)
    for base in reversed(cls.__mro__):
        if base.__flags__ & HEAP_TYPE:
            slots = base.__dict__.get("__slots__", ())
            found.update(dict.fromkeys((slots,) if isinstance(slots, str) else map(str, slots)))
            found.update(dict.fromkeys(_annotated(base)))
    return tuple(found)


def _static(cls: type, name: str) -> Any:
    """The attribute as a class body or a decorator has set it; no descriptor and no metaclass is asked."""
    return next((base.__dict__[name] for base in cls.__mro__ if name in base.__dict__), None)


def _annotated(cls: type) -> list[str]:
    if sys.version_info >= (3, 14):  # annotations are made when they are asked for, and may name what is not there
        from annotationlib import Format, get_annotations

        return list(get_annotations(cls, format=Format.FORWARDREF))
    from inspect import get_annotations as annotations_of

    return list(annotations_of(cls))


def _keys(declared: Any) -> list[str]:
    return [str(name) for name in declared] if isinstance(declared, (dict, tuple, list)) else []


def _attribute_names(declared: Any) -> list[str]:
    return [str(each.name) for each in declared] if isinstance(declared, tuple) else []


# How the libraries write down the fields of a class. A class that two of them have made has the fields of both.
_DECLARED = {
    "__dataclass_fields__": _keys,
    "__attrs_attrs__": _attribute_names,
    "__struct_fields__": _keys,  # msgspec
    "__pydantic_fields__": _keys,
    "model_fields": _keys,  # pydantic before 2.10
    "__fields__": _keys,  # pydantic 1
    "__private_attributes__": _keys,  # pydantic
    "_fields": _keys,  # namedtuples
}
