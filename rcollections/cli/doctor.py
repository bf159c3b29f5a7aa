"""``python -m rcollections doctor``: the facts that a stranger needs about a set-up, and the cure of its problems.

Each line is a label and a sentence; a line that begins with ``!`` is a problem. What is tried on the server is removed
again. The exit status is 0 when all is well, 1 when there is a problem.
"""

from __future__ import annotations

import os
import platform
import sys
import warnings
from importlib import metadata
from importlib.util import find_spec
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import __version__
from ..errors import CacheConnectionError, CacheError, CacheTimeout, ConfigError
from ..plans.naming import namespaced
from ..servers import registry
from ..servers.embedded.binary import find_valkey
from ..wire.dsn.dsn import parse
from .rights import missing_rights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..servers.connection import Connection

__all__ = ["doctor"]

_PINGS = 50
_PATIENCE = 1.0  # seconds that all pings together may take


class Line(NamedTuple):
    """One line of the report."""

    label: str
    text: str
    problem: bool = False


def doctor(dsn: str | None = None) -> int:
    """Tell about this server, or about all configured servers; gives the exit status."""
    problems = 0
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for line in _lines(dsn):
            problems += line.problem
            _say(line)
    for warning in warned:
        _say(Line("note", str(warning.message)))
    counted = f"{problems} problem{'s' if problems > 1 else ''}: see the line{'s' if problems > 1 else ''} with !"
    _say(Line("verdict", counted if problems else "all is well"))
    return 1 if problems else 0


def _say(line: Line) -> None:
    sys.stdout.write(f"{'!' if line.problem else ' '} {line.label:<11} {line.text}\n")
    sys.stdout.flush()


def _lines(wanted: str | None) -> Iterator[Line]:
    yield Line("package", f"rcollections {__version__}, {_version('redis')}, {_version('hiredis')}")
    yield Line("python", f"{platform.python_implementation()} {platform.python_version()} on {platform.system()}")
    if os.environ.get("CACHES_DISABLE", "") == "1":
        yield Line("caches", "switched off by CACHES_DISABLE=1: unset it to use the server", True)
    try:
        found = _connections(wanted)
    except CacheError as error:
        yield Line("connection", f"{error}", True)
    else:
        for origin, connection in found:
            yield from _connection(origin, connection)
    yield _extras()
    yield _signing()


def _version(name: str) -> str:
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return f"no {name}"


def _connections(wanted: str | None) -> list[tuple[str, Connection]]:
    if wanted is not None:
        registry.configure(wanted)
        return [("from --dsn", registry.connection(parse(wanted).name))]
    configured = registry.connections()
    if not configured:
        return [("nothing is configured", registry.connection())]
    return [(f"connection {name!r}" if name else "the default", each) for name, each in configured.items()]


# -- one connection --------------------------------------------------------------------------------


def _connection(origin: str, connection: Connection) -> Iterator[Line]:
    yield Line("connection", f"{connection.dsn.shown} ({origin})")
    if connection.disabled:
        return
    try:
        connection.raw("PING")
    except CacheError as error:
        yield Line("server", f"{error}{_advice(error)}", True)
        return
    if connection.dsn.kind == "sentinel":
        yield _sentinels(connection)
    yield _server(connection)
    try:
        yield Line("round trip", _round_trip(connection))
    except CacheError as error:
        yield Line("round trip", str(error), True)
        return
    yield from _rights(connection)
    yield _namespace(connection)
    yield _l1(connection)


def _advice(error: CacheError) -> str:
    if isinstance(error, CacheTimeout):
        return " Try a longer ?timeout= in the DSN, or look at the server."
    if isinstance(error, CacheConnectionError) and "no connection" in str(error):
        return " Start it, or correct the DSN; without a server at hand: CACHES_DSN=embedded:///some/directory"
    return ""


def _server(connection: Connection) -> Line:
    if connection.dsn.kind == "memory":
        return Line("server", "fakeredis inside this process: nothing is shared, nothing stays; for tests, trying out")
    try:
        info = connection.raw("INFO").decode()
    except CacheError:
        return Line("server", "answers; its user may not call INFO, so the version is unknown")
    facts = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    name = f"Valkey {facts['valkey_version']}" if "valkey_version" in facts else f"Redis {facts.get('redis_version')}"
    if facts.get("role") == "slave":
        return Line("server", f"{name}, a replica: writes will fail; point the DSN at the primary", True)
    limit = facts.get("maxmemory_human", "0B")
    memory = "no memory limit" if limit == "0B" else f"{facts.get('maxmemory_policy')} at {limit}"
    fields = "a ttl per field" if _knows(connection, "hpexpire") else "no ttl per field (Valkey 9 or Redis 7.4 has it)"
    return Line("server", f"{name}, {memory}, {fields}")


def _sentinels(connection: Connection) -> Line:
    """Where the sentinels say that the primary is, and how many of them."""
    from ..wire.sentinels.watches import watch_of

    verdict = watch_of(connection.dsn).verdict
    if verdict is None:
        return Line("sentinels", "none has said where the primary is", True)
    host, port = verdict.address
    count = f"{verdict.agree} of {verdict.known} say that {connection.dsn.master} is {host}:{port}"
    text = f"{count} (config-epoch {verdict.epoch}, quorum {verdict.quorum}, {len(verdict.replicas)} replicas)"
    if not verdict.proven:
        text += "; that is no majority, so nothing is held in the process: start the others, or name them in the DSN"
    return Line("sentinels", text, not verdict.proven)


def _knows(connection: Connection, command: str) -> bool:
    try:
        return bool(connection.raw("COMMAND", "INFO", command)[0])
    except (CacheError, IndexError):
        return False


def _round_trip(connection: Connection) -> str:
    times: list[float] = []
    until = perf_counter() + _PATIENCE
    while len(times) < _PINGS and (not times or perf_counter() < until):
        started = perf_counter()
        connection.raw("PING")
        times.append(perf_counter() - started)
    return f"{median(times) * 1000:.3f} ms (median of {len(times)}, slowest {max(times) * 1000:.3f} ms)"


def _rights(connection: Connection) -> Iterator[Line]:
    """Whether its user may do what caches do; what is tried is removed again."""
    if connection.dsn.kind == "memory":
        return
    missing = missing_rights(connection)
    for each in missing:
        yield Line("rights", each, True)
    if not missing:
        yield Line("rights", "a value, a lease, a tag and a subscription work")


def _namespace(connection: Connection) -> Line:
    if connection.namespace:
        return Line("namespace", f"{connection.namespace}: all names on the server begin with {connection.namespace}.")
    if connection.dsn.kind == "memory":
        return Line("namespace", "none, and nobody else is in this process")
    return Line("namespace", "none: two applications on one server share keys; add ?namespace=NAME to the DSN")


def _l1(connection: Connection) -> Line:
    """The state of L1: listens for a moment, on a connection of its own that is closed again."""
    if not connection.dsn.l1:
        return Line("l1", "switched off by l1=off: reads ask the server, except where a class says l1 = True")
    own = namespaced(connection.namespace, "rcollections.doctor")
    state = connection.tiering.tried([own], connection.dsn.timeout + connection.dsn.connect_timeout)
    if state.word == "live":
        return Line("l1", f"works: {state.why}")
    return Line("l1", f"{state.word}: {state.why}; all reads ask the server")


# -- this machine ----------------------------------------------------------------------------------


def _extras() -> Line:
    present = {
        "memory": _importable("fakeredis") and _importable("lupa"),
        "embedded": _valkey(),
        "zstd": _importable("compression.zstd") or _importable("zstandard"),
    }
    missing = [name for name, there in present.items() if not there]
    text = ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in present.items())
    if missing:
        text += f"; to add what is missing: pip install 'rcollections[{','.join(missing)}]'"
    return Line("extras", text)


def _importable(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _valkey() -> bool:
    try:
        return bool(find_valkey())
    except ConfigError:
        return False


def _signing() -> Line:
    try:
        keyring: Any = registry.keyring()
    except ConfigError as error:
        return Line("signing key", f"CACHES_SIGNING_KEY: {error}", True)
    if keyring is None:
        return Line("signing key", "no: values that only pickle can carry are refused; set CACHES_SIGNING_KEY for them")
    return Line("signing key", "yes: what needs pickle is pickled, signed and verified")
