"""Values with items: for each type the list that its values travel as, and the way back.

A container is a letter and a MessagePack array. The array has a head of its own (the ``maxlen`` of a deque),
then the items, or keys and values in turn.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import DecodeError, EncodeError
from .records import read_dataclass, read_namedtuple, write_dataclass, write_namedtuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CONTAINERS", "CONTAINER_READERS", "DATACLASS", "MAPPING", "NAMEDTUPLE", "Container"]


class Container(NamedTuple):
    """How one type travels. ``pairs``: items are keys and values; ``unordered``: the order of items says nothing."""

    code: int
    write: Callable[[Any], list[object]]
    read: Callable[[list[object]], object]
    head: int = 0  # how many items at the beginning of the list are no content
    pairs: bool = False
    unordered: bool = False


def _write_pairs(mapping: dict[object, object]) -> list[object]:
    flat: list[object] = []
    for pair in mapping.items():
        flat += pair
    return flat


def _read_pairs(flat: list[object]) -> list[tuple[object, object]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def _read_dict(flat: list[object]) -> dict[object, object]:
    return dict(_read_pairs(flat))


def _write_ordereddict(value: OrderedDict[object, object]) -> list[object]:
    return _write_pairs(_without_attributes(value))


def _read_ordereddict(flat: list[object]) -> OrderedDict[object, object]:
    return OrderedDict(_read_pairs(flat))


def _write_counter(value: Counter[object]) -> list[object]:
    return _write_pairs(_without_attributes(value))


def _read_counter(flat: list[object]) -> Counter[object]:
    return Counter(dict(_read_pairs(flat)))


def _without_attributes(value: object) -> Any:
    if value.__dict__:
        raise EncodeError(f"this {type(value).__name__} has attributes, which are not carried")
    return value


# The only factories that travel: with any other factory the reader would call a function that the bytes name.
_FACTORIES: dict[str, Callable[[], object] | None] = {
    "": None,
    **{cls.__name__: cls for cls in (bool, bytes, dict, float, frozenset, int, list, set, str, tuple)},
}
_FACTORY_NAMES = {factory: name for name, factory in _FACTORIES.items()}


def _write_defaultdict(value: defaultdict[object, object]) -> list[object]:
    try:
        name = _FACTORY_NAMES[value.default_factory]
    except (KeyError, TypeError):
        raise EncodeError(
            "a defaultdict travels only with None or a built-in type such as int or list as default_factory"
        ) from None
    return [name, *_write_pairs(value)]


def _read_defaultdict(flat: list[Any]) -> defaultdict[object, object]:
    return defaultdict(_FACTORIES[flat[0]], _read_pairs(flat[1:]))


def _write_deque(value: deque[object]) -> list[object]:
    return [value.maxlen, *value]


def _read_deque(items: list[object]) -> deque[object]:
    maxlen = items[0]
    if maxlen is not None and (type(maxlen) is not int or len(items) - 1 > maxlen):
        raise DecodeError("a stored deque is longer than its maxlen")
    return deque(items[1:], maxlen)


MAPPING = Container(ord(":"), _write_pairs, _read_dict, pairs=True, unordered=True)
NAMEDTUPLE = Container(ord("n"), write_namedtuple, read_namedtuple, head=1)
DATACLASS = Container(ord("@"), write_dataclass, read_dataclass, head=1)
CONTAINERS: dict[type, Container] = {
    tuple: Container(ord("("), list, tuple),
    set: Container(ord("{"), list, set, unordered=True),
    frozenset: Container(ord("<"), list, frozenset, unordered=True),
    dict: MAPPING,  # for keys other than text: MessagePack's own map carries dicts with text keys
    deque: Container(ord("q"), _write_deque, _read_deque, head=1),
    OrderedDict: Container(ord("O"), _write_ordereddict, _read_ordereddict, pairs=True),
    Counter: Container(ord("C"), _write_counter, _read_counter, pairs=True, unordered=True),
    defaultdict: Container(ord("f"), _write_defaultdict, _read_defaultdict, 1, pairs=True, unordered=True),
}
CONTAINER_READERS: dict[int, Callable[[list[object]], object]] = {
    container.code: container.read for container in (*CONTAINERS.values(), NAMEDTUPLE, DATACLASS)
}
