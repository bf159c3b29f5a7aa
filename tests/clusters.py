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
}
