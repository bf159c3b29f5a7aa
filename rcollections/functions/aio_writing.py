"""``async with f.writing(x) as w:``: the block of ``writing``, awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ..servers.drivers.aio import adrive
from .writing import WritingBlock, job_of_value

if TYPE_CHECKING:
    from datetime import timedelta
    from types import TracebackType
    from typing import Self

    from ..plans.target import Target

__all__ = ["AsyncWriting", "of_value"]

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


def of_value(name: str, t: Target, ttl: float | timedelta, *, settle: bool) -> AsyncWriting[Any]:
    """The block around a change of the source of one value, of the class with this name."""
    return AsyncWriting(job_of_value(name, t, ttl), t.connection, settle=settle)
