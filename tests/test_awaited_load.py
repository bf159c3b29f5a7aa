"""The tests of loading collections, through the async faces."""

from tests.awaited import through_async  # noqa: F401
from tests.test_load import *  # noqa: F403
from tests.test_load import _clean  # noqa: F401

# A load that blocks stops its loop, so nobody can join it there.
del test_errors_reach_all_that_wait_and_free_the_lease  # noqa: F821
