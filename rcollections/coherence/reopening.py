"""Another connection in the place of the post's: when it broke, and from time to time, as an address may move (Q7)."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from ..wire.packing import pack
from ..wire.run_id import run_id
from .places import Moved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..wire.dsn.dsn import Dsn
    from .places import Place

__all__ = ["ANEW", "Reopening"]

ANEW = 30.0  # seconds after which another connection takes the place of this one
AGAIN = 1.0  # seconds between two attempts to open one


class Reopening:
    """The part of a post that opens its connections. Not a post of its own."""

    def __init__(self, dsn: Dsn, places: Mapping[Place, int]) -> None:
        self._dsn = dsn
        self._places = dict(places)
        self._server = b""
        self._link: Any = None
        self._opening: threading.Thread | None = None
        self._opened: Any = None  # what the opening thread has found: a link and its run_id, or an error
        self._due = 0.0

    def _connect(self) -> tuple[Any, bytes]:
        from ..wire.links.opening import connector  # only now: this module imports redis-py

        db = min(each.db for each in self._places) if self._places else self._dsn.db
        link = connector(self._dsn.replace(protocol=2, db=db))(time.monotonic() + self._dsn.connect_timeout)
        try:
            end = time.monotonic() + self._dsn.timeout
            return link, run_id(link.exchange(pack(("INFO", "server")), 1, end, self._dsn.timeout)[0])
        except BaseException:
            link.close()
            raise

    def _check(self, found: bytes) -> None:
        if found != self._server:
            raise Moved("the address leads to another server by now")

    def broken(self) -> None:
        """The connection is lost: open another one."""
        link, self._link = self._link, None
        with contextlib.suppress(Exception):
            link.close()
        self._due = 0.0
        self._anew()

    def _anew(self) -> None:
        if self._opening is None:
            self._due = time.monotonic() + AGAIN
            self._opening = threading.Thread(target=self._open_anew, name="rcollections-post", daemon=True)
            try:
                self._opening.start()
            except RuntimeError:  # at the end of the interpreter
                self._opening = None

    def _open_anew(self) -> None:
        try:
            self._opened = self._connect()
        except Exception as error:  # told to the ear's thread, which tries again
            self._opened = error

    @property
    def fds(self) -> list[int]:
        """What has to be watched for replies."""
        return [] if self._link is None else [self._link.sock.fileno()]

    @property
    def hurried(self) -> bool:
        """Whether a connection is being opened that the proof waits for."""
        return self._link is None
