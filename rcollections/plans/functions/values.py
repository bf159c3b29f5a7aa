"""The values of a call: from bytes to the value for the caller, and back, with the ttl that the result asks for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import DecodeError, EncodeError
from ...l1 import is_immutable
from ..effects import carried
from ..entries import ERROR

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..entries import Entry
    from .found import Found
    from .job import Job

__all__ = ["dump", "dump_error", "give", "kept", "load", "load_shared", "returned"]

R = TypeVar("R")


class Raised:
    """A cached exception that was loaded: ``give`` raises it."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


# -- reading ---------------------------------------------------------------------------------------


def load(job: Job[object], entry: Entry) -> tuple[bool, object]:
    """(True, the value or what ``give`` raises), or (False, None) for bytes that cannot be read."""
    recipe = job.recipe
    try:
        if entry.kind == ERROR:
            if recipe.load_error is None:
                return False, None
            error = recipe.load_error(entry.value, job.key)
            return (False, None) if error is None else (True, Raised(error))
        return True, recipe.target.load_for(job.key, entry.value)
    except DecodeError:
        job.note("unreadable")
        return False, None
    except StopIteration as error:  # of ``normalize``
        raise carried(error) from None


def load_shared(job: Job[object], found: Found) -> tuple[bool, object]:
    """``load`` for several callers of one read: decoded once, if no caller can change the value, or with ``share``."""
    target = job.recipe.target
    decoded = found.decoded
    if decoded is not None and decoded[0] is target:
        return True, decoded[1]
    usable, result = load(job, found.entry)
    if usable and (job.recipe.share or is_immutable(result)):
        found.decoded = target, result
    return usable, result


def give(_job: Job[R], loaded: Any) -> R:
    """The loaded value, for the caller of this job; a cached exception is raised."""
    if type(loaded) is Raised:
        raise carried(loaded.error)
    value: R = loaded
    return value


# -- writing ---------------------------------------------------------------------------------------


def dump(job: Job[R], value: R) -> tuple[bytes | None, int]:
    """The bytes of a result and its ttl in ms; None: this result is not to be stored."""
    recipe = job.recipe
    ms = _ttl(job, value)
    if ms is None:
        return None, 0
    recipe.saw(ms)
    return recipe.target.dumps_for(job.key, value), ms


def kept(job: Job[R], value: R) -> tuple[bytes | None, int]:
    """``dump`` of a computed result: one that no codec carries is not to be stored, unless the function is strict."""
    try:
        data, ms = dump(job, value)
    except EncodeError as error:
        if job.recipe.strict:
            raise
        job.unstorable = True
        job.note("unstorable", error)
        job.recipe.unstorable(error)
        data, ms = None, 0
    job.unkept = data is None
    return data, ms


def dump_error(job: Job[object], error: BaseException) -> tuple[bytes | None, int]:
    """The bytes and ttl of an exception that is cached like a result; None: it is not cached, or not writable."""
    recipe = job.recipe
    if recipe.dump_error is None or not isinstance(error, recipe.cache_errors):
        return None, 0
    try:
        data = recipe.dump_error(error, job.key)
    except EncodeError:
        job.note("unwritable")
        return None, 0
    return data, recipe.target.ms() if callable(recipe.ttl) else recipe.target.ms(recipe.ttl)


def _chosen(ttl: Callable[[object], Any], value: object) -> Any:
    """What the ``ttl=`` function of the user gives for this result."""
    try:
        return ttl(value)
    except (StopIteration, GeneratorExit) as error:
        raise carried(error) from None


def _ttl(job: Job[object], value: object) -> int | None:
    """The ttl of a result in ms, 0 for ever; None: it is not to be stored, as at 0 or below of a ``ttl=`` function."""
    ttl = job.ttl
    if not callable(ttl):
        return job.recipe.target.ms(ttl)
    chosen = _chosen(ttl, value)
    if chosen is None:
        return 0  # for ever
    if isinstance(chosen, timedelta):
        chosen = chosen.total_seconds()
    if isinstance(chosen, (int, float)) and not isinstance(chosen, bool) and chosen <= 0:
        return None
    try:
        return job.recipe.target.ms(chosen)
    except (TypeError, ValueError) as error:
        raise type(error)(f"ttl= of {job.recipe.name} gave {chosen!r}: {error}") from None


def returned(job: Job[R], value: R, data: bytes | None) -> R:
    """The value for the owner: with ``round_trip`` it is read back from the bytes, as later callers will get it."""
    if not job.recipe.round_trip or data is None:
        return value
    try:
        read: R = job.recipe.target.load_for(job.key, data)
    except StopIteration as error:  # of ``normalize``
        raise carried(error) from None
    return read
