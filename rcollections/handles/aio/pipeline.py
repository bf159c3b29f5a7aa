"""``async with d.pipeline() as p:`` collects operations and sends them in one MULTI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import CacheError
from ...observe import events
from ...plans.admission import admission
from ...plans.multi import together
from ...servers.drivers.aio import adrive
from ..pipeline import WATCHED, Collected
from .running import TASKS

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["AsyncPipeline"]

C = TypeVar("C", covariant=True)


class AsyncPipeline(Collected[C]):
    """The block of ``pipeline()``: its ``async with`` gives the handle whose calls are kept, and not awaited."""

    def bind(self, handle: Any) -> Any:
        """A handle like this one whose operations this pipeline keeps. Keeping waits for nothing, as on threads."""
        new: Any = super().bind(getattr(handle, "sync", handle))
        new.__dict__["_world"] = TASKS
        return new

    async def __aenter__(self) -> C:
        return self.begin()  # type: ignore[no-any-return]

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.end(kind):
            return
        if not events.observers:
            await self._send()
        else:
            with events.watching(WATCHED, "send", self.key):
                await self._send()
            self.report()

    async def _send(self) -> None:
        ops = [op for _, op, _ in self.kept]
        connection = self._connection
        try:
            if connection.breaker.is_open:
                await adrive(admission(connection.breaker), connection)
            outcomes, failed = await adrive(together(ops), connection)
        except CacheError as error:
            outcomes, failed = await adrive(self.emptied(ops, error), connection)
        self.settle(outcomes, failed)
