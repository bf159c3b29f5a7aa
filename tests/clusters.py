"""Tests of any store that do not hold on clusters, each with the reason: the run on a cluster skips them by name."""

from __future__ import annotations

__all__ = ["NOT_ON_CLUSTERS"]

_ORDER = "it uses a key in one pipeline that the same pipeline changes in another slot, which a cluster refuses"
_TRIPS = "its keys lie in several slots, so operands are fetched first: one round trip more"

NOT_ON_CLUSTERS = {
    "test_setcache.py::test_operations_take_one_round_trip": _TRIPS,
    "test_setcache.py::test_pipelines_keep_calls": _ORDER,
    "test_sortedsetcache.py::test_operations_take_one_round_trip": _TRIPS,
    "test_countercache.py::test_pipeline": _ORDER,
    "test_signed.py::test_without_a_key_copies_stay_on_the_server": _TRIPS,
    "test_lone.py::test_a_hit_needs_no_plan": "entry and tags are read by one MGET a slot there",
    "test_connection.py::test_multi_is_all_or_nothing": "MULTI is all or nothing for each slot there",
    "test_commands.py::test_the_empty_reply_is_that_of_an_empty_server": "a cursor of SCAN names its node there",
    "test_stampede.py::test_a_waiter_is_woken_by_whatever_ends_the_wait": "it looks into the wake-ups of one server",
}
