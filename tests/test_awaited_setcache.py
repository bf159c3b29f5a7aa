"""The tests of ``SetCache``, through ``AsyncSetCache``."""

from tests.awaited import through_async  # noqa: F401
from tests.test_setcache import *  # noqa: F403

# These step into the way of threads to the server.
del test_a_failure_leaves_no_staging_key  # noqa: F821
del test_staged_members_that_expire_change_nothing  # noqa: F821
del test_steps_of_large_changes_are_few  # noqa: F821
