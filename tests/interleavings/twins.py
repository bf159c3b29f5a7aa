"""The compiled tier and its twin in Python side by side: whatever the one answers, the other has to answer."""

from __future__ import annotations

from typing import Any, NamedTuple

from rcollections.l1 import tier as pure
from tests.interleavings.promises import Broken

__all__ = ["Tokens", "twins"]


class Tokens(NamedTuple):
    """One token of each."""

    pure: Any
    compiled: Any


class Twins:
    """Does everything twice."""

    def __init__(self, compiled: Any, *args: Any, **options: Any) -> None:
        self.pure = pure.Tier(*args, **options)
        self.compiled = compiled(*args, **options)

    def _both(self, name: str, *args: Any) -> Any:
        one, other = (getattr(tier, name)(*args) for tier in (self.pure, self.compiled))
        return self._same(name, one, other)

    def _same(self, name: str, one: Any, other: Any) -> Any:
        if one != other:
            raise Broken(f"{name}: {one} in Python, {other} compiled")
        states = [(tier.live, tier.serves, tier.age, tier.counts) for tier in (self.pure, self.compiled)]
        if states[0] != states[1]:
            raise Broken(f"after {name}: {states[0]} in Python, {states[1]} compiled")
        self.compiled._check()
        return one

    def token(self, key: str, watched: Any = ()) -> Any:
        tokens = Tokens(self.pure.token(key, watched), self.compiled.token(key, watched))
        self._same("token", tokens.pure is None, tokens.compiled is None)
        return None if tokens.pure is None else tokens

    def keep(self, token: Tokens, *args: Any) -> Any:
        return self._same("keep", self.pure.keep(token.pure, *args), self.compiled.keep(token.compiled, *args))

    def __getattr__(self, name: str) -> Any:
        def both(*args: Any) -> Any:
            return self._both(name, *args)

        return both


def twins(compiled: Any) -> Any:
    """What makes a pair with this compiled tier."""

    def make(*args: Any, **options: Any) -> Twins:
        return Twins(compiled, *args, **options)

    return make
