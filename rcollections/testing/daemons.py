"""``Daemon``: a server program in a directory of its own, that a test starts, freezes, kills and starts again."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import weakref
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .kinds import required_binary
from .launching import answers, launch, stop_child

__all__ = ["END_SECONDS", "START_SECONDS", "Daemon"]

START_SECONDS = 15.0
END_SECONDS = 5.0

_running: weakref.WeakSet[Daemon] = weakref.WeakSet()


class Daemon(ABC):
    """What all servers of tests have in common. Whoever derives says what is started, and where it listens."""

    kind: str
    password: str | None

    def __init__(self, kind: str, password: str | None) -> None:
        self._binary = required_binary(kind)
        self.kind = kind
        self.password = password
        self.directory = tempfile.mkdtemp(prefix="rcs-")
        self._log = Path(self.directory, "log")
        self._owner = os.getpid()
        self._clients: list[redis.Redis] = []
        self._process: subprocess.Popen[bytes] | None = None
        _running.add(self)

    @property
    @abstractmethod
    def address(self) -> str | tuple[str, int]:
        """The address of the server, for ``socket.connect``."""

    @property
    def direct(self) -> str | tuple[str, int]:
        """Where the process itself listens, when clients find it elsewhere."""
        return self.address

    @abstractmethod
    def _command(self) -> list[str]:
        """The program and its arguments."""

    @property
    def pid(self) -> int:
        """The number of the server's process; RuntimeError if the server is down."""
        if self._process is None:
            raise RuntimeError(f"{self!r} has no process: start() it first")
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the server's process runs; a frozen process counts as running."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """The text of the server's log so far."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def client(self, **options: object) -> redis.Redis:
        """A bare redis-py client that repeats nothing; closed with the server. ``options`` are redis-py's."""
        address = self.direct
        where: dict[str, Any] = (
            {"unix_socket_path": address} if isinstance(address, str) else {"host": address[0], "port": address[1]}
        )
        retry = Retry(NoBackoff(), 0)
        settings: dict[str, Any] = {"password": self.password, "protocol": 2, "retry": retry, **where, **options}
        client = redis.Redis(**settings)
        self._clients.append(client)
        return client

    # -- life ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the process and wait until the server answers; does nothing while it runs."""
        if not self.alive:
            self.launch()
            self.wait()

    def launch(self) -> None:
        """Start the process and wait for nothing: several servers come up side by side."""
        self._process = launch(self._command(), self._log)

    def wait(self, seconds: float = START_SECONDS) -> None:
        """Wait until the server answers; RuntimeError, with its log, if it does not."""
        if not self._comes_up(time.monotonic() + seconds):
            raise RuntimeError(f"the {self.kind} server did not start:\n{self.log[-2000:]}")

    def stop(self) -> None:
        """End the server in good order (at worst with SIGKILL) and remove its directory. May be called twice."""
        if self._owner != os.getpid():
            return  # a forked child ends while the test goes on in its parent
        self._end(signal.SIGTERM)
        for client in self._clients:
            with contextlib.suppress(Exception):
                client.close()
        self._clients.clear()
        shutil.rmtree(self.directory, ignore_errors=True)
        _running.discard(self)

    def kill(self) -> None:
        """``kill -9``, and wait until the process is gone; the directory stays for ``start`` and ``restart``."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start again, at the same addresses. The data goes, unless ``config`` persists it."""
        self._end(signal.SIGTERM)
        self.start()

    def freeze(self) -> None:
        """SIGSTOP: the kernel still accepts connections, no answer comes. Returns once the process has stopped."""
        stop_child(self.pid)

    def thaw(self) -> None:
        """SIGCONT: the server goes on, with the commands that clients have sent meanwhile."""
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self.alive else "down"
        return f"<{type(self).__name__} {self.kind} {self.address!r} {state}>"

    # -- inside ----------------------------------------------------------------------------------------

    def _comes_up(self, end: float) -> bool:
        while self.alive and time.monotonic() < end:
            if answers(self.direct):
                return True
            time.sleep(0.002)
        return False

    def _end(self, with_signal: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            if with_signal is not signal.SIGKILL:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._process.pid, signal.SIGCONT)  # a frozen process would never get SIGTERM
            self._process.send_signal(with_signal)
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None


@atexit.register
def _stop_all() -> None:
    for daemon in list(_running):
        daemon.stop()
