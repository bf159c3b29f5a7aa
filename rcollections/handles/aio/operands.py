"""What operations of an Async handle take: other collections, of both worlds, and plain content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..base import BaseCache
from ..faces import other_face, sync_type, type_of
from .guards import Unawaited
from .running import AsyncRunning

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

__all__ = ["AsyncOperands"]

_WHOLE = ("to_set", "to_counter", "to_dict", "get")  # what reads a whole collection: each type has one of them first


class AsyncOperands(Unawaited, AsyncRunning, BaseCache):
    """The part of an Async collection that meets other collections. Not a type of its own."""

    @property
    def aio(self) -> Self:
        """The async face: this handle. ``handle.sync`` is the other one."""
        return self

    @property
    def sync(self) -> Any:
        """This handle for threads: the same key and options, and methods that wait. ``handle.aio`` is the way back.

        A call of it in an event loop holds up all tasks: ``await asyncio.to_thread(handle.sync.method, …)``.
        """
        own = type_of(self)
        return other_face(self, own, sync_type(own.__name__.removeprefix("Async")))

    def _store_at_once(self, data: object) -> None:  # noqa: ARG002
        name = type(self).__name__
        raise TypeError(f"{name}(data=…) would have to wait for the server: use await {name}.create(…, data=…)")

    async def _operand(self, other: Any, plain: bool = False) -> Any:
        """Another collection, as a handle that the server can combine with this one, or as its plain content."""
        if not isinstance(other, BaseCache):
            return other
        mine: Any = other.aio  # type: ignore[attr-defined]  # all types have it
        if not plain and self._meets(mine):
            return mine
        return await getattr(mine, next(name for name in _WHOLE if hasattr(mine, name)))()

    def _meets(self, other: object) -> Any:  # noqa: ARG002
        """Whether the server can combine the two collections."""
        return False

    async def _each(self, others: Iterable[Any]) -> list[Any]:
        """Several operands."""
        return [await self._operand(other) for other in others]
