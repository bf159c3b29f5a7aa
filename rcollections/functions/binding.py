"""Binding a function to its connection: anew after every ``configure()``, and for each event loop."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..plans.entries import ERROR
from ..plans.functions.lone import Way
from ..plans.functions.recipe import Recipe
from ..plans.scripts import source
from ..servers import registry
from ..values.exceptions import dump_error, load_error
from ..wire.clock import passed
from .callkeys import Names
from .options import seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..handles.base import BaseCache
    from ..plans.flights import Flights
    from ..plans.patience import Patience
    from ..servers.connection import Connection
    from .callkeys import Keys
    from .counts import Counts
    from .holding import Holding
    from .options import Options
    from .trouble import SourceTrouble
    from .unstorable import Unstorable
    from .watching import Watching

__all__ = ["Binding", "Bindings", "flights_of_threads"]


class Parts(Protocol):
    """The parts of a function that a binding needs."""

    name: str
    cls: type[BaseCache]
    options: Options
    keys: Keys
    counts: Counts
    holding: Holding
    watching: Watching
    patience: Patience
    trouble: SourceTrouble
    unstorable: Unstorable


class Binding(NamedTuple):
    """One function on one connection, for threads or for one event loop, since the last ``configure()``."""

    generation: int
    recipe: Recipe
    connection: Connection
    names: Names
    way: Way | None  # of a call that is alone at its key


def flights_of_threads(connection: Connection) -> Flights:
    """The flights that the calls of all threads share on this connection."""
    return connection.flights


class Bindings:
    """The bindings of one function."""

    def __init__(self) -> None:
        self.threads: Binding | None = None
        # An event loop has flights of its own. The table is weak, since loops come and go.
        self._loops: weakref.WeakKeyDictionary[object, Binding] = weakref.WeakKeyDictionary()
        self.last: tuple[Callable[[], object], Binding] | None = None  # the loop that called last, weakly

    def get(self, parts: Parts, flights: Callable[[Connection], Flights], loop: object = None) -> Binding:
        """The binding of all threads, or of this event loop; ``flights`` gives the flights of a connection there."""
        if loop is None:
            known = self.threads
        else:
            last = self.last
            known = last[1] if last is not None and last[0]() is loop else self._loops.get(loop)
        if known is not None and known.generation == registry.generation:
            return known
        made = _bind(parts, flights)
        if loop is None:
            self.threads = made
        else:
            self._loops[loop] = made
            self.last = weakref.ref(loop), made
        return made


def _bind(parts: Parts, flights: Callable[[Connection], Flights]) -> Binding:
    """A new binding: options, connection and class brought together."""
    generation = registry.generation
    cls, options = parts.cls, parts.options
    prototype = object.__new__(cls)
    prototype.__dict__.update(options.own(), _own_key=parts.name)
    target = prototype._bound()
    connection: Connection = target.connection
    if not connection.disabled:
        source("entry_store")  # read the script now, not while callers wait for a computed result
    # Not by ``target``: no ``normalize`` shall see the parts of an exception, and raw text cannot carry them.
    errors = connection.codec(cls.serializer if cls.serialize else None, cls.signed)
    recipe = Recipe(
        parts.name,
        target,
        flights(connection),
        connection.breaker,
        ttl=options.of(cls, "ttl"),
        async_ttl=None if options.async_ttl is None else seconds(options.async_ttl),
        swr=seconds(options.stale_while_revalidate),
        sie=seconds(options.stale_if_error),
        soft_timeout=None if options.soft_timeout is None else seconds(options.soft_timeout),
        lease=parts.patience,
        cache_errors=options.cache_errors,
        cooldown=seconds(options.cooldown),
        trouble=parts.trouble,
        sharing=connection.codec.shared(options.cache_errors),
        strict=parts.unstorable.strict,
        unstorable=parts.unstorable.tell,
        raises=options.on_error == "raise",
        # Where a value may be read back differently, the first caller gets the value that later callers get.
        round_trip=prototype.serializer is not None or not prototype.serialize or hasattr(cls, "normalize"),
        note=parts.counts.note,
        lost=parts.watching.lost,
        dump_error=lambda error, key: dump_error(error, lambda value, name: errors.dumps(value, key, name, ERROR)),
        load_error=lambda data, key: load_error(
            data, lambda data, name: errors.loads(data, key, name, ERROR), options.cache_errors
        ),
        late=passed,
        disabled=connection.disabled,
        journal=connection.kept,
        whole=parts.keys.whole(connection.namespace),
        namespace=connection.namespace,
        tiering=parts.holding.arm(connection),
        share=prototype.share,
        awaits=parts.watching.asynchronous,
    )
    afar = connection.replicas if connection.replicas is not None and prototype._afar(connection) else None
    way = Way.of(recipe, parts.counts.alone, afar, connection.clustered)
    return Binding(generation, recipe, connection, Names(parts.keys, connection.namespace), way)
