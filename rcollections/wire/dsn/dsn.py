"""Reads a DSN, ``scheme://[user[:password]@]host[:port][/db][?option=value][#connection_name]``.

Any mistake in a DSN is a ConfigError, and no message ever repeats the DSN: without percent-encoding a
password may stand anywhere in it. For the same reason a bare ``@`` has one meaning.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...errors import ConfigError
from .credentials import Credentials, check_place
from .options import once, read_options
from .parts import decoded, read_host, read_login, read_memory_name, read_number, read_pairs, read_path
from .several import CLUSTER_PORT, SENTINEL_PORT, check_database, read_hosts, read_service
from .shown import shown

__all__ = ["Dsn", "from_environ", "from_mapping", "parse"]

Kind = Literal["server", "memory", "embedded", "sentinel", "cluster"]

# scheme -> kind, has TLS, is a path
_SCHEMES: Mapping[str, tuple[Kind, bool, bool]] = {
    "redis": ("server", False, False),
    "rediss": ("server", True, False),
    "unix": ("server", False, True),
    "valkey": ("server", False, False),
    "valkeys": ("server", True, False),
    "memory": ("memory", False, False),
    "embedded": ("embedded", False, True),
    "redis+sentinel": ("sentinel", False, False),
    "rediss+sentinel": ("sentinel", True, False),
    "redis+cluster": ("cluster", False, False),
    "rediss+cluster": ("cluster", True, False),
}
_OLD_SCHEME = "caches.interface.Redis"
_SHAPE = re.compile(r"([A-Za-z][A-Za-z0-9+._-]*)://(\S*)", re.ASCII)
_VARIABLE = re.compile(r"CACHES_DSN_([0-9]+)", re.ASCII)


@dataclass(frozen=True)
class Dsn:
    """One connection as understood: its server, its login, and all options with their defaults."""

    kind: Kind = "server"
    host: str = ""  # memory: the name of the in-process server
    port: int = 6379
    db: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    path: str = ""  # the unix socket, or the directory of embedded://
    tls: bool = False
    name: str = ""
    hosts: tuple[tuple[str, int], ...] = ()  # sentinels, or nodes of a cluster to begin with; resolved at each connect
    master: str = ""  # the name by which the sentinels know the servers

    timeout: float = 1.0
    connect_timeout: float = 1.0
    max_connections: int = 50
    namespace: str = ""
    l1: bool = True
    l1_entries: int = 10_000
    l1_bytes: int = 64 << 20
    staleness: float = 1.0
    max_value: int | None = None
    compress_above: int | None = None
    protocol: int = 2
    client_name: str = ""
    credentials: Credentials | None = field(default=None, repr=False)  # asked for the login at each connect
    durable: int = 0  # replicas that have to have a write
    read_from: str = "primary"
    reads_when_down: bool = False  # whether reads of a server count that was cut off from the others
    sentinel_user: str = ""
    sentinel_password: str = field(default="", repr=False)
    strict_slots: bool = False  # of memory://: whether it refuses calls that a cluster would refuse
    ssl_cert_reqs: str = "required"
    ssl_check_hostname: bool = True
    ssl_ca_certs: str | None = None
    ssl_ca_path: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_min_version: str | None = None

    @property
    def shown(self) -> str:
        """The DSN for messages: ``***`` for passwords, only the options that differ from their defaults."""
        return shown(self, _DEFAULTS)

    @property
    def ssl(self) -> dict[str, object]:
        """The TLS options as redis-py's connections take them."""
        verify = self.ssl_cert_reqs != "none"
        options: dict[str, object] = {
            "ssl_cert_reqs": self.ssl_cert_reqs,
            # Given each time: the default of this option has changed between versions of redis-py.
            "ssl_check_hostname": self.ssl_check_hostname and verify,
        }
        for name in ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"):
            if getattr(self, name) is not None:
                options[name] = getattr(self, name)
        if self.ssl_min_version is not None:
            import ssl  # only for connections with TLS

            options["ssl_min_version"] = ssl.TLSVersion[self.ssl_min_version.replace(".", "_")]
        return options

    def replace(self, **changes: Any) -> Dsn:
        """A copy with other options (checked like those of a DSN) or another place; never another login."""
        place = {name: changes.pop(name) for name in _PLACE if name in changes}
        for name, (least, most) in _NUMBERS.items():
            if name in place:
                place[name] = read_number(name, place[name], least, most)
        return _with_options(dataclasses.replace(self, **place), changes)


_PLACE = ("kind", "host", "port", "db", "path", "tls", "name")
_NUMBERS: Mapping[str, tuple[int, int | None]] = {"port": (1, 65535), "db": (0, None)}
_DEFAULTS: dict[str, Any] = {each.name: each.default for each in dataclasses.fields(Dsn)}


def parse(text: str, *, name: str | None = None) -> Dsn:
    """The DSN as a ``Dsn``, or ConfigError. A fragment must agree with ``name``, the connection's name."""
    if not isinstance(text, str):
        raise ConfigError(f"a DSN is a str, not {type(text).__name__}")
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise ConfigError(
            "a DSN has no spaces and the form scheme://[user[:password]@]host[:port][/db][?option=value][#name]"
        )
    kind, tls, has_path = _scheme(match[1])
    rest, _, fragment = match[2].partition("#")
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    if "@" in path or "@" in query or "@" in fragment:
        raise ConfigError("an @ after the host: write %40 there; in a password write / ? # @ % as %2F %3F %23 %40 %25")
    login, _, host_port = authority.rpartition("@")
    user, password = read_login(login)
    options = once(read_pairs(query))
    in_query = options.pop("db", None)
    dsn = Dsn(kind=kind, tls=tls, user=user, password=password, name=_name(fragment, name))
    place: dict[str, Any]
    if has_path:
        place = {"path": read_path(host_port, slash + path, match[1].lower())}
    else:
        place, in_path = _place(kind, host_port, path[:-1] if path.endswith("/") else path)
        if in_path and in_query is not None:
            raise ConfigError("the db is given twice, as /db and as ?db=")
        in_query = in_query if in_query is not None else in_path or None
    if in_query is not None:
        if kind == "cluster":
            check_database(in_query)
        place["db"] = read_number("db", in_query, 0, None)
    if kind in ("memory", "embedded") and login:
        raise ConfigError(f"{kind}:// takes no login")
    return _with_options(dataclasses.replace(dsn, **place), options)


def _place(kind: Kind, hosts: str, path: str) -> tuple[dict[str, Any], str]:
    """Where it is, and the database as text ("": none is given)."""
    if kind == "sentinel":
        master, db = read_service(path)
        return {"hosts": read_hosts(hosts, SENTINEL_PORT), "master": master, "host": ""}, db
    if kind == "cluster":
        check_database(decoded(path))
        return {"hosts": read_hosts(hosts, CLUSTER_PORT), "host": ""}, ""
    return read_host(hosts) if kind == "server" else read_memory_name(hosts), decoded(path)


def _with_options(dsn: Dsn, given: Mapping[str, object]) -> Dsn:
    options = read_options(given)
    if not dsn.tls and (useless := [name for name in options if name.startswith("ssl_")]):
        raise ConfigError(f"{', '.join(useless)} without TLS: it takes rediss:// (or valkeys://)")
    if options.get("strict_slots") and dsn.kind != "memory":
        raise ConfigError("strict_slots is for memory://: a server refuses keys of several slots if it is a cluster")
    if options.get("read_from") == "replica" and dsn.kind not in ("sentinel", "cluster"):
        raise ConfigError(
            "read_from=replica is for redis+sentinel:// and redis+cluster://: nobody else knows the replicas"
        )
    if options.get("reads_when_down") and dsn.kind not in ("cluster", "sentinel"):
        raise ConfigError("reads_when_down is for clusters and sentinels: no other server can be cut off from others")
    if options.get("durable") and dsn.kind in ("memory", "embedded"):
        raise ConfigError(f"durable= waits for replicas, and {dsn.kind}:// has none")
    if "credentials" in options:
        check_place(dsn.kind, dsn.password)
    return dataclasses.replace(dsn, **options)


def _scheme(written: str) -> tuple[Kind, bool, bool]:
    scheme = "redis" if written == _OLD_SCHEME else written.lower()
    if scheme not in _SCHEMES:
        near = difflib.get_close_matches(scheme, _SCHEMES, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise ConfigError(f"unknown scheme {written!r}{hint}: known are {', '.join([*_SCHEMES, _OLD_SCHEME])}")
    return _SCHEMES[scheme]


def _name(fragment: str, wanted: str | None) -> str:
    written = decoded(fragment)
    if not written.isprintable():
        raise ConfigError("the name of the connection has control characters")
    if written == "default":
        written = ""
    if wanted is not None and fragment and written != wanted:
        raise ConfigError(f"its #fragment names it {written or 'default'!r}: leave that out, or use the same name")
    return written if wanted is None else wanted


def from_mapping(name: str, given: Mapping[str, Any]) -> Dsn:
    """``{"dsn": …, "timeout": 0.2}`` as configure() takes it; options beside the DSN win over options in the DSN."""
    whose = f"connection {name or 'default'!r}"
    if not isinstance(given, Mapping):
        raise ConfigError(f"{whose} takes a DSN or a mapping with 'dsn', not {type(given).__name__}")
    options = dict(given)
    text = options.pop("dsn", None)
    if text is None:
        raise ConfigError(f"{whose} has no 'dsn'")
    try:
        return _with_options(parse(text, name=name), options)
    except ConfigError as error:
        raise ConfigError(f"{whose}: {error}") from None


def from_environ(environ: Mapping[str, str]) -> dict[str, Dsn]:
    """The connections of ``CACHES_DSN``, ``CACHES_DSN_1``, ``_2`` …, by name; an empty variable is not set.

    Reading stops at the first number that is missing; a UserWarning names the variables behind it.
    """
    numbers = sorted(int(m[1]) for key, value in environ.items() if value and (m := _VARIABLE.fullmatch(key)))
    variables = ["CACHES_DSN"] if environ.get("CACHES_DSN") else []
    last = 0
    while environ.get(f"CACHES_DSN_{last + 1}"):
        last += 1
        variables.append(f"CACHES_DSN_{last}")
    ignored = [f"CACHES_DSN_{number}" for number in numbers if not 1 <= number <= last]
    if ignored:
        warnings.warn(
            f"{', '.join(ignored)} ignored: the numbers begin at 1, and CACHES_DSN_{last + 1} is not set",
            UserWarning,
            stacklevel=2,
        )
    found: dict[str, Dsn] = {}
    origin: dict[str, str] = {}
    for variable in variables:
        try:
            dsn = parse(environ[variable])
        except ConfigError as error:
            raise ConfigError(f"{variable}: {error}") from None
        if found.setdefault(dsn.name, dsn) != dsn:
            which = f"the connection {dsn.name!r}" if dsn.name else "the default connection (a DSN without #name)"
            raise ConfigError(f"{variable} and {origin[dsn.name]} both define {which}, differently")
        origin.setdefault(dsn.name, variable)
    return found
