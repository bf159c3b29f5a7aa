"""The tests of ``SortedSetCache``, through ``AsyncSortedSetCache``."""

from tests.awaited import through_async  # noqa: F401
from tests.test_sortedsetcache import *  # noqa: F403

# These step into the way of threads to the server.
del test_a_failure_leaves_no_staging_key  # noqa: F821
