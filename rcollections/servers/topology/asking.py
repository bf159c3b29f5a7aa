"""Asks one node of a cluster for the map, over a connection of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ...errors import CacheConnectionError, CacheError
from ...wire.failures import ErrorReply
from ...wire.packing import pack
from ...wire.slotmap import read_info, read_slots, read_timeout
from ...wire.translate import translate
from ...wire.views import View

if TYPE_CHECKING:
    from ...wire.dsn.dsn import Dsn
    from ...wire.slotmap import Address

__all__ = ["NODES", "NODE_TIMEOUT", "ask", "exchange"]

NODE_TIMEOUT = 15.0  # seconds; the default of cluster-node-timeout, where nobody tells it
NODES = pack(("CLUSTER", "NODES"))
QUESTIONS = pack(("CLUSTER", "INFO")) + pack(("CLUSTER", "SLOTS"))
TIMEOUT = pack(("CONFIG", "GET", "cluster-node-timeout"))


def ask(dsn: Dsn, place: Address, *, with_timeout: bool) -> tuple[View, float]:
    """What one node tells, and its node timeout; 0.0 if that was not asked for. One that nobody tells is 15 s."""
    asked = QUESTIONS + TIMEOUT if with_timeout else QUESTIONS
    info, slots, *settings = exchange(dsn, place, asked, 2 + with_timeout, 2)
    timeout = read_timeout(settings[0]) or NODE_TIMEOUT if settings else 0.0
    try:
        return View(read_slots(slots, place), *read_info(info), place), timeout
    except ValueError as error:
        shown = dsn.replace(kind="server", host=place[0], port=place[1]).shown
        raise CacheConnectionError(f"{shown} gave no slots: is it a node of a cluster?") from error


def exchange(dsn: Dsn, place: Address, questions: bytes, count: int, needed: int = 1) -> list[object]:
    """The replies of one node, of which the first so many have to be no errors."""
    from ...wire.links.connecting import connector

    dsn = dsn.replace(kind="server", host=place[0], port=place[1])
    link: Any = None
    try:
        until = time.monotonic() + dsn.connect_timeout
        link = connector(dsn)(until)
        replies: list[object] = link.exchange(questions, count, time.monotonic() + dsn.timeout, dsn.timeout)
    except CacheError:
        raise
    except Exception as error:
        raise translate(error, dsn.shown, "") from error
    finally:
        if link is not None:
            link.close()
    for reply in replies[:needed]:
        if isinstance(reply, ErrorReply):
            raise _refused(reply, dsn.shown)
    return replies


def _refused(reply: ErrorReply, shown: str) -> CacheError:
    text = str(reply)
    if "cluster support disabled" in text:
        error: CacheError = CacheConnectionError(f"{shown} is a single server, no node of a cluster: use redis://")
    elif text.startswith("NOPERM"):
        error = CacheConnectionError(f"the user of {shown} may not do CLUSTER INFO and CLUSTER SLOTS: extend its ACL")
    else:
        return translate(reply, shown, "")
    error.__cause__ = reply
    return error
