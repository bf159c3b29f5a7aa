"""``rcollections.testing``: a server of its own for each test, and everything reset."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections import KeyCache, configure, connections, observe
from rcollections.observe import events
from rcollections.testing import isolated

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
