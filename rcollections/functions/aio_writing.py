"""``async with f.writing(x) as w:``: the block of ``writing``, awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..servers.drivers.aio import adrive
from .writing import WritingBlock

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["AsyncWriting"]

R = TypeVar("R")


class AsyncWriting(WritingBlock[R]):
    __doc__ = WritingBlock.__doc__

    async def __aenter__(self) -> Self:
        await adrive(self._begin(), self._connection)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await adrive(self._end(error), self._connection)
