"""Starts a server program that ends with this process, and looks whether the server answers."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["answers", "free_port", "launch", "stop_child"]

# The kernel kills the server when its parent ends (PR_SET_PDEATHSIG is 1). Not with ``preexec_fn``, which warns
# in a process with threads from Python 3.12 on: warnings may be errors.
_DIE_WITH_PARENT = "import ctypes, os, sys as s; ctypes.CDLL(None).prctl(1, 9); os.execv(s.argv[1], s.argv[1:])"


def launch(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start this program in a session of its own: a Ctrl-C is for the tests alone. Its output goes to ``log``."""
    # The kernel's "parent" is the thread that forked. A server would die with a thread that ends before the test,
    # so only the main thread asks for this.
    if sys.platform == "linux" and threading.current_thread() is threading.main_thread():
        setpriv = shutil.which("setpriv")
        plain = [sys.executable, "-ISc", _DIE_WITH_PARENT]
        command = [*([setpriv, "--pdeathsig", "KILL"] if setpriv else plain), *command]
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )


def answers(address: str | tuple[str, int]) -> bool:
    """Whether a server answers a PING there. NOAUTH is an answer, LOADING is none: the data is not there yet."""
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(address)
            probe.sendall(b"PING\r\n")
            reply = probe.recv(256)
        except OSError:
            return False
    return bool(reply) and not reply.startswith(b"-LOADING")


def stop_child(pid: int) -> None:
    """SIGSTOP to a child process; returns once it has stopped: until then its threads may still answer."""
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)


def free_port() -> int:
    """A port that is free at this moment. Another process may take the port before the server does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
