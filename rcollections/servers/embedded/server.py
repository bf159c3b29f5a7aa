"""``embedded://``: one Valkey server shared by all processes that use a directory; no person has to look after it.

The first process starts the server, the last process stops it. Three lock files in the directory decide everything.
``server.lock`` (exclusive) is held while a process connects, starts or stops. ``users.lock`` (shared) is held by
every process that uses the server. ``alive.lock`` (exclusive) is held by the server process itself: while it is
locked, no second server may run on these files. The kernel frees the locks of a process that dies, so nothing has
to be cleaned up and no pid is trusted.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import weakref
from multiprocessing import util

from ...errors import CacheConnectionError, CacheError
from ...forks import around_fork, at_fork, at_worker
from .file_locks import LockFile, guard
from .process import ServerProcess, buried, make_private

__all__ = ["EmbeddedServer", "open_embedded"]

PATIENCE = 10.0  # seconds for a server to come up, or for another process to finish starting or stopping a server


class EmbeddedServer:
    """The server of one directory, as this process sees it; get it from ``open_embedded``."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.users = 0  # open handles in this process
        self._server = ServerProcess(directory)
        self._lock = LockFile(os.path.join(directory, "server.lock"))
        self._user = LockFile(os.path.join(directory, "users.lock"))
        self._joined = False
        self._mutex = threading.RLock()

    @property
    def socket(self) -> str:
        """The path of the server's socket; fixed by the first ``ensure``."""
        return self._server.socket

    def ensure(self) -> None:
        """Make sure that a server answers on ``socket``: one round trip if so, else start a server.

        Raises CacheConnectionError when the server does not come up or does not answer, ConfigError when there
        is no program to start.
        """
        try:
            if not (self._joined and self._server.state() == "ready"):
                self._connect_or_start()
        except CacheError:
            raise
        except OSError as error:  # no descriptors left, no space, no right to write
            raise CacheConnectionError(f"the server in {self.directory}: {error}") from error

    def _connect_or_start(self) -> None:
        with self._mutex:
            if not self.users:
                raise CacheConnectionError(f"the server in {self.directory} was closed in this process")
            self._server.reap()
            until = time.monotonic() + PATIENCE
            self._join(until)
            if not self._lock.lock(until):
                raise CacheConnectionError(
                    f"another process has been starting or stopping the server in {self.directory}"
                    f" for {PATIENCE:.0f} s: is one of them frozen?"
                )
            try:
                self._server.place_socket()
                self._server.connect_or_start(until)
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
                _closing.add(_servers.pop(self.directory))
        with self._mutex:
            if self._joined:
                with contextlib.suppress(OSError):  # on an error the server stays, for the next user
                    self._leave()
            self._lock.close()
            if not self._server.reap() and self._server.child is not None:
                _left.append(self._server.child)  # the server serves other processes; we reap it when it has ended
                self._server.child = None

    # -- users -----------------------------------------------------------------------------------------

    def _join(self, until: float) -> None:
        if self._user.lost:  # the directory was removed, and perhaps made again: open the lock files again
            for each in (self._user, self._lock):
                each.close()
            self._joined = False
        if not self._joined:
            make_private(self.directory)
            # A process that stops the server holds this lock exclusively; we wait, and start the server again.
            if not self._user.lock(until, shared=True):
                raise CacheConnectionError(f"another process does not finish stopping {self.directory}")
            self._joined = True

    def _leave(self) -> None:
        if self._user.lost:
            # No process can find that server any more. It is our unreaped child, so its pid is not reused.
            if not self._server.reap() and self._server.child is not None:
                os.kill(self._server.child, signal.SIGTERM)
                self._server.wait_for_child()
            self._user.close()
            self._joined = False
            return
        locked = self._lock.lock(time.monotonic() + PATIENCE)
        self._user.close()
        self._joined = False
        try:
            # A process that is frozen while it holds the lock keeps us out: then the server stays for the next user.
            if locked and self._user.try_lock():
                self._server.stop()
        finally:
            self._user.unlock()
            self._user.close()
            self._lock.unlock()

    def after_fork(self) -> None:
        """In a child: become a user of its own, and leave the parent's server process and locks to the parent."""
        self._mutex = threading.RLock()
        self._server.child = None
        self._lock.renew()
        if self.users:
            self._user.renew(shared=True)
        else:  # the parent was just about to leave
            self._user.close()
            self._joined = False


# -- this process ----------------------------------------------------------------------------------------------

_servers: dict[str, EmbeddedServer] = {}
_closing: weakref.WeakSet[EmbeddedServer] = weakref.WeakSet()  # servers being closed: a fork has to know them as well
_left: list[int] = []  # pids of servers that this process started, and does not use any more
_exit_known = False


def open_embedded(path: str) -> EmbeddedServer:
    """The server of this directory, one object per process; ``close`` it as often as it was opened."""
    directory = os.path.realpath(path)
    make_private(directory)
    with guard:
        _left[:] = [pid for pid in _left if not buried(pid)]
        server = _servers.get(directory)
        if server is None:
            _at_exit()
            server = _servers[directory] = EmbeddedServer(directory)
        server.users += 1
        return server


def _at_exit() -> None:
    global _exit_known
    if _exit_known:
        return
    _exit_known = True
    # Children of multiprocessing never run atexit, but they run this. In the parent a negative priority runs after
    # the parent has waited for its children, so that the parent is the last user.
    util.Finalize(None, _close_all, exitpriority=-1)


def _close_all() -> None:
    for server in list(_servers.values()):
        server.users = 1
        server.close()


def _after_fork_in_child() -> None:
    _left.clear()
    for server in [*_servers.values(), *_closing]:
        server.after_fork()
    _exit_anew()


def _exit_anew(_: object = None) -> None:
    global _exit_known
    _exit_known = False  # the parent's finalizer does not run here
    if _servers:
        _at_exit()


around_fork(guard.acquire, guard.release)
at_fork(_after_fork_in_child)
at_worker(EmbeddedServer, _exit_anew)
