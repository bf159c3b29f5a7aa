"""The bad network: a proxy between client and server that freezes, drips, refuses, and cuts on demand."""

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
    """Stands before ``server``: clients connect to ``dsn``, and their network has the faults that the test chooses.

    The proxy listens like the server; with ``tcp=True`` on a port, with ``tcp=False`` on a unix socket. Each method
    returns once its change is in force, RuntimeError after ``stop()``. The proxy counts requests and replies by their
    frames, so that a cut falls exactly between "the server has executed it" and "the client knows". Faults for
    ``which="listeners"`` are for connections that have subscribed to a channel (of L1 and of waiting callers). Faults
    for ``"data"`` are for all other connections.

    >>> from rcollections import CacheConnectionError, KeyCache
    >>> from rcollections.testing import Proxy, Server, available_kinds, isolated
    >>> for kind in available_kinds():
    ...     with Server(kind) as server, Proxy(server) as proxy, isolated(proxy.dsn):
    ...         proxy.cut_after_request(1, "SET")
    ...         try:
    ...             done = KeyCache("colour").set("red")
    ...         except CacheConnectionError:
    ...             assert KeyCache("colour").get() == "red"    # stored, though the client was not told
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
        """The address of the proxy, for ``socket.connect``."""
        return self._network.address

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._network.links)

    @property
    def commands(self) -> list[str]:
        """The names of the commands that came through, in order, with the commands of connecting."""
        return self._network.faults.commands

    @property
    def cuts(self) -> int:
        """How many cuts ``cut_after_request`` and ``cut_next_reply`` have made."""
        return self._network.faults.cuts

    # -- faults ----------------------------------------------------------------------------------------

    def cut_after_request(self, n: int = 1, command: str | None = None) -> None:
        """The server executes the n-th request from now on (of that command); the proxy cuts before the reply.

        ``command`` is the name on the wire: redis-py's ``incr`` sends INCRBY. A command inside MULTI is executed
        by the EXEC, and the proxy cuts before the reply to that.
        """
        if n < 1:
            raise ValueError(f"n counts requests from 1 on, not {n!r}")
        self._network.do(lambda: self._network.faults.choose(n, command.upper() if command else None))

    def cut_next_reply(self, keep: int = 0) -> None:
        """The next reply, to any client, ends after ``keep`` bytes, and its connection too."""
        self._network.do(lambda: setattr(self._network.faults, "cut_reply", keep))

    def cut(self, which: Which = "all") -> None:
        """Cut these connections now; new connections work."""
        self._network.do(lambda: self._network.cut(which))

    def freeze(self, direction: Direction = "both", which: Which = "all") -> None:
        """Accept connections and bytes, forward nothing until ``heal``; then all bytes arrive, late.

        "listeners" and "data" mean the connections that are there now; new connections work.
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
        """Read nothing from the server on these connections until ``heal``: the server's buffers for them fill."""
        self._network.do(lambda: setattr(self._network.faults, "unread", which))

    def drip(self, bytes_per_second: float) -> None:
        """Replies trickle at this rate."""
        if not bytes_per_second > 0:
            raise ValueError(f"replies drip at more than 0 bytes per second, not {bytes_per_second!r}: see freeze()")
        self._network.do(lambda: setattr(self._network.faults, "rate", bytes_per_second))

    def refuse(self, *, keep_links: bool = False) -> None:
        """Refuse new connections, and cut the present connections (or keep them)."""

        def job() -> None:
            self._network.deafen()
            if not keep_links:
                self._network.cut()

        self._network.do(job)

    def heal(self) -> None:
        """End all faults; the address stays the same."""

        def job() -> None:
            self._network.faults.heal()
            for link in self._network.links:
                link.frozen = False, False
            self._network.listen()

        self._network.do(job)

    def retarget(self, server: Server, which: Which = "all") -> None:
        """New connections go to another server (a failover); the present connections of ``which`` are cut."""

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
