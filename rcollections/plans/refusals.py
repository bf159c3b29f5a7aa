"""What the server meant by an error, where a plan goes on differently: is it full, was it the caller's mistake?"""

from __future__ import annotations

from ..errors import CacheError, DecodeError, EncodeError, WrongTypeError

__all__ = ["is_cut_off", "is_forbidden", "is_full", "is_mistake"]


def is_full(error: CacheError) -> bool:
    """Whether the server has no memory left for a write. Removing is still allowed then."""
    text = str(error.__cause__)
    return "OOM " in text or "maxmemory" in text


def is_forbidden(error: BaseException) -> bool:
    """Whether the login of this connection may not do that."""
    text = str(error.__cause__)
    return "NOPERM" in text or "o permissions" in text or "has no permissions" in text


def is_cut_off(error: CacheError) -> bool:
    """Whether the server takes no writes because it has too few replicas: it may have been cut off from them."""
    return str(error.__cause__).startswith(("NOREPLICAS", "-NOREPLICAS")) or " -NOREPLICAS" in str(error.__cause__)


def is_mistake(error: BaseException) -> bool:
    """Whether the caller asked for what cannot be: the same step would fail again, whenever it is sent."""
    return isinstance(error, (WrongTypeError, EncodeError, DecodeError)) or is_forbidden(error)
