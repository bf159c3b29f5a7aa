"""Counting from several processes at once loses nothing, on each real server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rcollections import CounterCache
from rcollections.testing import wait_until

PROCESSES, TIMES = 4, 200

# All wait at the gate until the last one has come, so that they do count at the same time.
PROGRAM = """
import sys
from rcollections import CounterCache, KeyCache, configure
configure(sys.argv[1])
gate, c = KeyCache("gate"), CounterCache("c")
gate.increment()
while gate.data < int(sys.argv[2]):
    pass
for n in range(int(sys.argv[3])):
    exec(sys.argv[4])
"""

WORK = {
    "+=": "c['all'] += 1; c[n % 7] += 2; c['all'] -= 0",
    "update": "c.update(['all', n % 7, n % 7])",
    "increment": "c.increment('all'); c.increment(n % 7, 2)",
    "in place": "c += {'all': 1, n % 7: 2}",
}


@pytest.mark.parametrize("name", WORK)
def test_nothing_is_lost(server: Any, name: str) -> None:
    """Four processes, each step is there in the end."""
    root = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", PROGRAM, server.dsn, str(PROCESSES), str(TIMES), WORK[name]]
    running = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    try:
        for process in running:
            wait_until(lambda process=process: process.poll() is not None, 60, "the counting to end")
            assert process.stderr is not None
            assert process.returncode == 0, process.stderr.read()
    finally:
        for process in running:
            process.kill()
            process.communicate()
    each = dict.fromkeys(range(7), 0)
    for n in range(TIMES):
        each[n % 7] += 2 * PROCESSES
    assert CounterCache("c").to_dict() == {"all": TIMES * PROCESSES, **each}
