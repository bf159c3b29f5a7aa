"""``Job``: one call of a cached function, as the plans see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ...errors import CacheError
from .. import naming
from ..draws import spread
from ..effects import Call
from ..purpose import Due, change, sent
from ..waiting import Computation, marked

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..circles import Waits
    from ..effects import Plan, Script
    from .recipe import Recipe

__all__ = ["Job"]

R = TypeVar("R", covariant=True)


class Job(Computation, Generic[R]):
    """One call: its key and tags, and the user's function with its arguments."""

    __slots__ = ("fn", "held_as", "key", "recipe", "tags", "ttl", "unanswered", "unkept", "unstorable")

    def __init__(self, recipe: Recipe, key: str, tags: tuple[str, ...], fn: Callable[[], object]) -> None:
        self.recipe = recipe
        self.key = key
        self.tags = tags
        self.ttl = recipe.ttl  # seconds, or a function of the result alone
        self.fn = fn  # gives an R, or an awaitable of one
        self.unkept = False  # the result is not to be stored
        self.unstorable = False  # since no codec carries it
        self.unanswered = False  # the result was to be stored, and the server did not answer
        self.held_as: tuple[int, tuple[object, ...]] | None = None  # under which words L1 holds it

    # Properties, since a hit needs neither the lease nor the channel.

    @property
    def lease(self) -> str:
        """The key of the lease."""
        return naming.lease(self.recipe.namespace, self.key)

    @property
    def channel(self) -> str:
        """The channel of the messages that the entry has changed, or that its lease was given back."""
        return naming.channel(self.recipe.namespace, self.key)

    # -- telling -----------------------------------------------------------------------------------

    def note(self, word: str, error: BaseException | None = None) -> None:
        """Tell counters and observers what happened to this call."""
        self.recipe.note(word, self.key, error)

    @property
    def due(self) -> Due:
        """What has to be removed where a change of this entry could not be sent (J1)."""
        return Due(self.key, self.lease, self.channel, self.recipe.whole)

    def change(self, step: Script) -> Plan[Any]:
        """The reply to a step that changes the entry on purpose (R1, J1). An error is counted, told and raised."""
        try:
            return (yield from change(self.recipe, sent(step), (self.due,)))
        except CacheError as error:
            self.note("error", error)
            raise

    def keep(self) -> None:
        """The older value could not be replaced: it has to go (J1)."""
        if self.recipe.journal is not None:
            self.recipe.journal.keep((self.due,))

    def stored(self, before: int) -> None:
        """The server has a new value: what was kept for this entry before that has nothing left to remove (J1)."""
        if self.recipe.journal is not None:
            self.recipe.journal.stored(self.key, before)

    @property
    def number(self) -> int:
        """How much the journal has kept so far; see ``stored``."""
        return 0 if self.recipe.journal is None else self.recipe.journal.number

    def failed(self, error: CacheError) -> None:
        """Tell the breaker that the server failed, unless only this call's own deadline has passed."""
        if error._about != "call" or not self.recipe.late():
            self.recipe.breaker.failed(error)

    def jitter(self) -> float:
        """A random factor that spreads waiting callers, so that they do not ask all at once."""
        return spread.uniform(0.75, 1.25)

    # -- computing ---------------------------------------------------------------------------------

    @property
    def waits(self) -> Waits:
        return self.recipe.flights.waits

    @property
    def known_as(self) -> str:
        return self.key

    def recursion(self) -> CacheError:
        return CacheError(
            f"{self.recipe.name} calls itself with the same arguments while it computes {self.key!r}: "
            "the answer would need itself; call .uncached, or change the arguments"
        )

    def circle(self) -> CacheError:
        return CacheError(
            f"{self.recipe.name} would wait for {self.key!r}, of which the computation waits for the caller's: "
            "the two functions call each other; call .uncached in one of them, or change the arguments"
        )

    def compute(self) -> Plan[R]:
        """Call the function, with this key marked as being computed."""
        self.guard()
        self.note("compute")
        value: R = yield Call(marked(lambda: self.checked(self.fn()), (self,)))
        return value

    def checked(self, result: object) -> Any:
        """The result of the function; TypeError for an awaitable from a plain def, which no driver would await."""
        if self.recipe.awaits or not hasattr(result, "__await__"):
            return result
        if hasattr(result, "close"):
            result.close()
        raise TypeError(f"{self.recipe.name} is a def and gave a {type(result).__name__}: make it an async def")
