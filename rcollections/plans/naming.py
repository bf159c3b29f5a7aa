"""The names on the server: the namespace before a key, and the keys and channels beside a key.

The namespace stands first in all of them, so that one pattern of an ACL covers an application. The names that are
not the user's begin with ``rc:`` behind the namespace. A lease, guard or staging key is in the slot of its key.
"""

from __future__ import annotations

import re
from functools import lru_cache
from secrets import token_hex

from ..key import Key
from .parts import escaped

__all__ = [
    "beside",
    "channel",
    "fence",
    "guard",
    "heard",
    "lease",
    "lock",
    "namespaced",
    "slot",
    "staging",
    "tag",
    "tags",
]

LONGEST_TAG = 200  # bytes
HEAD = 32  # characters of a longer tag that stay readable

_TAG = re.compile(r"\{([^}]+)\}")


def namespaced(namespace: str, key: str) -> str:
    """The key as the server gets it; one that is complete already stays as it is."""
    return f"{namespace}.{key}" if namespace and type(key) is not Key else key


def slot(key: str) -> str:
    """What of a key chooses its slot in a cluster, by the server's rule: the first braces, if something is in them."""
    found = _TAG.search(key, key.find("{")) if "{" in key else None
    return found[1] if found is not None and found.start() == key.find("{") else key


def _inside(key: str) -> str:
    """The key so that it is in its own slot when something stands before it."""
    return key if "{" in key and slot(key) != key else f"{{{key}}}"


def beside(namespace: str, kind: str) -> str:
    """The beginning of all names of one kind: leases ``l``, guards ``g``, staging ``s``, tags ``t``, channels ``w``,
    locks ``k`` and the counters of their owners ``f``.
    """
    return f"{namespace}.rc:{kind}:" if namespace else f"rc:{kind}:"


def lease(namespace: str, key: str) -> str:
    """The key of the lease of ``key``."""
    return beside(namespace, "l") + _inside(key)


def guard(namespace: str, key: str) -> str:
    """The key of the guard of ``key``: it says under which stamps the data was begun."""
    return beside(namespace, "g") + _inside(key)


def staging(namespace: str, key: str) -> str:
    """A new key to build large content under, which is renamed to ``key`` in the end."""
    return f"{beside(namespace, 's')}{{{slot(key)}}}:{token_hex(8)}"


def lock(namespace: str, key: str) -> str:
    """The key of the lock of ``key``."""
    return beside(namespace, "k") + _inside(key)


def fence(namespace: str, key: str) -> str:
    """The key of the counter of the owners that the lock of ``key`` has had."""
    return beside(namespace, "f") + _inside(key)


def channel(namespace: str, key: str) -> str:
    """The channel of the messages that ``key`` was stored or dropped, or its lease given back."""
    return beside(namespace, "w") + key


def tags(namespace: str) -> str:
    """The beginning of the keys of all tags."""
    return beside(namespace, "t")


@lru_cache(4096)
def tag(namespace: str, name: str) -> str:
    """The key of a tag's stamp. Two tags have one key only if they are equal; long ones end in a digest."""
    text = escaped(name)
    if len(text) * 4 > LONGEST_TAG and len(text.encode()) > LONGEST_TAG:
        from hashlib import blake2b  # only for long tags

        digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        text = rf"{escaped(name[:HEAD])}\~{digest}"  # no escaped text holds this mark
    return tags(namespace) + text


def heard(namespace: str, own: str, *, guards: bool = False) -> list[str]:
    """The beginnings under which L1 hears of keys that begin with ``own`` (without the namespace), and their guards.

    None of them covers the names of leases, guards and staging keys of others: they change all the time.
    """
    if "rc:".startswith(own):  # then only the keys with parts behind the prefix
        own += "."
    found = [namespaced(namespace, own)]
    if guards:
        inside = found[0] if "{" in own else f"{{{found[0]}"
        found.append(beside(namespace, "g") + inside)
    return found
