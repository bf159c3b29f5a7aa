"""Results that no codec carries: they are returned all the same and not cached, which is told once a function."""

from __future__ import annotations

import os

from ..observe import events

__all__ = ["Unstorable"]


class Unstorable:
    """What one function does with such results: ``how`` is "return" or "raise"."""

    def __init__(self, name: str, how: str) -> None:
        self._name = name
        self._raises = how == "raise"
        self._told = False

    @property
    def strict(self) -> bool:
        """Whether such a result is an error; always under ``CACHES_STRICT=1``."""
        return self._raises or os.environ.get("CACHES_STRICT", "") == "1"

    def tell(self, error: BaseException) -> None:
        """Log it, the first time."""
        if self._told:
            return
        self._told = True
        events.log.warning(
            "a result of %s cannot be cached, and is returned as it is: %s. Return plain data, register its class or "
            'set a serializer; unstorable="raise" makes this an error. This is told once, and counted in '
            "cache_info().unstorable",
            self._name, error,
        )  # fmt: skip
