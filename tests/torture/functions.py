"""The cached functions of a worker, one for each way in which an answer can be held."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from rcollections import cached, multi_cached
from rcollections.plans import naming

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .events import Log
    from .source import Source

__all__ = ["FUNCTIONS", "NAMESPACE", "UNHELD", "Functions", "names_of"]

NAMESPACE = "t"

FUNCTIONS = ("price", "fresh", "lax", "prices")
UNHELD = frozenset({"fresh", "prices"})  # functions whose answers are never held in the process
SLOW = 0.01  # seconds that a computation takes


def tag(key: int) -> tuple[str, ...]:
    """The tag of a key, for every function."""
    return (f"key:{key}",)


def tags(keys: Iterable[int]) -> tuple[str, ...]:
    """The tags of the keys that are asked for together."""
    return tuple(f"key:{key}" for key in keys)


def names_of(name: str, key: int) -> tuple[str, str]:
    """The keys of an answer and of its tag at the server."""
    return naming.namespaced(NAMESPACE, f"torture.{name}:{key}"), naming.tag(NAMESPACE, f"key:{key}")


class Functions:
    """Functions over one source. A computation reads the source first and takes its time then: the worst case."""

    def __init__(self, source: Source, log: Log) -> None:
        def compute(name: str, key: int) -> int:
            began = time.monotonic_ns()
            version = source.read(key)
            time.sleep(SLOW)
            log("compute", began, time.monotonic_ns(), name, key)
            return version

        @cached(ttl=20, tags=tag, key="torture.price:{key}")
        def price(key: int) -> int:
            return compute("price", key)

        @cached(ttl=20, tags=tag, l1=False, key="torture.fresh:{key}")
        def fresh(key: int) -> int:
            return compute("fresh", key)

        @cached(ttl=0.5, stale_if_error=20, stale_while_revalidate=1, tags=tag, key="torture.lax:{key}")
        def lax(key: int) -> int:
            return compute("lax", key)

        @cached(ttl=20, tags=tag, key="torture.aprice:{key}")
        async def aprice(key: int) -> int:
            began = time.monotonic_ns()
            version = source.read(key)
            await asyncio.sleep(SLOW)
            log("compute", began, time.monotonic_ns(), "aprice", key)
            return version

        @multi_cached("keys", ttl=20, key=lambda key: f"torture.prices:{key}", tags=tags)
        def prices(keys: Iterable[int]) -> dict[int, int]:
            return {key: compute("prices", key) for key in keys}

        self.price, self.fresh, self.lax, self.aprice, self.prices = price, fresh, lax, aprice, prices

    def call(self, name: str, key: int) -> int:
        """The answer of one of ``FUNCTIONS``."""
        if name == "prices":
            return self.prices([key])[key]
        function: Any = getattr(self, name)
        version: int = function(key)
        return version

    async def acall(self, name: str, key: int) -> int:
        """The answer of an async function."""
        function: Any = getattr(self, name)
        version: int = await function(key)
        return version

    def invalidate(self, key: int) -> None:
        """Tell each function of ``FUNCTIONS`` by itself."""
        for each in (self.price, self.fresh, self.lax):
            each.invalidate(key)
        self.prices.invalidate([key])
