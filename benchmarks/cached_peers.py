"""Cached functions of other libraries, each only if it is installed: dogpile.cache, HermesCache, cashews, aiocache."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["asynchronous", "close", "dogpile_function", "hermes_function", "sync"]

_closing: list[Any] = []


def _where(client: Any) -> dict[str, Any]:
    options = client.connection_pool.connection_kwargs
    return {name: options[name] for name in ("host", "port", "path") if name in options}


def _url(client: Any) -> str:
    where = _where(client)
    return f"unix://{where['path']}" if "path" in where else f"redis://{where['host']}:{where['port']}/0"


def dogpile_function(client: Any, compute: Callable[..., Any]) -> Callable[..., Any] | None:
    try:
        from dogpile.cache import make_region
    except ImportError:
        return None
    arguments = {
        "url": _url(client),
        "distributed_lock": True,
        "redis_expiration_time": 7200,
        "lock_timeout": 10,
        "thread_local_lock": False,
    }
    region = make_region().configure("dogpile.cache.redis", expiration_time=3600, arguments=arguments)
    return region.cache_on_arguments(namespace="dogpile")(compute)  # type: ignore[no-any-return]


def hermes_function(client: Any, compute: Callable[..., Any], tags: tuple[str, ...]) -> Callable[..., Any] | None:
    try:
        import hermes
        from hermes.backend.redis import Backend
    except ImportError:
        return None
    where = _where(client)
    if "path" in where:
        return None
    return hermes.Hermes(Backend, **where)(tags=tags)(compute)  # type: ignore[no-any-return]


def sync(client: Any, compute: Callable[..., Any], tags: tuple[str, ...]) -> dict[str, Callable[..., Any]]:
    found = {
        "dogpile.cache": dogpile_function(client, compute),
        "HermesCache": hermes_function(client, compute, ()),
        f"HermesCache, {len(tags)} tags": hermes_function(client, compute, tags),
    }
    return {name: function for name, function in found.items() if function is not None}


def asynchronous(
    client: Any, compute: Callable[..., Any], loop: asyncio.AbstractEventLoop
) -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    try:
        from cashews import Cache
    except ImportError:
        pass
    else:
        cashews = Cache()
        cashews.setup(_url(client), client_side=False)
        _closing.append(cashews.close)
        function = cashews(ttl=3600, key="cashews:{_key}", lock=True)(compute)
        found["cashews, async"] = lambda key: loop.run_until_complete(function(key))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from aiocache import RedisCache, cached_stampede
            from aiocache.serializers import PickleSerializer
    except ImportError:
        return found
    where = _where(client)
    if "path" in where:
        return found
    other = cached_stampede(
        lease=2, cache=RedisCache, endpoint=where["host"], port=where["port"], serializer=PickleSerializer(),
        key_builder=lambda _f, key: f"aiocache:{key}", ttl=3600,
    )(compute)  # fmt: skip
    found["aiocache, async"] = lambda key: loop.run_until_complete(other(key))
    return found


def close(loop: asyncio.AbstractEventLoop) -> None:
    for each in _closing:
        result = each()
        if asyncio.iscoroutine(result):
            loop.run_until_complete(result)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
