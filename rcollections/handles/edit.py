"""``with d.edit(field) as v:`` gives a copy to change in place and writes it back, or raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ..plans.collections.strings import Token

__all__ = ["Edit"]


class Edit:
    """Reads on entry, compares and writes on exit: optimistic, no lock is held in between."""

    def __init__(
        self,
        load: Callable[[], tuple[Any, Token]],
        store: Callable[[Any, Token], bool],
        dumps: Callable[[Any], bytes],
        where: str,
    ) -> None:
        self._load = load
        self._store = store
        self._dumps = dumps
        self._where = where
        self._value: Any = None
        self._token: Token | None = None

    def __enter__(self) -> Any:
        self._value, self._token = self._load()
        return self._value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token, self._token = self._token, None
        if kind is not None or token is None:
            return
        if self._dumps(self._value) == token.value:
            return
        if not self._store(self._value, token):
            raise CacheError(
                f"{self._where} was changed by somebody else during edit(), so nothing was written: "
                "do it again from what is there now"
            )
