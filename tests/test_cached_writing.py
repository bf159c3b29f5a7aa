"""``@cached``: ``writing()`` around a change of the source."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from rcollections import CacheError, CacheMissError, EncodeError, cached
from rcollections.testing import wait_until


def test_writing(store: Any) -> None:
    """The value put is there after the block; without one, or with an exception, nothing is."""
    source = [1]

    @cached
    def f() -> int:
        return source[0]

    assert f() == 1
    with f.writing() as w:
        with pytest.raises(CacheMissError):
            f.peek()
        source[0] = 2
        w.put(2)
    assert f.peek() == 2
    with pytest.raises(ZeroDivisionError), f.writing() as w:
        w.put([3, 1 // 0][0])
    with pytest.raises(CacheMissError):
        f.peek()
    with f.writing():
        source[0] = 4
    assert f() == 4
    with f.writing() as w, pytest.raises(EncodeError):
        w.put(object())  # type: ignore[arg-type]
    with pytest.raises(CacheError, match="inside the block"):
        w.put(1)
    with pytest.raises(CacheError, match="one block"), w:
        pass


def test_two_writers_at_once_leave_nothing_behind(store: Any) -> None:
    """Whose change of the source came last is unknown: the next call computes."""

    @cached
    def f() -> str:
        return "computed"

    with f.writing() as first:
        with f.writing() as second:
            second.put("second")
        first.put("first")
    assert f() == "computed"


def test_nobody_computes_while_writing(store: Any) -> None:
    """A caller during ``writing()`` waits for its end and gets what was put."""
    answers: list[Any] = []

    @cached
    def f() -> str:
        return "computed"

    with f.writing() as w:
        thread = threading.Thread(target=lambda: answers.append(f()))
        thread.start()
        wait_until(lambda: f.cache_info().waits, what="the caller waits")
        w.put("put")
    thread.join(5)
    assert answers == ["put"]
