"""How long a reply may be held, of what the server says about the key and its fields."""

from __future__ import annotations

import time

import pytest

from rcollections import DictCache
from rcollections.l1 import Tier
from rcollections.plans.collections.holding import Held
from rcollections.testing import isolated, wait_until


@pytest.mark.parametrize(
    ("ms", "fields", "wanted"),
    [
        (-1, None, 0),  # 0: no end
        (-2, None, 0),  # there is no key
        (500, None, 500),
        (0, None, None),  # less than a millisecond is left, which is not for ever
        (-1, [-1, -1], 0),
        (-1, [700, -1], 700),
        (500, [700, -1], 500),
        (500, [300, 0], None),
        (500, Exception(), None),  # it cannot be told
    ],
)
def test_how_long(ms: int, fields: object, wanted: int | None) -> None:
    held = Held("k", ("HGETALL", "k"), (), ())
    held.soonest = fields is not None
    assert held.ms(ms, [fields]) == wanted


def test_a_tier_takes_off_what_a_ttl_may_be_too_long() -> None:
    """Servers count whole milliseconds of a clock that is cut to them: up to one too many."""
    tier = Tier()
    tier.begin(local=True)
    token = tier.token("k")
    assert token is not None
    assert not tier.keep(token, 2, (1,), "a", time.monotonic_ns() + 900_000)
    assert tier.keep(token, 2, (1,), "a", time.monotonic_ns() + 900_000_000)
    assert tier.held(2, (1,)) == "a"


def test_no_reply_outlives_a_field_that_another_read_sees_gone() -> None:
    """The whole dict and one field, read at different moments, end together."""

    class Ends(DictCache[str, int]):
        prefix = "ends"
        l1 = True

    with isolated():
        for n in range(40):
            d = Ends(n)
            d.set("f", 1, ttl=0.05)
            d["g"] = 2
            d.get("f")
            spread = time.perf_counter() + 0.0003 * (n % 10)
            while time.perf_counter() < spread:  # too short a time to sleep for
                pass
            d.to_dict()
            wait_until(lambda d=d: d.get("f") is None, what="the end of the field")
            # At once on a machine of one's own; the coarse clocks stand still while a virtual CPU does.
            wait_until(lambda d=d: d.to_dict() == {"g": 2}, 0.1, what="the end of the whole that is held")
