"""``INCOMPLETE``: what a link gives in the place of replies that have not all come yet."""

from __future__ import annotations

from typing import Final

__all__ = ["INCOMPLETE"]

INCOMPLETE: Final = object()
