"""The tests of ``mutate``, through the async faces."""

from tests.awaited import through_async  # noqa: F401
from tests.test_mutate import *  # noqa: F403
from tests.test_mutate import _signing  # noqa: F401
