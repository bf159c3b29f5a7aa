"""The tests of ``since`` and ``fill``, through the async faces."""

from tests.awaited import through_async  # noqa: F401
from tests.test_since import *  # noqa: F403
