"""``@cached``: what carries which tags, and what an invalidation does to a computation."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from rcollections import ConfigError, cached, invalidate_tags
from tests.counting import Counting


def test_tags_of_the_arguments(store: Any) -> None:
    """``tags`` may be a function of the arguments; repeats and their order do not matter."""
    count = Counting()

    @cached(tags=lambda user, _extra=(): [f"user:{user}", "all", "all"])
    def f(user: int, _extra: Any = ()) -> int:
        return count(user)

    assert [f(1), f(2), f(1), f(2)] == [1, 2, 1, 2]
    invalidate_tags("user:1")
    assert [f(1), f(2)] == [3, 2]
    invalidate_tags("all", "user:2")
    assert [f(1), f(2)] == [4, 5]
    for wrong in ("text", [5], [""]):

        @cached(tags=lambda wrong=wrong: wrong)
        def g() -> int:
            return 1

        with pytest.raises((ConfigError, TypeError), match="tags"):
            g()


def test_the_order_of_tags_does_not_matter(store: Any) -> None:
    """Two processes may list a set of tags in another order; the entry is a hit all the same."""
    order = ["b", "a", "c"]

    @cached(tags=lambda: order)
    def f() -> int:
        return 1

    f()
    order.reverse()
    assert f.peek() == 1


def test_a_lost_tag_is_a_miss(store: Any) -> None:
    """A tag that was evicted never matches: the value is computed again."""
    count = Counting()

    @cached(tags=("t",))
    def f() -> int:
        return count()

    assert f() == 1
    store.raw("DEL", "rc:t:t")
    assert f() == 2
    assert f() == 2


def test_invalidating_tags(store: Any) -> None:
    """No tags is nothing to do; a wrong one is refused by name."""
    invalidate_tags()
    for wrong in ("", 5):
        with pytest.raises((ConfigError, TypeError), match="tags"):
            invalidate_tags(wrong)  # type: ignore[arg-type]


def _refresh_elsewhere(f: Any) -> None:
    thread = threading.Thread(target=f.refresh)
    thread.start()
    thread.join()


def _write(f: Any) -> None:
    with f.writing() as w:
        w.put(7)


CHANGES = {
    "tag": (lambda _: invalidate_tags("t"), 2),
    "invalidate": (lambda f: f.invalidate(), 2),
    "put": (lambda f: f.put(_cache_put=7), 7),
    "refresh": (_refresh_elsewhere, 2),
    "writing": (_write, 7),
    "expire": (lambda f: f.expire(), 2),
    "clear": (lambda f: f.clear(), 2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_invalidation_during_a_computation(store: Any, change: str) -> None:
    """Whatever is invalidated while it is computed is not kept; who computes still gets the value."""
    count = Counting()
    act, after = CHANGES[change]

    @cached(tags=("t",))
    def f() -> int:
        mine = count()
        if len(count.calls) == 1:
            act(f)
        return mine

    assert f() == 1
    assert f() == after
    assert f.cache_info().refused == (change != "tag")
