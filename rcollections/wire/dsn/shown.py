"""A DSN for messages: without passwords, and with only those options that differ from their defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .options import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["shown"]

_SECRET = ("sentinel_password", "credentials")


def shown(dsn: Any, defaults: Mapping[str, object]) -> str:
    """The text: ``***`` stands for passwords."""
    login = quote(dsn.user, safe="") + (":***" if dsn.password else ":" if dsn.user else "")
    login += "@" if login else ""
    options: dict[str, object] = {"db": dsn.db} if dsn.path and dsn.db else {}
    for name in OPTIONS:
        value = getattr(dsn, name)
        if value != defaults[name]:
            options[name] = "***" if name in _SECRET else value
    scheme, where = _place(dsn)
    query = "&".join(f"{name}={_written(value)}" for name, value in options.items())
    return (
        f"{scheme}://{login}{where}"
        + (f"?{query}" if query else "")
        + (f"#{quote(dsn.name, safe='')}" if dsn.name else "")
    )


def _place(dsn: Any) -> tuple[str, str]:
    if dsn.path:
        return "embedded" if dsn.kind == "embedded" else "unix", quote(dsn.path)
    if dsn.kind == "memory":
        return "memory", quote(dsn.host, safe="") + (f"/{dsn.db}" if dsn.db else "")
    scheme = "rediss" if dsn.tls else "redis"
    if dsn.kind == "sentinel":
        hosts = ",".join(_host(host, port) for host, port in dsn.hosts)
        return f"{scheme}+sentinel", f"{hosts}/{quote(dsn.master, safe='')}/{dsn.db}"
    return scheme, f"{_host(dsn.host, dsn.port)}/{dsn.db}"


def _host(host: str, port: int) -> str:
    return f"[{quote(host, safe=':')}]:{port}" if ":" in host else f"{quote(host, safe='')}:{port}"


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return quote(str(value), safe="/:*")
