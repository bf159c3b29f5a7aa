"""``Function``: what stands behind a cached function: its options checked, its keys, its jobs, its counts."""

from __future__ import annotations

import inspect
import threading
import weakref
from collections import Counter
from contextlib import contextmanager, suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import CacheError, ConfigError
from ..handles.options import check
from ..l1 import ABSENT, PLAIN, SKIP, TOLD, Owner, bypassed, users
from ..observe import events
from ..plans.functions.job import Job, Recipe
from ..plans.naming import channel, join, lease, namespaced, tag
from ..plans.scripts import source
from ..servers import registry
from ..values.exceptions import dump_error, load_error
from ..wire.clock import passed
from .arguments import LONGEST, Arguments
from .identity import path_of
from .options import checked, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..handles.base import BaseCache
    from ..plans.flights import Flights
    from ..servers.connection import Connection

__all__ = ["CacheInfo", "Function"]


class CacheInfo(NamedTuple):
    """What the calls of one function did in this process; the first four as functools has them.

    ``maxsize`` is None (the server has no limit of ours) and ``currsize`` 0 (nobody counts the entries).
    """

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

    def __init__(
        self,
        fn: Callable[..., Any],
        cls: type[BaseCache],
        options: dict[str, Any],
        method: bool,
        decorator: str = "@cached",
    ) -> None:
        self.fn = fn
        self.cls = cls
        self.name = fn.__qualname__
        self.options = checked(self.name, options, cls, decorator)
        self.arguments = Arguments(fn, method=method, ignore_self=self.options["ignore_self"])
        self.path = path_of(fn)
        self.callbacks: list[Callable[..., Any]] = []
        self._recipe: tuple[int, Recipe, Connection] | None = None
        # An event loop has flights of its own; weak, since loops come and go.
        self._recipes: weakref.WeakKeyDictionary[Any, tuple[int, Recipe, Connection]] = weakref.WeakKeyDictionary()
        self.owner = Owner(inspect.iscoroutinefunction(fn))  # of what is held of it in this process
        if self._wanted() is not False:
            users.register(self)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        # What keys that can be written by hand begin with; automatic ones count when they were asked for.
        self._beginnings: set[str] = set()
        given = self.options["key"]
        if isinstance(given, str):
            self.announce(join(cls.__name__, cls.prefix, (given,)))
        elif given is not None:
            self.announce(cls.prefix)

    # -- keys ------------------------------------------------------------------------------------

    def prefix(self, namespace: str) -> str:
        """What the keys of all calls begin with: only for automatic keys."""
        if self.options["key"] is not None:
            raise CacheError(
                f"{self.name} has a key= of its own, so its entries cannot be told from others: invalidate single "
                "calls, give it tags, or clean() a class with a prefix"
            )
        version = self.options["version"]
        path = f"{self.path}@{version}" if version else self.path
        return namespaced(namespace, join(self.cls.__name__, self.cls.prefix, (path,)), self.cls.prefix or "-")

    def shown(self) -> None:
        """A key was asked for: from now on it may be written by hand."""
        if self.options["key"] is None:
            self.announce(self.prefix(""))

    def announce(self, *beginnings: str) -> None:
        """Let plain writes know which keys this computes."""
        self._beginnings.update(beginnings)
        for each in self._beginnings:
            registry.computes(each)

    def key(self, args: tuple[Any, ...], kwargs: dict[str, Any], namespace: str) -> str:
        """The whole key of a call, as the server gets it."""
        given = self.options["key"]
        if given is None:
            prefix = self.prefix(namespace)
            text = self.arguments.text(args, kwargs, max(40, LONGEST - len(prefix.encode()) - 1))
            return f"{prefix}.{text}" if text else prefix
        if isinstance(given, str):
            return self.cls(given).key
        made = given(*args, **kwargs)
        if isinstance(made, (list, tuple)):
            return self.cls(*made).key
        if isinstance(made, str):
            return self.cls(made).key
        raise TypeError(f"{self.name}: key= gave a {type(made).__name__}; it gives a str, or a sequence of key parts")

    def tags(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, ...]:
        """The tags of a call, each once, in one order: an entry's stamps are compared one by one."""
        tags = self.options["tags"]
        if tags is None:
            tags = self.cls.tags
        elif callable(tags):
            tags = check(self.name, "tags", tags(*args, **kwargs))
        return tuple(sorted(set(tags))) if len(tags) > 1 else tags

    def held(self, job: Job) -> Any:
        """What is held in this process for a call that went the long way, or ABSENT; counted as a hit."""
        as_ = job.held_as
        if as_ is None or (as_[0] == self.owner.number and not events.observers):
            return ABSENT  # the quick way has looked already
        value = job.held()
        if value is not ABSENT:
            self.note("hit", job.key)
        return value

    # -- jobs ------------------------------------------------------------------------------------

    def recipe(self, flights: Callable[[Connection], Flights], loop: Any = None) -> tuple[Recipe, Connection]:
        """The options bound to a connection, anew after every ``configure()``; one per event loop."""
        known = self._recipe if loop is None else self._recipes.get(loop)
        if known is not None and known[0] == registry.generation:
            return known[1], known[2]
        made = (registry.generation, *self._make(flights))
        if loop is None:
            self._recipe = made
        else:
            self._recipes[loop] = made
        return made[1], made[2]

    def _make(self, flights: Callable[[Connection], Flights]) -> tuple[Recipe, Connection]:
        self.announce()
        prototype = object.__new__(self.cls)
        prototype.__dict__["_own_key"] = self.name
        target = prototype._bound()
        connection = target.connection
        if not connection.disabled:
            source("entry_store")  # read now, not when all wait for the result that was just computed
        o = self.options
        tiering = self._arm(connection)
        recipe = Recipe(
            self.name,
            target,
            flights(connection),
            connection.breaker,
            ttl=self.cls.ttl if o["ttl"] is None else o["ttl"],
            async_ttl=seconds(o["async_ttl"]),
            swr=seconds(o["stale_while_revalidate"]),
            sie=seconds(o["stale_if_error"]),
            soft_timeout=seconds(o["soft_timeout"]),
            lease=seconds(o["lease"]),
            cache_errors=o["cache_errors"],
            raises=o["on_error"] == "raise",
            # What later callers get is what the first one gets, where reading may not give the same again.
            round_trip=self.cls.serializer is not None or not self.cls.serialize or hasattr(self.cls, "normalize"),
            note=self.note,
            lost=self.lost,
            dump_error=lambda error: dump_error(error, target.dumps),
            load_error=lambda data: load_error(data, target.load),
            late=passed,
            disabled=connection.disabled,
            tiering=tiering,
            share=self.cls.share,
            awaits=self.owner.asynchronous,
        )
        return recipe, connection

    # -- the tier in this process ----------------------------------------------------------------

    def _wanted(self) -> bool | None:
        return self.cls.l1 if self.options["l1"] is None else self.options["l1"]

    def l1_prefixes(self, connection: Connection) -> list[str] | None:
        """What the keys begin with that are held in the process on this connection; None: none are."""
        wanted = self._wanted()
        if connection.disabled or not (connection.dsn.l1 if wanted is None else wanted):
            return None
        with suppress(ConfigError):  # there is no such connection, yet
            if registry.connection(self.cls.connection_name) is connection:
                return self._prefixes(connection.namespace, asked=wanted is True)
        return None

    def _arm(self, connection: Connection) -> Any:
        """Let calls be looked up in the process from now on, if that is wanted; gives the tiering, or None."""
        wanted = self._wanted()
        prefixes = self.l1_prefixes(connection)
        if prefixes is None:
            self.owner.arm(None, PLAIN)
            return None
        tiering = connection.tiering
        tiering.want(prefixes, now=wanted is True)
        # A ``key=`` function may look at more than the arguments: what it gives is asked for in each call.
        if not callable(self.options["key"]):
            method = self.arguments.method
            self.owner.arm(tiering.tier, (SKIP if self.arguments.ignore_self else TOLD) if method else PLAIN)
        return tiering

    def _prefixes(self, namespace: str, *, asked: bool) -> list[str] | None:
        """What all keys of this function begin with, those of its tags too; None: with nothing in common."""
        given = self.options["key"]
        if given is None:
            found = [self.prefix(namespace)]
        elif isinstance(given, str):
            found = [self.cls(given).key]
        elif self.cls.prefix:
            found = [namespaced(namespace, self.cls.prefix, self.cls.prefix)]
        elif namespace or asked:
            found = [f"{namespace}." if namespace else ""]
        else:
            return None
        tagged = self.options["tags"] or (self.options["tags"] is None and self.cls.tags)
        return [*found, tag(namespace, "")] if tagged else found

    def _held_as(self, job: Job, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, tuple[Any, ...]] | None:
        """Under what the result of this call is held in the process; None: it is not, at present."""
        if job.recipe.tiering is None or bypassed.get():
            return None
        if not callable(self.options["key"]):
            exact = self.owner.arguments(args, kwargs)
            if exact is not None:
                return self.owner.number, exact
        return self.owner.by_key, (job.key,)

    def job(self, recipe: Recipe, connection: Connection, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Job:
        """The job of one call."""
        key = self.key(args, kwargs, connection.namespace)
        tags = tuple(tag(connection.namespace, name) for name in self.tags(args, kwargs))
        job = Job(recipe, key, lease(key), channel(key), tags, lambda: self._computed(key, args, kwargs))
        job.held_as = self._held_as(job, args, kwargs)
        return job

    def _computed(self, key: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self.callbacks and not events.observers:
            return self.fn(*args, **kwargs)
        return self.watched((key,), args, kwargs, lambda value: ((value, args, kwargs),))

    def watched(
        self, keys: Iterable[str], args: tuple[Any, ...], kwargs: dict[str, Any], values: Callable[[Any], Iterable[Any]]
    ) -> Any:
        """Call the function; tell observers (of each key), and callbacks (of what ``values`` makes of the result)."""
        began = perf_counter()
        try:
            result = self.fn(*args, **kwargs)
        except BaseException as error:
            self._told(keys, began, error)
            raise
        if inspect.isawaitable(result):
            # What a plain def gave is refused as it is: wrapped, it would never be closed.
            return self._awaited(result, keys, began, values) if self.owner.asynchronous else result
        self._told(keys, began)
        for value, its_args, its_kwargs in values(result):
            for callback in self.callbacks:
                with self._logging():
                    callback(value, *its_args, **its_kwargs)
        return result

    async def _awaited(
        self, awaitable: Any, keys: Iterable[str], began: float, values: Callable[[Any], Iterable[Any]]
    ) -> Any:
        try:
            result = await awaitable
        except BaseException as error:
            self._told(keys, began, error)
            raise
        self._told(keys, began)
        for value, its_args, its_kwargs in values(result):
            for callback in self.callbacks:
                with self._logging():
                    told = callback(value, *its_args, **its_kwargs)
                    if inspect.isawaitable(told):
                        await told
        return result

    @contextmanager
    def _logging(self) -> Iterator[None]:
        try:
            yield
        except Exception:  # a callback watches, it must not break
            events.log.exception("on_value callback of %s failed", self.name)

    # -- counts ----------------------------------------------------------------------------------

    def note(self, word: str, key: str, error: BaseException | None = None) -> None:
        """Count what happened to a call, and tell observers (of a computation when it has ended)."""
        with self._lock:
            self._counts[word] += 1
        if events.observers and word != "compute":
            events.noted(self.name, word, key, error=error)

    @contextmanager
    def failing(self, key: str) -> Iterator[None]:
        """Around a change: an error of the server is counted and told, and raised."""
        try:
            yield
        except CacheError as error:
            self.note("error", key, error)
            raise

    def _told(self, keys: Iterable[str], began: float, error: BaseException | None = None) -> None:
        took = perf_counter() - began
        if events.observers:
            for key in keys:
                events.noted(self.name, "compute", key, took, error)

    def lost(self, error: BaseException) -> None:
        """An exception of background work, which nobody else will see."""
        events.log.error("refreshing %s in the background failed: %s", self.name, type(error).__name__, exc_info=error)

    def info(self) -> CacheInfo:
        """The counts so far."""
        with self._lock:
            c = self._counts.copy()
        return CacheInfo(
            c["hit"] + c["stale"] + self.owner.hits, c["miss"], None, 0, c["stale"], c["wait"], c["compute"],
            c["store"], c["refused"], c["error"], c["invalidate"],
        )  # fmt: skip

    def forget_counts(self) -> None:
        """Count from zero again."""
        with self._lock:
            self._counts.clear()
            self.owner.hits = 0
