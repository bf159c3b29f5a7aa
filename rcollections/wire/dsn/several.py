"""DSNs with several hosts: sentinels, ``//h1:26379,h2:26379/mymaster/0``. No message repeats the text."""

from __future__ import annotations

from ...errors import ConfigError
from .parts import decoded, read_host, read_number

__all__ = ["SENTINEL_PORT", "read_hosts", "read_service"]

SENTINEL_PORT = 26379

Hosts = tuple[tuple[str, int], ...]


def read_hosts(text: str, port: int) -> Hosts:
    """The hosts of a list with commas, each once; ``port`` is that of a host without one."""
    found: dict[tuple[str, int], None] = {}
    for one in text.split(","):
        if not one.strip() and "," in text:
            raise ConfigError("a host is missing between commas")
        place = read_host(one, port)
        found[str(place["host"]), read_number("port", place["port"], 1, 65535)] = None
    return tuple(found)


def read_service(path: str) -> tuple[str, str]:
    """The name of the master, and the database as text ("": none is given), of ``mymaster/0``."""
    name, _, db = path.partition("/")
    master = decoded(name)
    if not master or not master.isprintable() or any(char.isspace() for char in master):
        raise ConfigError("behind the sentinels stands the name of the master: //h1:26379,h2:26379/mymaster/0")
    return master, decoded(db)
