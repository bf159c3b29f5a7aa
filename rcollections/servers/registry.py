"""The registry of connections: from the environment on first use, or from ``configure()``.

One of the four places that hold state. Importing this opens nothing and reads no environment.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import l1
from ..errors import ConfigError
from ..wire.imports import load

if TYPE_CHECKING:
    from ..values.signing import Keyring
    from ..wire.dsn.credentials import Credentials
    from ..wire.dsn.dsn import Dsn
    from .connection import Connection

__all__ = [
    "configure",
    "connection",
    "connections",
    "generation",
    "ignore_environment",
    "keyring",
    "reset",
]

_lock = threading.RLock()
_connections: dict[str, Connection] = {}
_environment_read = False
_keyring: Keyring | None = None
_keyring_known = False

# A handle remembers its connection together with this number, which changes whenever the connection may be wrong.
generation = 0


def configure(
    dsn: str | Mapping[str, object] | None = None,
    *,
    signing_key: str | bytes | None = None,
    credentials: Credentials | None = None,
    **options: object,
) -> None:
    """Say where the server is, instead of (or before) ``CACHES_DSN``.

    ``configure("redis://host")`` sets the connection that the DSN's fragment names (none: the
    default connection); keyword options stand for those of the DSN. ``configure({"default": dsn, "sessions":
    {"dsn": …, "timeout": 0.2}})`` sets several. A connection that had the same name before is closed.
    ``signing_key`` allows signed pickles (``CACHES_SIGNING_KEY``): the first key of a comma-separated
    list signs, all keys verify.

    ``credentials`` is a function that gives the password, or (user, password). It is asked at each connect, so it may
    give another one each time, and may be called by several threads at once. Without a DSN it is for the default
    connection as it is configured by now, by the environment too.

    Raises ConfigError (a ValueError) before anything is changed. Opens no connection.

    >>> from rcollections import configure, connections
    >>> configure("memory://")
    >>> connections()
    {'': Connection('memory://')}
    """
    # What reads DSNs and opens connections is imported when there is one: `import rcollections` shall be quick.
    from ..values.signing import parse_keys
    from ..wire.dsn import dsn as dsns

    keys = None if signing_key is None else parse_keys(signing_key)
    if credentials is not None:
        options["credentials"] = credentials
    parsed: dict[str, Dsn] = {}
    if isinstance(dsn, str):
        one = dsns.parse(dsn)
        one = one.replace(**options) if options else one
        parsed[one.name] = one
    elif dsn is not None:
        if options:
            raise ConfigError(f"options go into the mapping, beside the dsn: {', '.join(sorted(options))}")
        parsed = _from_mapping(dsn)
    elif options and options.keys() != {"credentials"}:
        raise ConfigError(f"configure() got options but no DSN: {', '.join(sorted(options))}")
    elif credentials is not None:
        if not connections():
            raise ConfigError("configure(credentials=) is for a connection that has a DSN: set CACHES_DSN, or give it")
        default = connection().dsn
        parsed[default.name] = default.replace(**options)
    elif signing_key is None:
        raise ConfigError("configure() takes a DSN, a mapping of names to DSNs, or signing_key=")
    with _lock:
        if keys is not None:
            global _keyring, _keyring_known
            _keyring, _keyring_known = keys, True
        for name, each in parsed.items():
            _install(name, each)


def _from_mapping(mapping: Mapping[str, Any]) -> dict[str, Dsn]:
    from ..wire.dsn.dsn import from_mapping

    if not isinstance(mapping, Mapping):
        raise ConfigError(f"configure() takes a DSN or a mapping of names to DSNs, not {type(mapping).__name__}")
    if not mapping:
        raise ConfigError("configure() got an empty mapping: give it {'default': 'redis://…'}")
    if len(mapping) > 1 and "default" not in mapping:
        names = ", ".join(sorted(mapping))
        raise ConfigError(f"configure() with several connections needs one called 'default', not only {names}")
    parsed: dict[str, Dsn] = {}
    for alias, given in mapping.items():
        name = "" if alias == "default" else alias
        parsed[name] = from_mapping(name, {"dsn": given} if isinstance(given, str) else given)
    return parsed


def _install(name: str, dsn: Dsn) -> None:
    from .topology.opening import opened

    global generation
    old = _connections.get(name)
    if old is not None:
        if old.dsn == dsn:
            return
        old.close()
    _connections[name] = opened(dsn, keyring)
    generation += 1
    l1.renew()


def connection(name: str = "") -> Connection:
    """The connection of that name. A connection that is the only one is the default, whatever its name.

    Its ``raw("COMMAND", *args)`` sends commands that this library does not offer. With nothing
    configured this is ``memory://``, with a warning, or a ConfigError if ``CACHES_STRICT=1``.
    """
    name = "" if name == "default" else name
    found = _connections.get(name)
    if found is not None:
        return found
    with _lock:
        load("rcollections.servers.topology.opening", "rcollections.values.signing", "rcollections.wire.dsn.dsn")
        _read_environment()
        found = _connections.get(name)
        if found is None and not _connections:
            found = _nothing_configured(name)
        if found is None and name == "" and len(_connections) == 1:
            (found,) = _connections.values()
        if found is None:
            wanted = f"connection {name!r}" if name else "default connection"
            raise ConfigError(f"there is no {wanted}: configured are {sorted(_connections)}")
        return found


def connections() -> dict[str, Connection]:
    """All configured connections by name; the name of the default connection is ``""``."""
    with _lock:
        _read_environment()
        return dict(_connections)


def _read_environment() -> None:
    global _environment_read
    if _environment_read:
        return
    from ..wire.dsn.dsn import from_environ

    for name, dsn in from_environ(os.environ).items():
        if name not in _connections:  # configure() has the last word
            _install(name, dsn)
    _environment_read = True


def _nothing_configured(name: str) -> Connection:
    advice = "set CACHES_DSN=redis://host:6379/0, or call rcollections.configure(dsn)"
    if name:
        raise ConfigError(f"there is no connection {name!r}, and nothing is configured: {advice}")
    if os.environ.get("CACHES_STRICT", "") == "1":
        raise ConfigError(f"no server is configured and CACHES_STRICT=1: {advice}")
    warnings.warn(
        f"no server is configured: values live in the memory of this process only. To share them, {advice}",
        UserWarning,
        stacklevel=2,
    )
    from ..wire.dsn.dsn import parse

    _install("", parse("memory://"))
    return _connections[""]


def keyring() -> Keyring | None:
    """The signing keys: of ``configure(signing_key=)``, else of ``CACHES_SIGNING_KEY``, else none."""
    global _keyring, _keyring_known
    if not _keyring_known:
        from ..values.signing import parse_keys

        written = os.environ.get("CACHES_SIGNING_KEY", "")
        _keyring, _keyring_known = (parse_keys(written) if written else None), True
    return _keyring


def ignore_environment() -> None:
    """Take nothing from ``CACHES_DSN`` until the next ``reset()``: tests must not reach a real server."""
    global _environment_read, _keyring, _keyring_known
    _environment_read, _keyring, _keyring_known = True, None, True


def reset() -> None:
    """Close and forget all connections, and the data of memory servers; the environment is read again on use."""
    from ..wire.links.memory import forget_fake_servers

    global generation, _environment_read, _keyring, _keyring_known
    with _lock:
        for each in _connections.values():
            each.close()
        _connections.clear()
        forget_fake_servers()
        _environment_read, _keyring, _keyring_known = False, None, False
        generation += 1
        l1.renew()
