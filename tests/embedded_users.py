"""Test support: processes that use ``embedded://`` and do as they are told, and a look at who is running."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import redis

from rcollections.errors import ConfigError
from rcollections.servers.embedded.binary import find_valkey

_PROGRAM = """
import sys, redis
from redis.retry import Retry
from redis.backoff import NoBackoff
from rcollections.servers.embedded.server import open_embedded
server = open_embedded(sys.argv[1])
for line in sys.stdin:
    if line.strip() == "leave":
        break
    server.ensure()
    with redis.Redis(unix_socket_path=server.socket, retry=Retry(NoBackoff(), 0), protocol=2) as client:
        print(client.incr("n"), flush=True)
"""


def valkey_missing() -> str | None:
    """Why ``embedded://`` cannot be tested here, or None."""
    try:
        find_valkey()
    except ConfigError as error:
        return str(error)
    return None


def client_of(server) -> redis.Redis:
    return redis.Redis(unix_socket_path=server.socket, protocol=2)


def starts(path: str) -> int:
    """How many times a server came up on this directory."""
    return Path(path, "server.log").read_text("utf-8", "replace").count("Ready to accept connections")


def server_pids(path: str) -> list[int]:
    """Servers that run in this directory or below it, zombies not counted."""
    table = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,stat=,args="], capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in table.splitlines()]
    return [
        int(row[0])
        for row in rows
        if len(row) == 3 and path in row[2] and "unixsocket" in row[2] and not row[1].startswith("Z")
    ]


class User:
    """A process with the directory open; each ``incr`` makes sure of the server and counts."""

    def __init__(self, path: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**self.environ(), **(env or {})},
        )

    @staticmethod
    def environ() -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}

    def send(self, line: str) -> None:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        return self.process.stdout.readline().strip()

    def incr(self) -> int:
        self.send("incr")
        return int(self.answer())

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self._end()

    def leave(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # it may have ended by itself
            if self.process.poll() is None:
                self.send("leave")
        self._end()

    def _end(self) -> None:
        self.process.wait(15)
        for pipe in (self.process.stdin, self.process.stdout):
            if not pipe.closed:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def __enter__(self) -> User:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
