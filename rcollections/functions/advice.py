"""What a user is told once, where a function is decorated: a warning, or an error under ``CACHES_STRICT=1``."""

from __future__ import annotations

import os
import sys
import warnings

from ..errors import ConfigError

__all__ = ["advise"]

_PACKAGE = __name__.partition(".")[0]


def advise(text: str) -> None:
    """Warn at the line of the user's code that is running; ``CACHES_STRICT=1`` makes it a ConfigError."""
    if os.environ.get("CACHES_STRICT", "") == "1":
        raise ConfigError(f"{text} (CACHES_STRICT=1 makes this an error)")
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == _PACKAGE:
        level, frame = level + 1, frame.f_back
    warnings.warn(text, UserWarning, stacklevel=level)
