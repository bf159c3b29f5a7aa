"""The bad network: a proxy between client and server that freezes, drips, refuses, and cuts where told."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING
from urllib.parse import quote

from .network import Network

if TYPE_CHECKING:
    from .faults import Direction, Which
    from .network import Address
    from .servers import Server

__all__ = ["Proxy"]


class Proxy:
    """Stands before ``server``: clients connect to ``dsn``, and their network does what it is told.

    It listens like the server does; ``tcp=True`` on a port, ``tcp=False`` on a unix socket. Each method returns once
    its change is in force, RuntimeError after ``stop()``. Requests and replies are counted by their frames, so that
    a cut falls exactly between "the server has executed it" and "the client knows". Faults for ``which="listeners"``
    are for connections that have subscribed to something (those of L1 and of waiters), for ``"data"`` the others.

    >>> from rcollections import CacheConnectionError, KeyCache
    >>> from rcollections.testing import Proxy, Server, available_kinds, isolated
    >>> for kind in available_kinds():
    ...     with Server(kind) as server, Proxy(server) as proxy, isolated(proxy.dsn):
    ...         proxy.cut_after_request(1, "SET")
    ...         try:
    ...             done = KeyCache("colour").set("red")
    ...         except CacheConnectionError:
    ...             assert KeyCache("colour").get() == "red"    # stored, though nobody was told
    """

    def __init__(self, server: Server, *, tcp: bool | None = None) -> None:
        target = server.address
        self._password = server.password
        self._directory = tempfile.mkdtemp(prefix="rcp-")
        self.tcp = isinstance(target, tuple) if tcp is None else tcp
        own: Address = ("127.0.0.1", 0) if self.tcp else os.path.join(self._directory, "s")
        self._network = Network(own, target)

    @property
    def dsn(self) -> str:
        """For ``configure()``: the server, seen through this proxy; with the server's password."""
        login = f":{quote(self._password, safe='')}@" if self._password else ""
        address = self.address
        return f"unix://{login}{address}" if isinstance(address, str) else f"redis://{login}{address[0]}:{address[1]}/0"

    @property
    def address(self) -> Address:
        """What ``socket.connect`` takes."""
        return self._network.address

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._network.links)

    @property
    def commands(self) -> list[str]:
        """The names of the commands that came through, in order, those that connecting takes included."""
        return self._network.faults.commands

    @property
    def cuts(self) -> int:
        """How many cuts ``cut_after_request`` and ``cut_next_reply`` have made."""
        return self._network.faults.cuts

    # -- faults ----------------------------------------------------------------------------------------

    def cut_after_request(self, n: int = 1, command: str | None = None) -> None:
        """The n-th request from now on (of that command) is executed, its connection cut before the reply.

        Names are those on the wire: redis-py's ``incr`` sends INCRBY.
        """
        if n < 1:
            raise ValueError(f"n counts requests from 1 on, not {n!r}")
        self._network.do(lambda: self._network.faults.choose(n, command.upper() if command else None))

    def cut_next_reply(self, keep: int = 0) -> None:
        """Whatever a server says next, to any client, ends after ``keep`` bytes, with the connection."""
        self._network.do(lambda: setattr(self._network.faults, "cut_reply", keep))

    def cut(self, which: Which = "all") -> None:
        """Cut these connections now; new ones are welcome."""
        self._network.do(lambda: self._network.cut(which))

    def freeze(self, direction: Direction = "both", which: Which = "all") -> None:
        """Accept connections and bytes, forward nothing until ``heal``; then all of it arrives, late.

        Of "listeners" and of "data" those that are there now; new connections work.
        """
        frozen = direction != "replies", direction != "requests"

        def job() -> None:
            if which == "all":
                self._network.faults.frozen = frozen
            for link in self._network.links:
                if link.is_one_of(which):
                    link.frozen = frozen

        self._network.do(job)

    def stop_reading(self, which: Which = "all") -> None:
        """Take no more from the server on these connections until ``heal``: its buffers for them fill."""
        self._network.do(lambda: setattr(self._network.faults, "unread", which))

    def drip(self, bytes_per_second: float) -> None:
        """Replies trickle at this rate."""
        if not bytes_per_second > 0:
            raise ValueError(f"replies drip at more than 0 bytes per second, not {bytes_per_second!r}: see freeze()")
        self._network.do(lambda: setattr(self._network.faults, "rate", bytes_per_second))

    def refuse(self, *, keep_links: bool = False) -> None:
        """New connections are refused, the present ones cut (or kept)."""

        def job() -> None:
            self._network.deafen()
            if not keep_links:
                self._network.cut()

        self._network.do(job)

    def heal(self) -> None:
        """All faults end; at the same address as before."""

        def job() -> None:
            self._network.faults.heal()
            for link in self._network.links:
                link.frozen = False, False
            self._network.listen()

        self._network.do(job)

    def retarget(self, server: Server, which: Which = "all") -> None:
        """New connections go to another server (a failover); these of the present ones are cut."""

        def job() -> None:
            self._network.target = server.address
            self._network.cut(which)

        self._network.do(job)

    def stop(self) -> None:
        """Cut all connections and refuse new ones for good. May be called twice."""
        self._network.end()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
