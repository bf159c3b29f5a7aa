"""The options of a DSN: their names, how each is read from text or a Python value, and what is refused.

No message repeats a value: without percent-encoding, any piece of a password may land here.
"""

from __future__ import annotations

import difflib
import math
import re
from typing import TYPE_CHECKING, Any

from ...errors import ConfigError
from .credentials import read_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["ALIASES", "OPTIONS", "once", "read_options", "whole_number"]

ALIASES = {"socket_timeout": "timeout"}

# Passwords leak from query strings and from printed mappings: so they have one place, the login.
_SECRETS = frozenset({"password", "passwd", "pass", "pw", "requirepass", "auth", "user", "username", "ssl_password"})

_SWITCH = {
    "on": True,
    "true": True,
    "yes": True,
    "1": True,
    "off": False,
    "false": False,
    "no": False,
    "0": False,
}
_SIZE = re.compile(r"([0-9]{1,18})(kb|mb|gb|b)?", re.ASCII)
_UNITS = {None: 1, "b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}
_INTEGER = re.compile(r"[0-9]{1,18}", re.ASCII)


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("must be a number of seconds above 0")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError("must be a number of seconds above 0")
    return number


def whole_number(value: object, least: int, most: int | None = None) -> int:
    """An int in that range, given as an int or as ASCII digits; ValueError says which range."""
    number = int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value
    if isinstance(number, bool) or not isinstance(number, int) or number < least or (most and number > most):
        raise ValueError(f"must be a whole number from {least}" + (f" to {most}" if most else " up"))
    return number


def _count(value: object) -> int:
    return whole_number(value, 1)


def _size(value: object) -> int:
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.lower())):
        value = int(match[1]) * _UNITS[match[2]]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("must be a number of bytes above 0, like 512kb, 64mb, 1gb")
    return value


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    switch = _SWITCH.get(value.lower()) if isinstance(value, str) else None
    if switch is None:
        raise ValueError("must be on or off")
    return switch


def _protocol(value: object) -> int:
    if isinstance(value, bool) or value not in (2, 3, "2", "3"):
        raise ValueError("must be 2 or 3")
    return 2 if value in (2, "2") else 3


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("must be text without control characters")
    return value


def _secret(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _namespace(value: object) -> str:
    # Braces would move every key of the namespace into one slot of a cluster, or break a prefix's hash tag.
    text = _text(value)
    if "{" in text or "}" in text:
        raise ValueError("must have no braces")
    if "\\" in text or text.startswith("rc:"):
        raise ValueError("must have no backslash, and not begin with 'rc:'")
    return text


def _client_name(value: object) -> str:
    if not isinstance(value, str) or not all("!" <= char <= "~" for char in value):
        raise ValueError("must be printable ASCII without spaces: the server takes no other name")
    return value


def _one_of(*words: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return value

    return read


OPTIONS: Mapping[str, Callable[[object], object]] = {
    "timeout": _seconds,
    "connect_timeout": _seconds,
    "max_connections": _count,
    "namespace": _namespace,
    "l1": _switch,
    "l1_entries": _count,
    "l1_bytes": _size,
    "staleness": _seconds,
    "max_value": _size,
    "compress_above": _size,
    "protocol": _protocol,
    "client_name": _client_name,
    "credentials": read_credentials,
    "durable": lambda value: whole_number(value, 0),
    "read_from": _one_of("primary", "replica"),
    "reads_when_down": _switch,
    "sentinel_user": _text,
    "sentinel_password": _secret,
    "strict_slots": _switch,
    "ssl_cert_reqs": _one_of("required", "optional", "none"),
    "ssl_check_hostname": _switch,
    "ssl_ca_certs": _text,
    "ssl_ca_path": _text,
    "ssl_certfile": _text,
    "ssl_keyfile": _text,
    "ssl_min_version": _one_of("TLSv1.2", "TLSv1.3"),
}


def read_options(given: Mapping[str, object]) -> dict[str, Any]:
    """Checked values under their main names; ConfigError names the first option that is wrong."""
    options: dict[str, object] = {}
    for written, value in once(given.items()).items():
        read = OPTIONS.get(written)
        if read is None:
            raise ConfigError(_unknown(written))
        try:
            options[written] = read(value)
        except ValueError as error:
            # `from None`: the cause's text may quote the value.
            raise ConfigError(f"the option {written} {error}") from None
    return options


def once(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    """The pairs as a mapping with aliases resolved; ConfigError when an option is there twice."""
    options: dict[str, object] = {}
    for written, value in pairs:
        name = ALIASES.get(written, written)
        if name in options:
            aliases = [alias for alias, main in ALIASES.items() if main == name]
            also = f" (also spelled {', '.join(aliases)})" if aliases else ""
            known = name in OPTIONS or name == "db"
            raise ConfigError(f"the option {name}{also} is given twice" if known else _unknown(name))
        options[name] = value
    return options


def _unknown(name: object) -> str:
    if not isinstance(name, str):
        return f"options are named by strings, not by {type(name).__name__}"
    if name.lower() in _SECRETS:
        return f"{name.lower()} is no option: the login stands before the host, //user:password@host"
    known = [*OPTIONS, *ALIASES]
    near = difflib.get_close_matches(name.lower(), known, 1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    shown = name if len(name) <= 40 else name[:40] + "…"
    return f"unknown option {shown!r}{hint}: the options are {', '.join(known)}"
