"""What the user of a connection may do: a lease, a value, a tag and a subscription are tried, and removed again."""

from __future__ import annotations

import re
from secrets import token_hex
from time import monotonic
from typing import TYPE_CHECKING

from ..errors import CacheError
from ..plans.effects import Command, Script
from ..plans.naming import beside, channel, guard, lease, namespaced, staging, tag
from ..wire.failures import ErrorReply
from ..wire.links.connecting import connector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..plans.effects import Step
    from ..servers.connection import Connection

__all__ = ["missing_rights"]

LIFE_MS = 5000  # what cannot be removed again ends by itself


def missing_rights(connection: Connection) -> list[str]:
    """What is refused, each with the pattern or command that the ACL of this user lacks; [] if all is allowed."""
    space = connection.namespace
    key = namespaced(space, f"rcollections.doctor.{token_hex(4)}")
    found: list[str] = []
    for what, name, step in _tries(space, key):
        try:
            connection.one(step)
        except CacheError as error:
            told = _missing(error, name, space)
            if told is None:  # no question of rights: other lines of the report tell of it
                return found
            found.append(f"{what} is refused: {told}")
    refused = None if connection.dsn.kind == "memory" else _subscribed(connection, channel(space, key))
    if refused is not None:
        found.append(f"a subscription is refused: the ACL lacks &{beside(space, 'w')}*")
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


def _missing(error: CacheError, name: str, space: str) -> str | None:
    """What the ACL lacks, of an error of the server that says so."""
    text = str(error.__cause__ or error)
    if "NOPERM" not in text and "permissions" not in text:
        return None
    pattern = f"{space}.*" if space else f"{re.split(r'[{.]', name)[0]}*"
    if "channel" in text:
        return f"the ACL lacks &{pattern}"
    if "key" in text:
        return f"the ACL lacks ~{pattern}"
    command = re.search(r"'([^']+)' command|run the (\S+)", text)
    return f"the ACL lacks +{(command[1] or command[2]).strip(chr(39)) if command else 'a command'}"


def _subscribed(connection: Connection, name: str) -> str | None:
    """Subscribe on a link of its own, which is closed again; gives what the server refused, or None."""
    link = connector(connection.dsn)(monotonic() + connection.dsn.connect_timeout)
    try:
        link.send(("SUBSCRIBE", name), connection.dsn.timeout)
        replies = link.hear(connection.dsn.timeout)
        return next((str(reply) for reply in replies if isinstance(reply, ErrorReply)), None)
    finally:
        link.close()
