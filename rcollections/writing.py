"""``with f.writing(x) as w:`` around a change of the source: no older value can be stored meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import CacheError
from .plans.tags import begin, delete, finish
from .wire.driver import drive
from .wire.leases import hold

if TYPE_CHECKING:
    from types import TracebackType

    from .plans.job import Job

__all__ = ["Writing"]


class Writing:
    """On entry the value is dropped and its lease taken; on exit the new value is stored, or none.

    If somebody else wrote the same value meanwhile (another ``writing``, an invalidation), the order of
    the two changes at the source is unknown: then nothing is stored, and the next call computes.
    An exception inside stores nothing.
    """

    def __init__(self, job: Job, connection: Any) -> None:
        self._job = job
        self._connection = connection
        self._token = b""
        self._stamps: list[bytes] = []
        self._held: Any = None
        self._value: tuple[Any, ...] = ()
        self._open = False

    def __enter__(self) -> Writing:
        if self._open or self._token:
            raise CacheError("writing() serves one block: call it again")
        self._token, self._stamps = drive(begin(self._job), self._connection)
        self._held = hold(self._connection, self._job.lease, self._token, self._job.lease_ms)
        self._open = True
        return self

    def put(self, value: Any) -> None:
        """The value that is stored when the block ends well."""
        if not self._open:
            raise CacheError("put() belongs inside the block of writing()")
        self._job.dump(value)  # refuse it now rather than after the source has changed
        self._value = (value,)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        self._held.stop()
        data, ms = self._job.dump(*self._value) if self._value and kind is None else (None, 0)
        if data is None:
            drive(delete(self._job), self._connection)
        else:
            stored = drive(finish(self._job, self._token, self._stamps, data, ms), self._connection)
            self._job.note("store" if stored else "refused")
