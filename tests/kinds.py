"""Which kinds of servers this run of the tests uses: those that ``RCOLLECTIONS_TEST_SERVERS`` names.

    RCOLLECTIONS_TEST_SERVERS="memory redis62" python -m pytest

Without it: memory, valkey and redis, as far as they are there. A kind that is named has to be there. What runs on a
store runs on these too: ``cluster`` and ``cluster_redis``, clusters of three primaries, and ``sentinel`` and
``sentinel_redis``, a primary that sentinels watch. Those without a name are of Valkey, if this machine has it.
"""

from __future__ import annotations

import os

import pytest

from rcollections.testing import available_kinds

__all__ = ["CLUSTERS", "SENTINELS", "SERVERS", "SEVERAL", "STORES", "check", "one_server"]

CLUSTERS = {"cluster": "valkey", "cluster_redis": "redis"}
SENTINELS = {"sentinel": next(iter(available_kinds()), "valkey"), "sentinel_redis": "redis"}
SEVERAL = {**SENTINELS, **CLUSTERS}  # of several servers, which a test has not for itself
KNOWN = ("memory", "valkey", "redis", "redis62", *SEVERAL)
USUAL = ("memory", "valkey", "redis")
NAMED = tuple(dict.fromkeys(os.environ.get("RCOLLECTIONS_TEST_SERVERS", "").split()))

STORES = NAMED or tuple(kind for kind in USUAL if kind in ("memory", *available_kinds()))
SERVERS = tuple(kind for kind in STORES if kind not in ("memory", *SEVERAL))  # the real ones


def check() -> None:
    """Refuse a name that is wrong, and a server that is not here: skipped tests would look like passed ones."""
    for kind in NAMED:
        if kind not in KNOWN:
            raise pytest.UsageError(f"RCOLLECTIONS_TEST_SERVERS: {kind!r} is none of {', '.join(KNOWN)}")
        if SEVERAL.get(kind, kind) not in ("memory", *available_kinds()):
            raise pytest.UsageError(f"RCOLLECTIONS_TEST_SERVERS names {kind}, and this machine has no such server")


def one_server() -> str:
    """The first real kind of this run, for tests to which the kind does not matter; skips the test without any."""
    if not SERVERS:
        pytest.skip("this run has no real server")
    return SERVERS[0]
