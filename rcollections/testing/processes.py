"""Another Python process that does what a test tells it: ``process("f(1)")`` gives the value of an expression.

    with Process("from rcollections import cached ...", server.dsn) as other:
        assert other("f(1)") == 1

Values come as JSON. Whatever the process prints on stderr makes ``end`` fail, warnings too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["Process"]

ROOT = Path(__file__).parents[2]

LOOP = """
import json as _json, sys as _sys
for _line in iter(_sys.stdin.readline, ""):
    try:
        _answer = [True, eval(_json.loads(_line))]
    except Exception as _error:
        _answer = [False, f"{type(_error).__name__}: {_error}"]
    print(_json.dumps(_answer), flush=True)
"""


class Process:
    """It runs ``program`` first, with ``dsn`` configured; ``dsn`` and the other arguments are in ``sys.argv``."""

    def __init__(self, program: str, dsn: str, *args: str, quiet: bool = True) -> None:
        head = "import sys, rcollections\nrcollections.configure(sys.argv[1])\n"
        self._quiet = quiet
        self._process = subprocess.Popen(
            [sys.executable, "-c", head + program + LOOP, dsn, *args],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.pid = self._process.pid

    def __call__(self, expression: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(expression) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the process ended: {self._process.communicate()[1]}"
        good, answer = json.loads(line)
        assert good, answer
        return answer

    def end(self) -> None:
        """Let it come to its end, which is quick, and quiet."""
        _, errors = self._process.communicate(timeout=20)
        assert self._process.returncode == 0, errors
        assert not self._quiet or not errors, errors

    def __enter__(self) -> Process:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and self._process.poll() is None:
            self.end()
        elif self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
