"""``Function``: what stands behind a cached function: its options checked, its keys, its jobs, its counts."""

from __future__ import annotations

import inspect
import threading
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from . import observe
from .arguments import LONGEST, Arguments
from .attributes import check
from .errors import CacheError, ConfigError
from .plans.job import Job, Recipe
from .plans.target import milliseconds
from .wire import connections
from .wire.errors import dump_error, load_error
from .wire.keys import channel, join, lease, namespaced, tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from .keycache import KeyCache
    from .plans.flights import Flights
    from .wire.connection import Connection

__all__ = ["CacheInfo", "Function"]

DEFAULTS: dict[str, Any] = {
    "key": None,
    "ttl": None,
    "async_ttl": None,
    "stale_while_revalidate": 0,
    "stale_if_error": 0,
    "soft_timeout": None,
    "tags": None,
    "version": "",
    "lease": 10,
    "cache_errors": (),
    "on_error": "compute",
    "ignore_self": False,
    "l1": None,
}


class CacheInfo(NamedTuple):
    """What the calls of one function did in this process; the first four as functools has them."""

    hits: int
    misses: int
    maxsize: None
    currsize: int
    stale: int
    waits: int
    computes: int
    stores: int
    refused: int
    errors: int
    invalidations: int


class Function:
    """One cached function. Sync and async faces share it."""

    def __init__(self, fn: Callable[..., Any], cls: type[KeyCache[Any]], options: dict[str, Any], method: bool) -> None:
        self.fn = fn
        self.cls = cls
        self.name = getattr(fn, "__qualname__", type(fn).__qualname__)
        self.options = _checked(self.name, {**DEFAULTS, **options})
        self.arguments = Arguments(fn, method=method, ignore_self=self.options["ignore_self"])
        self.path = f"{fn.__module__}.{self.name}"
        self.callbacks: list[Callable[..., Any]] = []
        self._recipes: dict[Any, tuple[int, Recipe, Connection]] = {}
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    # -- keys ------------------------------------------------------------------------------------

    @property
    def own_prefix(self) -> str:
        """What the keys of all calls begin with, without namespace: only for automatic keys."""
        if self.options["key"] is not None:
            raise CacheError(
                f"{self.name} has a key= of its own, so its entries cannot be told from others: invalidate single "
                "calls, give it tags, or clean() a class with a prefix"
            )
        version = self.options["version"]
        parts = (self.path, version) if version else (self.path,)
        return join(self.cls.__name__, self.cls.prefix, parts)

    def key(self, args: tuple[Any, ...], kwargs: dict[str, Any], namespace: str) -> str:
        """The whole key of a call, as the server gets it."""
        given = self.options["key"]
        if given is None:
            prefix = self.own_prefix
            text = self.arguments.text(args, kwargs, max(40, LONGEST - len(prefix) - len(namespace) - 2))
            return namespaced(namespace, f"{prefix}.{text}" if text else prefix, self.cls.prefix or "-")
        if isinstance(given, str):
            return self.cls(given).key
        made = given(*args, **kwargs)
        if isinstance(made, (list, tuple)):
            return self.cls(*made).key
        if isinstance(made, str):
            return self.cls(made).key
        raise TypeError(f"{self.name}: key= gave a {type(made).__name__}; it gives a str, or a sequence of key parts")

    # -- jobs ------------------------------------------------------------------------------------

    def recipe(self, flights: Callable[[Connection], Flights], slot: Any) -> tuple[Recipe, Connection]:
        """The options bound to a connection, anew after every ``configure()``; one per event loop."""
        known = self._recipes.get(slot)
        if known is not None and known[0] == connections.generation:
            return known[1], known[2]
        prototype = object.__new__(self.cls)
        prototype.__dict__["_own_key"] = self.name
        target = prototype._bound()
        connection = target.connection
        o = self.options
        recipe = Recipe(
            self.name,
            target,
            flights(connection),
            connection.breaker,
            ttl=self.cls.ttl if o["ttl"] is None else o["ttl"],
            async_ttl=_seconds(o["async_ttl"]),
            swr=_seconds(o["stale_while_revalidate"]) or 0.0,
            sie=_seconds(o["stale_if_error"]) or 0.0,
            soft_timeout=_seconds(o["soft_timeout"]),
            lease=_seconds(o["lease"]) or 10.0,
            cache_errors=o["cache_errors"],
            raises=o["on_error"] == "raise",
            round_trip=self.cls.serializer is not None,
            note=self.note,
            lost=self.lost,
            dump_error=lambda error: dump_error(error, target.dumps),
            load_error=lambda data: load_error(data, target.load),
        )
        self._recipes[slot] = (connections.generation, recipe, connection)
        return recipe, connection

    def job(self, recipe: Recipe, connection: Connection, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Job:
        """The job of one call."""
        key = self.key(args, kwargs, connection.namespace)
        names = self.tags(args, kwargs)
        return Job(
            recipe,
            key,
            lease(key),
            channel(key),
            tuple(tag(connection.namespace, name) for name in names),
            lambda: self._computed(args, kwargs),
        )

    def _computed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        value = self.fn(*args, **kwargs)
        if not self.callbacks:
            return value
        return self._told_later(value, args, kwargs) if inspect.isawaitable(value) else self._told(value, args, kwargs)

    def _told(self, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for callback in self.callbacks:
            try:
                callback(value, *args, **kwargs)
            except Exception:  # it watches, it must not break
                observe.log.exception("on_value callback of %s failed", self.name)
        return value

    async def _told_later(self, awaitable: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self._told(await awaitable, args, kwargs)

    def tags(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, ...]:
        """The tags of a call, each once."""
        tags = self.options["tags"]
        if tags is None:
            tags = self.cls.tags
        elif callable(tags):
            tags = check(self.name, "tags", tags(*args, **kwargs))
        return tuple(dict.fromkeys(tags))

    # -- counts ----------------------------------------------------------------------------------

    def note(self, word: str, key: str) -> None:
        """Count what happened to a call, and tell observers."""
        with self._lock:
            self._counts[word] += 1
        if observe.observers:
            observe.noted(self.name, word, key)

    def lost(self, error: BaseException) -> None:
        """An exception of background work, which nobody else will see."""
        observe.log.error("refreshing %s in the background failed: %s", self.name, type(error).__name__, exc_info=error)

    def info(self) -> CacheInfo:
        """The counts so far."""
        with self._lock:
            c = self._counts.copy()
        return CacheInfo(
            c["hit"] + c["stale"], c["compute"], None, 0, c["stale"], c["wait"], c["compute"], c["store"],
            c["refused"], c["error"], c["invalidate"],
        )  # fmt: skip

    def forget_counts(self) -> None:
        """Count from zero again."""
        with self._lock:
            self._counts.clear()


def _seconds(value: Any) -> float | None:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _checked(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options, or a ConfigError that names the function and the option."""

    def refuse(option: str, what: str) -> None:
        raise ConfigError(f"@cached of {name}: {option} {what}")

    key, ttl = options["key"], options["ttl"]
    if key is not None and not (isinstance(key, str) and key) and not callable(key):
        refuse("key", "is a str, or a function of the arguments")
    if ttl is not None and not callable(ttl):
        _duration(refuse, "ttl", ttl)
    for option in ("stale_while_revalidate", "stale_if_error", "soft_timeout", "lease"):
        if options[option] is not None:
            _duration(refuse, option, options[option])
    if not _seconds(options["lease"]):
        refuse("lease", "is more than 0 seconds")
    early = _seconds(options["async_ttl"])
    if early is not None and (isinstance(early, bool) or not isinstance(early, (int, float))):
        refuse("async_ttl", "is seconds, negative ones count from the ttl")
    if early is not None and early < 0 and callable(ttl):
        refuse("async_ttl", "counts from the ttl, which is a function here: give it as seconds that are left")
    errors = options["cache_errors"]
    errors = (errors,) if isinstance(errors, type) else tuple(errors)
    if not all(isinstance(each, type) and issubclass(each, Exception) for each in errors):
        refuse("cache_errors", "is a tuple of exception types")
    options["cache_errors"] = errors
    if options["on_error"] not in ("compute", "raise"):
        refuse("on_error", "is 'compute' or 'raise'")
    if not isinstance(options["version"], (str, int)):
        refuse("version", "is a str")
    options["version"] = str(options["version"])
    if options["tags"] is not None and not callable(options["tags"]):
        options["tags"] = check(f"@cached of {name}", "tags", options["tags"])
    return options


def _duration(refuse: Callable[[str, str], None], option: str, value: Any) -> None:
    try:
        milliseconds(value)
    except (TypeError, ValueError) as error:
        refuse(option, str(error))
