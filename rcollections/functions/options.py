"""The options of ``@cached``: their defaults, and the check that names what is wrong with one."""

from __future__ import annotations

from datetime import timedelta
from operator import index
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConfigError
from ..handles.options import check, near_miss
from ..plans.target import milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from ..handles.base import BaseCache

    Seconds: TypeAlias = float | timedelta

__all__ = ["Options", "checked", "refuse_unknown", "seconds"]


class Options(NamedTuple):
    """The options of ``@cached``, checked; see ``cached`` for their meaning. None leaves an option to the class."""

    key: str | Callable[..., Any] | None = None
    ttl: Seconds | Callable[[Any], Any] | None = None
    async_ttl: Seconds | None = None
    stale_while_revalidate: Seconds = 0
    stale_if_error: Seconds = 0
    soft_timeout: Seconds | None = None
    tags: tuple[str, ...] | Callable[..., Any] | None = None
    version: str = ""
    lease: Seconds = 3
    cache_errors: tuple[type[Exception], ...] = ()
    cooldown: Seconds = 1
    unstorable: str = "return"
    on_error: str = "compute"
    ignore_self: bool = False
    l1: bool | None = None
    ignore: tuple[str, ...] = ()
    name: str = ""
    prefix: str | None = None
    serialize: bool | None = None
    serializer: Any = None
    connection_name: str | None = None
    jitter: float | None = None
    share: bool | None = None
    settle: bool | None = None
    read_from: str | None = None

    def of(self, cls: type[BaseCache], name: str) -> Any:
        """A class attribute as it is for this function: the option of that name, or what the class says."""
        own = getattr(self, name)
        return getattr(cls, name) if own is None else own

    def own(self) -> dict[str, Any]:
        """The class attributes that are given for this function alone."""
        return {name: value for name in OF_CLASS if (value := getattr(self, name)) is not None}


DEFAULTS = Options()._asdict()
OF_CLASS = ("prefix", "serialize", "serializer", "connection_name", "jitter", "share", "settle", "read_from")
MEANINGLESS = {
    "ttl_from": "says how operations on a collection count the ttl; the result of a function is fresh for ttl= seconds "
    "from its computation",
    "default": "is what a KeyCache gives for a missing value; a function computes what is missing",
}


def refuse_unknown(options: dict[str, Any]) -> None:
    """TypeError for an option that ``@cached`` does not have."""
    for name in sorted(set(options) - set(DEFAULTS)):
        if name in MEANINGLESS:
            raise ConfigError(f"@cached has no option {name!r}: it {MEANINGLESS[name]}")
        meant = near_miss(name, DEFAULTS)
        hint = f"is {meant!r} meant?" if meant else f"known are {', '.join(DEFAULTS)}"
        raise TypeError(f"@cached got an unknown option {name!r}: {hint}")


def seconds(value: Seconds) -> float:
    """A duration as seconds."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    return index(value) if hasattr(value, "__index__") and not isinstance(value, int) else value


def checked(name: str, given: dict[str, Any], cls: type[BaseCache], decorator: str = "@cached") -> Options:
    """All options, or a ConfigError that names decorator, function and option."""
    options = {**DEFAULTS, **given}

    def refuse(option: str, what: str) -> None:
        raise ConfigError(f"{decorator} of {name}: {option} {what}")

    key, ttl = options["key"], options["ttl"]
    if key is not None and not (isinstance(key, str) and key) and not callable(key):
        refuse("key", "is a str that is not empty, a template such as 'user:{id}', or a function of the arguments")
    if ttl is not None and not callable(ttl):
        _duration(refuse, "ttl", ttl)
    for option in ("stale_while_revalidate", "stale_if_error", "lease", "cooldown"):
        _duration(refuse, option, options[option])
    if not seconds(options["lease"]):
        refuse("lease", "is more than 0 seconds")
    if options["soft_timeout"] is not None:
        _duration(refuse, "soft_timeout", options["soft_timeout"])
        if not (seconds(options["stale_while_revalidate"]) or seconds(options["stale_if_error"])):
            refuse(
                "soft_timeout",
                "serves a stale value, and none is kept: give stale_if_error= (or stale_while_revalidate=) as well",
            )
    for option in OF_CLASS:
        if options[option] is not None:
            options[option] = check(f"{decorator} of {name}", option, options[option])
    _early(refuse, options, cls)
    _words(refuse, options)
    _names(refuse, options)
    if options["tags"] is not None and not callable(options["tags"]):
        options["tags"] = check(f"{decorator} of {name}", "tags", options["tags"])
    return Options(**options)


def _early(refuse: Callable[[str, str], None], options: dict[str, Any], cls: type[BaseCache]) -> None:
    if options["async_ttl"] is None:
        return
    early = seconds(options["async_ttl"])
    if isinstance(early, bool) or not isinstance(early, (int, float)) or early != early:
        refuse("async_ttl", "is seconds, negative ones count from the ttl")
    if callable(options["ttl"]):
        if early < 0:
            refuse("async_ttl", "counts from the ttl, which is a function here: give the seconds that are left")
        return
    ttl = seconds(cls.ttl if options["ttl"] is None else options["ttl"])
    jitter = cls.jitter if options["jitter"] is None else options["jitter"]
    if not ttl:
        refuse("async_ttl", "needs a ttl: a value that is fresh for ever is never refreshed")
    left = early if early >= 0 else ttl + early
    shortest = ttl * (1 - jitter)
    if not 0 < left < shortest:
        refuse("async_ttl", f"lies within the ttl of {ttl} s (with jitter {shortest} s at least), not {early!r}")


def _words(refuse: Callable[[str, str], None], options: dict[str, Any]) -> None:
    errors = options["cache_errors"]
    errors = (errors,) if isinstance(errors, type) else errors
    if not isinstance(errors, (tuple, list, set, frozenset)) or not all(
        isinstance(each, type) and issubclass(each, Exception) for each in errors
    ):
        refuse("cache_errors", "is a tuple of exception types")
    options["cache_errors"] = tuple(errors)
    if options["on_error"] not in ("compute", "raise"):
        refuse("on_error", f"is 'compute' or 'raise', not {options['on_error']!r}")
    if options["unstorable"] not in ("return", "raise"):
        refuse("unstorable", f"is 'return' or 'raise', not {options['unstorable']!r}")
    version = options["version"]
    if isinstance(version, bool) or not isinstance(version, (str, int)):
        refuse("version", "is a str")
    if not isinstance(version, str):  # Python limits the decimal text of long ints
        options["version"] = hex(version) if version.bit_length() > 64 else str(version)
    if not isinstance(options["ignore_self"], bool):
        refuse("ignore_self", "is True or False")
    if options["l1"] is not None and not isinstance(options["l1"], bool):
        refuse("l1", "is True, False, or None for what the class says")


def _names(refuse: Callable[[str, str], None], options: dict[str, Any]) -> None:
    ignore = options["ignore"]
    if isinstance(ignore, str) or not isinstance(ignore, (tuple, list, set, frozenset)):
        refuse("ignore", "is a tuple of names of parameters, such as ('db', 'request')")
    if not all(isinstance(each, str) and each for each in ignore):
        refuse("ignore", "holds something else than names of parameters")
    if ignore and options["key"] is not None:
        refuse("ignore", "leaves parameters out of the automatic key, and key= makes the key itself")
    options["ignore"] = tuple(ignore)


def _duration(refuse: Callable[[str, str], None], option: str, value: Any) -> None:
    try:
        milliseconds(value)
    except OverflowError:
        refuse(option, "is a number beyond all clocks")
    except (TypeError, ValueError) as error:
        refuse(option, f"is wrong: {error}")
