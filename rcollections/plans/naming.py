"""How key names are made: namespace, prefix and parts, joined with dots."""

from __future__ import annotations

from datetime import date
from enum import Enum
from uuid import UUID

__all__ = ["channel", "guard", "guard_prefix", "join", "lease", "namespaced", "tag"]


def join(owner: str, prefix: str, parts: tuple[object, ...]) -> str:
    """The key without its namespace. A part by which two handles could share a key by accident is refused."""
    words = [prefix, *(_part(owner, part) for part in parts)]
    key = ".".join(word for word in words if word != "")
    if not key:
        raise ValueError(f"{owner}() needs a prefix or at least one key part that is not empty")
    return key


def _part(owner: str, part: object) -> str:
    if isinstance(part, Enum):
        part = part.value
    if isinstance(part, str):
        text = str.__str__(part)
    elif isinstance(part, (bool, int, float, UUID, date)):
        text = str(part)
    else:
        raise TypeError(
            f"{owner}: a key part is str, int, float, bool, UUID, date or Enum, not {type(part).__name__}"
            + (": is an id missing?" if part is None else "")
        )
    for char in text:
        if char in "{}" or ord(char) < 32 or ord(char) == 127:
            raise ValueError(f"{owner}: the key part {text!r} holds {char!r}: no braces, no control characters")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{owner}: the key part {text!r} is not valid text (it holds a lone surrogate)") from None
    return text


def namespaced(namespace: str, key: str, prefix: str) -> str:
    """The key as the server gets it.

    ``KeyCache(other.key)`` must address the key of ``other``, so a key of a class without prefix that
    is in the namespace already stays as it is.
    """
    if not namespace or (not prefix and key.startswith(namespace + ".")):
        return key
    return f"{namespace}.{key}"


def lease(key: str) -> str:
    """The key of the lease of ``key``: in the same cluster slot, and outside every class's prefix."""
    return f"rc:l:{key}" if "{" in key else f"rc:l:{{{key}}}"


def guard(key: str) -> str:
    """The key of the guard of ``key``, in the same cluster slot: it says under which stamps the data was begun."""
    return f"rc:g:{key}" if "{" in key else f"rc:g:{{{key}}}"


def guard_prefix(prefix: str) -> str:
    """The beginning of the guards of all keys with this prefix."""
    return f"rc:g:{prefix}" if "{" in prefix else f"rc:g:{{{prefix}" if prefix else "rc:g:"


def channel(key: str) -> str:
    """The channel of the messages that ``key`` was stored or dropped, or its lease given back."""
    return f"rc:w:{key}"


def tag(namespace: str, name: str) -> str:
    """The key of a tag's stamp."""
    return f"{namespace}.rc:t:{name}" if namespace else f"rc:t:{name}"
