"""``async with d.edit(field) as v:`` gives a copy to change in place and writes it back, or raises.

Made from ``handles/edit.py`` by ``python -m tests.faces``: change that file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from ...plans.collections.mutating import changed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ...plans.collections.reader import Token
    from ...plans.op import Op
    from .running import AsyncRunning

__all__ = ["AsyncEdit"]

V = TypeVar("V")


class AsyncEdit(Generic[V]):
    """Reads on entry, compares and writes on exit: optimistic, no lock is held in between."""

    def __init__(
        self,
        handle: AsyncRunning,
        read: Op[tuple[V, Token]],
        write: Callable[[V, Token], Op[bool]],
        dumps: Callable[[V], bytes],
        where: str,
    ) -> None:
        if handle.on_error != "raise":  # what is read here decides what is written
            handle = handle._like(handle._own_key)
            handle.on_error = "raise"
        self._handle = handle
        self._read = read
        self._write = write
        self._dumps = dumps
        self._where = where
        self._seen: tuple[V, Token] | None = None

    async def __aenter__(self) -> V:
        value, token = await self._handle._run(self._read)
        self._seen = value, token
        return value

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seen, self._seen = self._seen, None
        if kind is not None or seen is None:
            return
        if self._dumps(seen[0]) == seen[1].value:
            return
        if not await self._handle._run(self._write(*seen)):
            raise changed(self._where, "edit()")
