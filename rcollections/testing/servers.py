"""Real servers for tests: each server is a process of its own in a directory of its own.

Two servers share nothing, so tests may run side by side. Servers die with the test process, even when the test
process is killed.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from .daemons import START_SECONDS, Daemon
from .kinds import version
from .launching import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Server"]


class Server(Daemon):
    """A started Valkey or Redis, empty and ready, that the test alone uses; it ends with the ``with`` block.

    ``kind`` is one of ``available_kinds()``. The server listens on a unix socket always, with ``tcp=True`` on a
    free port of 127.0.0.1 too. ``config`` are its settings (``{"maxmemory": "10mb"}``), ``args`` go to its command
    line as they are. Nothing is persisted unless ``config`` says so.

    ValueError: there is no such kind. RuntimeError: this machine has no such server (the message says how to install
    one), or the server did not start within 15 seconds (with its log). Starting takes some 10 milliseconds.

    >>> from rcollections import DictCache
    >>> from rcollections.testing import Server, available_kinds, isolated
    >>> for kind in available_kinds():
    ...     with Server(kind) as server, isolated(server.dsn):
    ...         assert DictCache("cart", data={"apples": 2}).to_dict() == {"apples": 2}
    """

    def __init__(
        self,
        kind: str = "valkey",
        *args: str,
        tcp: bool = False,
        password: str | None = None,
        config: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(kind, password)
        self.socket = os.path.join(self.directory, "s")
        self.port: int | None = None
        self._tcp = tcp
        self._settings: dict[str, object] = {
            "unixsocket": self.socket,
            "dir": self.directory,
            "logfile": self._log,
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            # Before 7.0 DEBUG was always allowed, and a server ends when it does not know a setting.
            **({"enable-debug-command": "yes"} if version(self._binary) >= (7, 0) else {}),
            **({"requirepass": password} if password else {}),
            **(config or {}),
        }
        self._args = args
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    # -- addresses -------------------------------------------------------------------------------------

    @property
    def dsn(self) -> str:
        """For ``configure()``: the port if ``tcp=True``, else the socket; with the password."""
        login = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{login}127.0.0.1:{self.port}/0" if self._tcp else f"unix://{login}{self.socket}"

    @property
    def address(self) -> str | tuple[str, int]:
        """The address of the server, for ``socket.connect``."""
        return ("127.0.0.1", self.port) if self._tcp and self.port else self.socket

    def start(self) -> None:
        """Start the process and wait until the server answers; does nothing while it runs."""
        if self.alive:
            return
        end = time.monotonic() + START_SECONDS
        while True:
            if self._tcp and self.port is None:
                self.port = free_port()
            self.launch()
            if self._comes_up(end):
                return
            if not (self._tcp and "already in use" in self.log.lower() and time.monotonic() < end):
                raise RuntimeError(f"the {self.kind} server did not start:\n{self.log[-2000:]}")
            # Another process took the port between our look and the server's bind: try the next port.
            self.port = None
            self._log.unlink()

    def _command(self) -> list[str]:
        command = [self._binary]
        for name, value in {"port": self.port or 0, "bind": "127.0.0.1", **self._settings}.items():
            command += [f"--{name}", str(value)]
        return [*command, *self._args]
