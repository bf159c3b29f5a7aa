"""The tests of ``KeyCache``, through ``AsyncKeyCache``."""

from tests.awaited import through_async  # noqa: F401
from tests.test_keycache import *  # noqa: F403
