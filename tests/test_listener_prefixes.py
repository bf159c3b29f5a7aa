"""At most 16 prefixes, whatever is wanted: the server compares every write of anybody with each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import example, given
from hypothesis import strategies as st

from rcollections import KeyCache, cached, connection, l1_info
from rcollections.coherence.prefixes import MOST, Wish, fewest, prefix_free
from rcollections.plans.naming import beside, heard, tags
from rcollections.testing import Server, isolated, wait_until

if TYPE_CHECKING:
    import pytest

words = st.text("abrc:.{", min_size=1, max_size=6)
# A program without a namespace may listen to anything of the others: the two are not mixed here.
wishes = [st.tuples(st.sampled_from(spaces), words, st.booleans()) for spaces in ([""], ["app", "a", "other"])]
lists = [st.lists(each, max_size=20) | st.lists(each, min_size=20, max_size=80) for each in wishes]


@given(st.one_of(lists))
@example([("app", f"{a}{b}", True) for a in "abcdefgh" for b in "abcdefgh"])
@example([("app", word, False) for word in (*"bcdefghijklo", "near.a", "near.b", "near.ka", "near.kb", "near.z")])
def test_they_are_few_and_cover_nothing_that_changes_all_the_time(wanted: list[tuple[str, str, bool]]) -> None:
    """No two begin alike, none is short, none covers leases, guards of others, or staging keys."""
    every: dict[str, Wish] = {}
    for namespace, word, guards in wanted:
        if not word.startswith("rc:"):
            behind = len(namespace) + bool(namespace)
            every |= dict.fromkeys((*heard(namespace, word, guards=guards), tags(namespace)), Wish(behind))
    found = fewest(every)
    assert len(found) <= MOST
    assert prefix_free(found) == found
    if len(prefix_free(every)) <= MOST:
        assert found == prefix_free(every)
    for each in found:
        assert len(each) >= 2 or each in every
        for namespace, _, _ in wanted:
            for kind in "lsk":
                assert not beside(namespace, kind).startswith(each)


def test_common_beginnings_become_one() -> None:
    """Those with the longest one first; functions and tags are always kept."""
    wanted = dict.fromkeys([f"shop.{letter}{letter}" for letter in "abcdefghijklmnop"], Wish(5))
    wanted |= dict.fromkeys(["shop.user.one", "shop.user.two", "shop.fn:", "shop.rc:t:"], Wish(5))
    found = fewest(wanted)
    assert {"shop.user.", "shop.fn:", "shop.rc:t:", "shop.aa"} <= set(found)
    assert "shop.pp" not in found, "the latest is left out"
    wanted["shop.aa"] = Wish(5, used=False)
    assert "shop.aa" not in fewest(wanted), "before that what nobody reads"


def test_many_classes_ask_for_sixteen(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """What finds no place is not held, told once, and said by ``l1_info()``."""
    with isolated(server.dsn):
        classes = [
            type(f"C{n}", (KeyCache,), {"prefix": f"{chr(97 + n)}{n}prefix", "l1": True}) for n in range(MOST + 4)
        ]
        for cls in classes:
            cls("x").set(1)
            assert cls("x").data == 1

        def served() -> int:
            before = l1_info().hits
            assert [cls("x").data for cls in classes] == [1] * len(classes)
            return l1_info().hits - before

        # Functions and tags, which other tests of this process may have made, come first.
        wait_until(lambda: MOST - 3 <= served() <= MOST, what="all that have a place are held")
        assert "prefixes found no place" in l1_info().why
        assert len([each for each in caplog.records if "16 beginnings" in each.message]) == 1
        with server.client() as bare:
            bare.set("a0prefix.x", "2")
            wait_until(lambda: classes[0]("x").data == 2, what="a change shows")


def test_functions_whose_keys_have_nothing_in_common(server: Server) -> None:
    """The first two characters of each key are listened to, and never all keys."""
    for namespace in ("", "shop"):
        calls: list[str] = []
        with isolated(f"{server.dsn}?namespace={namespace}" if namespace else server.dsn):

            @cached(key=lambda what: f"{what}:1", ttl=60, l1=True)
            def f(what: str, calls: list[str] = calls) -> str:
                calls.append(what)
                return what

            def held(what: str, f: Any = f) -> bool:
                before = l1_info().hits
                assert f(what) == what
                return l1_info().hits > before

            for what in ("tea", "milk"):
                wait_until(lambda what=what: held(what), what=f"{what} is held")  # type: ignore[misc]
            heard_of = connection().tiering.listener
            assert heard_of is not None
            own = "shop." if namespace else ""
            assert {f"{own}te", f"{own}mi"} <= set(heard_of.prefixes)
            with server.client() as bare:
                bare.set(f"{own}tea:1", "coffee")
            wait_until(lambda: f("tea") == "coffee", what="the change shows")
            assert calls == ["tea", "milk"]


def test_thousands_of_functions_and_closures_add_none(server: Server) -> None:
    """3,000 functions, and closures that are decorated as if per request, cost other writes no more than one does."""

    def tracked(bare: Any) -> int:
        return int(bare.info("stats")["tracking_total_prefixes"])

    with isolated(server.dsn), server.client() as bare:

        def made(n: int) -> Any:
            def f(x: int) -> int:
                return x + n

            f.__qualname__ = f"part{n}"
            return cached(key=None, l1=True)(f)

        functions = [made(n) for n in range(3000)]
        for f in functions[:50]:
            f(1)
        wait_until(lambda: l1_info().state == "live", what="it listens")
        before = tracked(bare)
        assert 0 < before <= MOST
        for n in range(100):
            assert cached(lambda x, n=n: x * n)(2) == 2 * n
        assert tracked(bare) == before
