"""Another Python process that a test commands: ``process("f(1)")`` gives the value of an expression."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from typing import IO, Any, cast

from .launching import stop_child

__all__ = ["Process"]

END_SECONDS = 20.0

# The output of the program goes to stderr: stdout is for the answers.
HEAD = """
import sys
_answers, sys.stdout = sys.stdout, sys.stderr
import rcollections
rcollections.configure(sys.argv[1])
"""

LOOP = """
import json as _json
for _line in iter(sys.stdin.readline, ""):
    try:
        _answer = _json.dumps([True, eval(_json.loads(_line))])
    except Exception as _error:
        _answer = _json.dumps([False, f"{type(_error).__name__}: {_error}"])
    print(_answer, file=_answers, flush=True)
"""


class Process:
    """A Python process with ``dsn`` configured; it runs ``program``, then answers expressions until the end.

    ``process("f(1)")`` gives the value, which comes as JSON. RuntimeError: the expression raised, with the
    exception's text; the process has ended, with its output; or no answer came within ``timeout`` seconds. The
    process has the ``sys.path`` of this process. Its ``sys.argv`` has ``dsn`` and ``args``.

    Leaving the ``with`` block calls ``end()``; after an exception the process is killed. Any output on stderr,
    warnings too, makes ``end()`` raise RuntimeError, unless ``quiet=False``.

    >>> from rcollections import KeyCache
    >>> from rcollections.testing import Process, Server, available_kinds, isolated
    >>> for kind in available_kinds():
    ...     with Server(kind) as server, isolated(server.dsn):
    ...         with Process("from rcollections import KeyCache", server.dsn) as other:
    ...             assert other("KeyCache('colour').set('red')") is True
    ...         assert KeyCache("colour").get() == "red"
    """

    def __init__(self, program: str, dsn: str, *args: str, quiet: bool = True, timeout: float = 60.0) -> None:
        self._quiet = quiet
        self._timeout = timeout
        path = os.pathsep.join(each or os.getcwd() for each in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-c", HEAD + program + LOOP, dsn, *args],
            env={**os.environ, "PYTHONPATH": path}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._questions, self._answers = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        self.pid = self._process.pid

    def __call__(self, expression: str) -> Any:
        line = ""
        with contextlib.suppress(BrokenPipeError):
            self._questions.write(json.dumps(expression) + "\n")
            self._questions.flush()
            self._wait(expression)
            line = self._answers.readline()
        if not line:
            raise RuntimeError(f"the process ended at {expression!r}: {self._process.communicate()[1]}")
        good, answer = json.loads(line)
        if not good:
            raise RuntimeError(f"{expression!r} raised {answer}")
        return answer

    def freeze(self) -> None:
        """SIGSTOP; returns once the process has stopped."""
        stop_child(self.pid)

    def thaw(self) -> None:
        """SIGCONT: the process goes on."""
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        """Let the process end. RuntimeError if it fails or writes to stderr; it may take 20 seconds at most."""
        _, errors = self._process.communicate(timeout=END_SECONDS)
        if self._process.returncode or (self._quiet and errors):
            raise RuntimeError(f"the process ended with status {self._process.returncode}: {errors}")

    def __enter__(self) -> Process:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        running = self._process.poll() is None
        if kind is None and (running or self._process.returncode > 0):  # below 0: the test has killed it
            self.end()
            return
        if running:
            self._process.kill()
        self._process.communicate()

    def _wait(self, expression: str) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            if not selector.select(self._timeout):
                raise RuntimeError(f"the process gave no answer to {expression!r} in {self._timeout} s")
