"""An exception of a signal handler in the middle of a step of the store or the tier: no lock stays, all is sound."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.stores import KINDS, store_class
from tests.contract.tiers import tier_class
from tests.interrupting import interrupted

if TYPE_CHECKING:
    from collections.abc import Callable


def soon(call: Callable[[], object]) -> None:
    """Another thread can do this."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive(), "hangs"


@pytest.mark.parametrize("kind", KINDS)
def test_the_store(kind: str) -> None:
    store = store_class(kind)(50, ttl=60)

    def fill() -> None:
        for n in range(60):
            store.put(n, n)

    calls: dict[str, Callable[[], object]] = {
        "put": lambda: store.put(100, 1),
        "put again": lambda: store.put(5, 2),
        "delete": lambda: store.delete(20),
        "renew": lambda: store.renew(21, 100),
        "purge": store.purge,
        "clear": store.clear,
        "keys": store.keys,
    }
    for call in calls.values():
        for place in interrupted(call, fill):
            soon(lambda: store.put("other", 1))
            store._check()
            assert store.get("other") == 1, place


@pytest.mark.parametrize("kind", KINDS)
def test_the_tier(kind: str) -> None:
    """What was read before a stopped step about its key is not held after it."""
    tier: Any = tier_class(kind)(100)
    tier.begin(local=True)
    kept: list[Any] = []

    def fill() -> None:
        kept[:] = [tier.token("k")]
        tier.keep(tier.token("k"), 7, (1,), "old")

    calls: dict[str, Callable[[], object]] = {
        "wrote": lambda: tier.wrote(["k"]),
        "changed": lambda: tier.changed([b"k"]),
        "void": tier.void,
        "keep": lambda: tier.keep(tier.token("x"), 7, (2,), "value"),
    }
    for name, call in calls.items():
        for place in interrupted(call, fill):
            soon(lambda: tier.wrote(["other"]))
            tier._check()
            call()  # as those do that stop a call: once more
            if name != "keep":
                assert tier.held(7, (1,)) is None, place
                assert not tier.keep(kept[0], 7, (1,), "old"), place
