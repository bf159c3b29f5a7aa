"""``with f.writing(x) as w:`` around a change of the source: no older value can be stored meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import CacheError
from ..observe import events
from ..plans.effects import Carried, CarriedExit, Hold
from ..plans.functions.invalidate import delete
from ..plans.functions.job import Job
from ..plans.functions.recipe import Recipe
from ..plans.functions.values import dump
from ..plans.functions.writing import begin, finish
from ..plans.settling import settled
from ..servers.drivers.sync import drive

if TYPE_CHECKING:
    from datetime import timedelta
    from types import TracebackType
    from typing import Self

    from ..plans.effects import Plan
    from ..plans.target import Target
    from ..servers.connection import Connection

__all__ = ["Writing", "WritingBlock", "job_of_value", "of_value"]

R = TypeVar("R")


class WritingBlock(Generic[R]):
    """On entry the value is dropped and its lease taken; on exit the new value is stored, or none.

    Another caller may change the same value meanwhile (another ``writing``, an invalidation). The order of
    the two changes at the source is unknown then: nothing is stored, and the next call computes.
    An exception inside stores nothing. If the server fails, entering or leaving raises.
    """

    def __init__(self, job: Job[R], connection: Connection, *, settle: bool = False) -> None:
        self._job = job
        self._connection = connection
        self._settle = settle
        self._token = b""
        self._stamps: list[bytes] = []
        self._held: Any = None
        self._value: tuple[bytes | None, int] = (None, 0)
        self._open = False

    def _begin(self) -> Plan[None]:
        if self._token:
            raise CacheError("writing() serves one block: call it again")
        self._token, self._stamps = yield from begin(self._job)
        self._held = yield Hold(self._job.lease, self._token, self._job.recipe.lease_ms)
        self._open = True

    def put(self, value: R) -> None:
        """The value that is stored when the block ends well. Refused here if it cannot be written."""
        if not self._open:
            raise CacheError("put() belongs inside the block of writing()")
        try:
            self._value = dump(self._job, value)
        except (Carried, CarriedExit) as on_its_way:  # of ``ttl=``; here is no plan
            error = on_its_way.error
        else:
            return
        try:
            raise error
        finally:
            del error  # its traceback holds this frame

    def _end(self, error: BaseException | None) -> Plan[None]:
        self._open = False
        self._held.stop()
        data, ms = self._value
        if error is None and data is not None:
            yield from self._settled(finish(self._job, self._token, self._stamps, data, ms), self._settle)
            return
        try:
            yield from self._settled(delete(self._job), self._settle and error is None)
        except CacheError:
            if error is None:
                raise
            # The error of the block is what the caller has to see; the value was dropped on entry.
            events.log.warning("writing %r ended with an error, and the server failed too", self._job.key)

    def _settled(self, plan: Plan[Any], wanted: bool) -> Plan[Any]:
        return settled(plan, self._job.recipe.flights.settling, wanted, (self._job.key,))


class Writing(WritingBlock[R]):
    __doc__ = WritingBlock.__doc__

    def __enter__(self) -> Self:
        drive(self._begin(), self._connection)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        drive(self._end(error), self._connection)


def job_of_value(name: str, t: Target, ttl: float | timedelta) -> Job[Any]:
    """The job whose value is that of a ``KeyCache``, of the class with this name."""
    connection = t.connection
    recipe = Recipe(name, t, connection.flights, connection.breaker, ttl=ttl, namespace=connection.namespace)
    tags = () if t.place is None else t.place.tags
    return Job(recipe, str(t.key), tags, lambda: None)


def of_value(name: str, t: Target, ttl: float | timedelta, *, settle: bool) -> Writing[Any]:
    """The block around a change of the source of one value, of the class with this name."""
    return Writing(job_of_value(name, t, ttl), t.connection, settle=settle)
