"""``flock`` on files, held per process: a lock that the kernel frees when its holder dies, in whatever way.

The lock belongs to the open file description, which a fork shares with its child. So the child takes a
description of its own (``renew``). No descriptor is opened while a fork is under way (``guard``). Else
the child would hold, unknowingly and for ever, a lock that its parent takes a moment later.
"""

from __future__ import annotations

import os
import threading
import time

from ...errors import ConfigError

try:
    import fcntl
except ImportError as error:
    raise ConfigError("embedded:// needs Linux or macOS (for flock)") from error

__all__ = ["LockFile", "guard"]

# Held for moments only, never while waiting: ``os.fork`` waits for this lock. Re-entrant for signal handlers.
guard = threading.RLock()

_PAUSE = 0.004


class LockFile:
    """One file and this process's own description of it, opened on first use."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd: int | None = None

    def open(self) -> int:
        with guard:
            if self._fd is None:
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                self._fd = os.open(self.path, flags, 0o600)
            return self._fd

    def try_lock(self, *, shared: bool = False) -> bool:
        """Lock now or not at all."""
        try:
            fcntl.flock(self.open(), (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def lock(self, until: float, *, shared: bool = False) -> bool:
        """Lock by that instant, or give up and answer False: the holder may be frozen."""
        while not self.try_lock(shared=shared):
            if time.monotonic() > until:
                return False
            time.sleep(_PAUSE)
        return True

    def unlock(self) -> None:
        """Free the lock by LOCK_UN: closing the file would not free it while a fresh fork has a copy."""
        if self._fd is not None:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        with guard:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None

    @property
    def lost(self) -> bool:
        """Whether the path leads to another file or none: the directory was removed."""
        if self._fd is None:
            return False
        try:
            return not os.path.samestat(os.fstat(self._fd), os.stat(self.path))
        except FileNotFoundError:
            return True

    def renew(self, *, shared: bool = False) -> None:
        """In a child: exchange the inherited description for one of its own, with a shared lock if ``shared``.

        Only the parent frees the inherited lock; the child only closes its descriptor, after the exchange.
        """
        with guard:
            inherited, self._fd = self._fd, None
            if inherited is None:
                return
            try:
                if shared and not self.try_lock(shared=True):
                    raise BlockingIOError
            except OSError:
                # Better a lock in common with the parent than no lock.
                self.close()
                self._fd = inherited
            else:
                os.close(inherited)
