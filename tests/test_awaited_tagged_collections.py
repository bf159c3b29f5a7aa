"""The tests of tagged collections, through the async faces."""

from tests.awaited import through_async  # noqa: F401
from tests.test_tagged_collections import *  # noqa: F403

# It looks at the way of threads to the server.
del test_untagged_collections_pay_nothing  # noqa: F821
