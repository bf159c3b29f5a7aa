"""What a link gives in the place of replies."""

from __future__ import annotations

from typing import Final

__all__ = ["GONE", "INCOMPLETE"]

INCOMPLETE: Final = object()  # they have not all come yet, or one is an error
GONE: Final = object()  # the link is not idle, its server closed it: nothing was sent
