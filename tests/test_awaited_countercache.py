"""The tests of ``CounterCache``, through ``AsyncCounterCache``."""

from tests.awaited import through_async  # noqa: F401
from tests.test_countercache import *  # noqa: F403
