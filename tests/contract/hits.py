"""Functions that look before they call, of either kind: the smallest that ``@cached`` could make."""

from __future__ import annotations

from typing import Any

from rcollections.l1 import PLAIN
from tests.contract.tiers import hit_module, live_tier

__all__ = ["LONG", "World"]

LONG = "the long way"


class World:
    """A tier, and functions that look into it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.hit = hit_module(kind)
        self.tier, self.clock, self.wall = live_tier(kind, 10_000)
        hit = self.hit.Hit

        class Function(hit):  # type: ignore[misc,valid-type]
            """As small as it can be; what it cannot find it calls by its name."""

            _bound: tuple[Any, ...] = ()

            def __init__(self, owner: Any) -> None:
                self._owner = owner
                self.calls: list[Any] = []

            def _call(self, /, *args: Any, **kwargs: Any) -> Any:
                self.calls.append((self._bound, args, kwargs))
                return LONG

            def __get__(self, instance: Any, owner: Any) -> Any:
                if instance is None:
                    return self
                new = type(self).__new__(type(self))
                new.__dict__.update(self.__dict__)
                new._owner = self._owner
                new._bound = (instance,)
                new._set_first(instance)
                return new

        self.hit.enable(Function)
        self.cls = Function

    def function(self, mode: int = PLAIN, asynchronous: bool = False) -> Any:
        function = self.cls(self.hit.Owner(asynchronous))
        function._owner.arm(self.tier, mode)
        return function

    def hold(self, function: Any, value: Any, *args: Any, **kwargs: Any) -> bool:
        """As the long way does it: whether it could be held under its arguments."""
        owner = function._owner
        exact = owner.arguments(args, kwargs)
        return exact is not None and self.tier.keep(self.tier.token("k"), owner.number, exact, value)
