"""The pieces of a DSN, each read from its text or refused; no message repeats the text.

``dsn.py`` splits the text into pieces; the functions here percent-decode and check a piece.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import unquote

from ...errors import ConfigError
from .options import whole_number

__all__ = ["decoded", "read_host", "read_login", "read_memory_name", "read_number", "read_pairs", "read_path"]


def decoded(text: str) -> str:
    try:
        text = unquote(text, errors="strict")
        text.encode()  # an environment that is not UTF-8 arrives as lone surrogates
        return text
    except UnicodeError:
        raise ConfigError("a part of the DSN is not UTF-8") from None


def read_login(text: str) -> tuple[str, str]:
    user, colon, password = text.partition(":")
    if not colon:
        return "", decoded(user)  # //password@host, as hosting companies hand it out
    if not (user := decoded(user)).isprintable():
        raise ConfigError("the user name has control characters")
    return user, decoded(password)


def read_pairs(query: str) -> list[tuple[str, str]]:
    pairs = []
    for part in filter(None, query.split("&")):
        name, equals, value = part.partition("=")
        if not equals:
            raise ConfigError("an option has no value: options are written ?option=value&option=value")
        pairs.append((decoded(name), decoded(value)))
    return pairs


def read_path(authority: str, path: str, scheme: str) -> str:
    path = decoded(path)
    if authority or not path.startswith("/") or not path.rstrip("/"):
        raise ConfigError(f"{scheme}:// takes an absolute path after the login: {scheme}:///path (three slashes)")
    if not path.isprintable():
        raise ConfigError(f"the path of {scheme}:// has control characters")
    return path


def read_memory_name(text: str) -> dict[str, object]:
    name = decoded(text)
    if not name.isprintable() or ":" in text:
        raise ConfigError("memory:// takes at most a name and a db: memory://name/0")
    return {"host": name}


def read_host(text: str, port_of: int = 6379) -> dict[str, object]:
    match = re.fullmatch(r"(?:\[([^]\[]*)\]|([^:\[\]]*))(?::(.*))?", text)
    if match is None:
        raise ConfigError("the host is a name or an address, [in brackets] if IPv6, and :port")
    address, host, port = match.groups()
    if address is not None:
        try:
            ipaddress.IPv6Address(host := decoded(address))
        except ValueError:
            raise ConfigError("what stands in brackets is not an IPv6 address") from None
    elif "," in host:
        raise ConfigError(
            "several hosts: nodes of a cluster are given as redis+cluster://h1:7000,h2:7001, "
            "sentinels as redis+sentinel://h1:26379,h2:26379/mymaster"
        )
    else:
        host = decoded(host)
    if not re.fullmatch(r"[^\s/?#@\[\]{}<>,]*", host) or not host.isprintable():
        raise ConfigError("the host has characters that no host has")
    # No host means this machine, as in redis-cli and redis-py.
    return {
        "host": host or "localhost",
        "port": read_number("port", port, 1, 65535) if port is not None else port_of,
    }


def read_number(name: str, value: object, least: int, most: int | None) -> int:
    try:
        return whole_number(value, least, most)
    except ValueError as error:
        hint = " (one part after the host)" if name == "db" else ""
        raise ConfigError(f"the {name}{hint} {error}") from None
