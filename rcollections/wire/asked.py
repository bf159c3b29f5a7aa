"""The questions before reads whose replies may be held: the server's run_id, once a link, and the key's ttl (F2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .failures import ErrorReply
from .packing import pack
from .run_id import UNKNOWN, run_id

if TYPE_CHECKING:
    from ..plans.effects import Arg

__all__ = ["WHO", "Asked", "named"]

WHO = pack(("INFO", "server"))


def named(link: Any, reply: object) -> None:
    """Note which server a link leads to, by the reply to ``WHO``."""
    if not isinstance(reply, ErrorReply):
        link.server = run_id(reply)
    elif str(reply).startswith("NOPERM"):
        link.server = UNKNOWN  # after another error (busy, loading) the next trip asks again


class Asked:
    """The questions of one trip and their answers: the ``ms`` that the key had left, and which ``server`` answered."""

    __slots__ = ("_key", "ms", "server")

    def __init__(self, key: str) -> None:
        self._key = key
        self.ms: int | None = None
        self.server = b""

    def questions(self, link: Any) -> list[tuple[Arg, ...]]:
        """The commands that go ahead of the steps on this link."""
        ttl: tuple[Arg, ...] = ("PTTL", self._key)
        return [ttl] if link.server is not None else [("INFO", "server"), ttl]

    def answers(self, link: Any, replies: list[Any]) -> list[Any]:
        """The replies of the steps, which follow the replies to the questions."""
        if link.server is None:
            first, *replies = replies
            named(link, first)
        self.server = link.server or UNKNOWN
        self.ms = None if isinstance(replies[0], Exception) else replies[0]
        return replies[1:]
