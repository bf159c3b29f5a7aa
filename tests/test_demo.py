"""``make demo``: it answers on every kind of server, the second pass is cached, and nothing is left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rcollections import ConfigError
from rcollections.servers.embedded.binary import find_valkey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rcollections.testing import Server

ROOT = Path(__file__).parents[1]
FILES = 20


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary directory of the demo's own (a short path: a socket will be in it)."""
    directory = Path(tempfile.mkdtemp(prefix="rcd-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def start(temporary: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    # Where we ignore SIGINT (a background job), the demo would: it inherits that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, "-W", "error", str(ROOT / "examples" / "demo.py"), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary), **environment},
        )
    finally:
        signal.signal(signal.SIGINT, before)


def has_valkey() -> bool:
    try:
        return bool(find_valkey())
    except ConfigError:
        return False


def left_behind(temporary: Path) -> list[str]:
    """Files, and processes that were given a path of this directory."""
    processes = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_text("utf-8", "replace")
        except OSError:
            continue
        if str(temporary) in command:
            processes.append(command)
    return [str(path) for path in temporary.rglob("*")] + processes


def check_answers(out: str) -> None:
    assert f"{FILES} files" in out
    for row in ("most used", "largest files", "most functions", "importers of", "first pass"):
        assert f"  {row}" in out
    assert f"{FILES} files parsed" in out
    assert f"{FILES} files and the report from the cache, 0 parsed" in out
    assert "times faster" in out


@pytest.mark.skipif(not has_valkey(), reason="there is no Valkey binary here")
def test_on_an_embedded_server(temporary: Path) -> None:
    """What ``make demo`` does where the binary can be had: server, keys and directory are gone at the end."""
    demo = start(temporary, f"--files={FILES}")
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 0, err
    assert "server: embedded://" in out
    check_answers(out)
    assert left_behind(temporary) == []


def test_without_a_binary_it_runs_in_memory(temporary: Path) -> None:
    """And says why."""
    demo = start(temporary, f"--files={FILES}", CACHES_VALKEY_SERVER="/no/such/server")
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 0, err
    assert "CACHES_VALKEY_SERVER" in out
    assert "server: memory://" in out
    check_answers(out)
    assert left_behind(temporary) == []


def test_progress_is_lines_where_there_is_no_terminal(temporary: Path) -> None:
    """On standard error, a line a quarter, no carriage returns."""
    demo = start(temporary, f"--files={FILES}", "--dsn=memory://")
    out, err = demo.communicate(timeout=60)
    assert "\r" not in out + err
    assert f"first pass   {FILES}/{FILES}" in err


def test_on_a_server_of_others(server: Server, temporary: Path) -> None:
    """Only keys of its own are there meanwhile, and none afterwards."""
    with server.client() as bare:
        bare.set("demo.words.all", "somebody's")
        demo = start(temporary, f"--files={FILES}", f"--dsn={server.dsn}")
        out, err = demo.communicate(timeout=60)
        assert demo.returncode == 0, err
        check_answers(out)
        assert bare.keys() == [b"demo.words.all"]
    assert left_behind(temporary) == []


@pytest.mark.skipif(not has_valkey(), reason="there is no Valkey binary here")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_stopped_half_way_it_leaves_nothing(temporary: Path, sent: signal.Signals) -> None:
    """Ctrl-C, and what ``kill`` sends."""
    demo = start(temporary, "--files=400")
    assert demo.stderr is not None
    line = demo.stderr.readline()
    assert "first pass" in line
    demo.send_signal(sent)
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 130, err
    assert "nothing is left behind" in out
    assert "Traceback" not in err
    assert left_behind(temporary) == []


def test_a_server_that_is_down(temporary: Path) -> None:
    """One sentence, status 1."""
    demo = start(temporary, "--dsn=redis://127.0.0.1:1/0")
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert "connection refused" in out
    assert "Traceback" not in err
    assert left_behind(temporary) == []
