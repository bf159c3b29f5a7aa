"""The tests of ``DictCache``, through ``AsyncDictCache``."""

from tests.awaited import through_async  # noqa: F401
from tests.test_dictcache import *  # noqa: F403
