"""What the user of a connection may do: a lease, a value, a tag and a subscription are tried, and removed again."""

from __future__ import annotations

import re
from secrets import token_hex
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..errors import CacheError
from ..plans.effects import Command, Script
from ..plans.naming import channel, guard, lease, namespaced, staging, tag
from ..wire.failures import Broken, ErrorReply, NotConnected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..plans.effects import Step
    from ..servers.connection import Connection

__all__ = ["missing_rights"]

LIFE_MS = 5000  # what cannot be removed again ends by itself
_OURS = re.compile(r"rc:\w:")
_COMMAND = re.compile(r"the '?([\w|]+)'? command")


def missing_rights(connection: Connection) -> list[str]:
    """What is refused, each with the pattern or command that the ACL of this user lacks; [] if all is allowed."""
    space = connection.namespace
    key = namespaced(space, f"rcollections.doctor.{token_hex(4)}")
    found: list[str] = []
    for what, name, step in _tries(space, key):
        try:
            connection.one(step)
        except CacheError as error:
            told = _missing(str(error.__cause__ or error), name, space)
            if told is None:  # no question of rights: other lines of the report tell of it
                return found
            if told.startswith("the ACL lacks ~") and name == key and not space:
                continue  # without a namespace nobody knows the prefixes that the user may have
            found.append(f"{what} is refused: {told}")
    refused = _subscribed(connection, channel(space, key))
    if refused is not None:
        found.append(f"a subscription is refused: {refused}")
    return found


def _tries(space: str, key: str) -> Iterator[tuple[str, str, Step]]:
    own, tagged = lease(space, key), tag(space, key)
    built, told = staging(space, key), channel(space, key)
    for what, name in (
        ("a value", key), ("a lease", own), ("a tag", tagged), ("a guard", guard(space, key)), ("a staging key", built),
    ):  # fmt: skip
        yield what, name, Command(("SET", name, b"doctor", "PX", LIFE_MS))
        yield f"removing {what}", name, Command(("UNLINK", name))
    yield "a script that tells waiting callers", told, Script("lease_free", (own,), (b"doctor", told))
    yield "telling waiting callers", told, Command(("PUBLISH", told, b""))


def _missing(text: str, name: str, space: str) -> str | None:
    """What the ACL lacks, by an error of the server that says so."""
    if "NOPERM" not in text and "permissions" not in text:
        return None
    own = _OURS.match(name)
    pattern = f"{space}.*" if space else f"{own[0] if own else name}*"
    if "channel" in text:
        return f"the ACL lacks &{pattern}"
    if "key" in text:
        return f"the ACL lacks ~{pattern}"
    command = _COMMAND.search(text)
    return f"the ACL lacks +{command[1] if command else 'a command'}"


def _subscribed(connection: Connection, name: str) -> str | None:
    """Subscribe on a link of its own, which is closed again; gives what is refused, or None."""
    timeout = connection.dsn.timeout
    try:
        link: Any = connection.all_links()[-1].open(monotonic() + connection.dsn.connect_timeout)
        try:
            link.send(("SUBSCRIBE", name), timeout)
            replies = link.hear(timeout)
        finally:
            link.close()
    except (NotConnected, Broken, OSError):  # the lines about the connection tell of it
        return "the connection was lost"
    if not replies:
        return "no answer in time"
    error = next((reply for reply in replies if isinstance(reply, ErrorReply)), None)
    if error is None:
        return None
    return _missing(str(error), name, connection.namespace) or "the server does not take it"
