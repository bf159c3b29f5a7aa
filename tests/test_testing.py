"""``rcollections.testing``: a server of its own for each test, and everything reset."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rcollections import KeyCache, configure, connections, observe, testing
from rcollections.observe import events
from rcollections.testing import Process, isolated

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("turn", [1, 2])
def test_fresh_is_empty_each_time(fresh: Any, turn: int) -> None:
    """What one test stores, observes or configures, the next does not see."""
    assert list(connections()) == [""]
    assert KeyCache("k").get() is None
    assert events.observers == ()
    KeyCache("k").set(turn)
    observe.collect()
    configure("memory://more#more")
    assert fresh.raw("GET", "k") == str(turn).encode()


def test_isolated_ignores_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test never reaches the server that CACHES_DSN names; afterwards it counts again."""
    monkeypatch.setenv("CACHES_DSN", "memory://production")
    KeyCache("k").set("production")
    monkeypatch.setenv("CACHES_DSN_1", "memory://more#more")
    with isolated():
        assert list(connections()) == [""]
        assert KeyCache("k").get() is None
    assert sorted(connections()) == ["", "more"]
    with isolated():
        pass


def test_the_fixture_in_a_users_project(pytester: pytest.Pytester) -> None:
    """One import in a conftest is all that it takes."""
    pytester.makeconftest("from rcollections.testing import fresh")
    pytester.makepyfile(
        """
        import pytest
        from rcollections import DictCache

        @pytest.mark.parametrize("turn", [1, 2])
        def test_cart(fresh, turn):
            cart = DictCache("cart")
            assert len(cart) == 0
            cart["apples"] = turn
        """
    )
    pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider").assert_outcomes(passed=2)


# -- only what is used is imported -----------------------------------------------------------------


def python(code: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **variables}
    return subprocess.run([sys.executable, "-c", code], env=environment, cwd=cwd, capture_output=True, text=True)


def test_the_fixture_brings_pytest_and_nothing_else(tmp_path: Path) -> None:
    """Importing it takes no more than the package itself takes: a test run pays for what its tests use."""
    code = (
        "import sys, pytest, rcollections\n"
        "before = set(sys.modules)\n"
        "from rcollections.testing import fresh\n"
        "brought = {each.split('.')[0] for each in set(sys.modules) - before} - {'rcollections'}\n"
        "servers = {each for each in sys.modules if each.startswith('rcollections.testing.')}\n"
        "sys.exit(f'{brought} {servers}' if brought or len(servers) != 2 else 0)\n"
    )
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr


def test_without_pytest_all_but_the_fixture_is_there(tmp_path: Path) -> None:
    """``fresh`` says what it needs, and what to use instead."""
    code = (
        "import sys\n"
        "sys.modules['pytest'] = None\n"
        "from rcollections.testing import Process, Proxy, Server, available_kinds, isolated, wait_until\n"
        "from rcollections.testing import fresh\n"
    )
    assert "pip install pytest, or use isolated()" in python(code, tmp_path).stderr


def test_the_names_are_those_that_it_says() -> None:
    """Each can be had, ``dir()`` shows them before they are asked for, and others are an AttributeError."""
    assert set(testing.__all__) <= set(dir(testing))
    for name in testing.__all__:
        assert getattr(testing, name).__name__ == name or name == "fresh"
    with pytest.raises(AttributeError, match="no attribute 'server'"):
        testing.server  # noqa: B018 - asking for it is what is tested


# -- another process -------------------------------------------------------------------------------


def test_a_process_answers() -> None:
    """With the values of expressions, whatever it prints meanwhile; it has the DSN and the arguments."""
    program = "import sys\nsum_of = lambda *n: print('adding') or sum(n)\n"
    with Process(program, "memory://", "more", quiet=False) as process:
        assert process("sum_of(1, 2)") == 3
        assert process("sys.argv[1:]") == ["memory://", "more"]
        assert process("rcollections.connection().raw('ECHO', 'a').decode()") == "a"


def test_what_a_process_raises_is_told() -> None:
    """The exception's name and text; the process goes on."""
    with Process("", "memory://") as process:
        with pytest.raises(RuntimeError, match="raised ZeroDivisionError: division by zero"):
            process("1 / 0")
        with pytest.raises(RuntimeError, match="raised TypeError: .*not JSON serializable"):
            process("object()")
        assert process("1") == 1


def test_a_process_that_does_not_answer_or_has_ended() -> None:
    """An error within the timeout, and one that says what the process said."""
    with Process("import time, os", "memory://", timeout=5) as process:
        assert process("0") == 0
        with pytest.raises(RuntimeError, match="no answer to 'time.sleep.60.' in 5 s"), process:
            process("time.sleep(60)")
    with Process("import os", "memory://") as process, pytest.raises(RuntimeError, match="(?s)ended at .*so be it"):
        process("(sys.stderr.write('so be it'), sys.stderr.flush(), os.kill(os.getpid(), 9))")


def test_a_process_ends_quietly_or_that_is_an_error() -> None:
    """A warning on stderr, a status that is not 0: both fail the test at the end of the block."""
    with pytest.raises(RuntimeError, match="status 0: oh"), Process("", "memory://") as process:
        process("sys.stderr.write('oh')")
    program = "import atexit, os\natexit.register(os._exit, 3)"
    with pytest.raises(RuntimeError, match="status 3"), Process(program, "memory://") as process:
        process("1")
