"""``ItemKeys``: the key of each id of a ``multi_cached`` function, made of the id and of the call's other arguments."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..handles.base import BaseCache
    from .callkeys import Names

__all__ = ["ItemKeys"]

Parameter = inspect.Parameter
_BY_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class ItemKeys:
    """How one function names its ids on the server. What could give one caller another one's answer is refused.

    Without ``key=`` the key of an id is ``cls(id)``. A ``key=`` function is called like the function itself, with the
    one id in the place of the ids; it may leave out the parameters of ``ignore=``.
    """

    def __init__(
        self,
        name: str,
        signature: inspect.Signature,
        cls: type[BaseCache],
        arg: str,
        key: Callable[..., Any] | None,
        ignore: Iterable[str],
    ) -> None:
        self._name = f"@multi_cached of {name}"
        self._parameters = signature.parameters
        self._arg = arg
        self._key = key
        ids = self._parameters.get(arg)
        if ids is None or ids.kind is Parameter.VAR_KEYWORD:
            raise ConfigError(f"{self._name}: it has no parameter {arg!r} that could take the ids")
        self.spread = ids.kind is Parameter.VAR_POSITIONAL
        self.ignore = self._names(ignore)
        others = [each for each in self._parameters.values() if each.name != arg and each.name not in self.ignore]
        if key is None:
            if not cls.prefix:
                raise ConfigError(
                    f"{self._name}: {cls.__name__} has no prefix, so its keys could be those of any other class: give "
                    "the class a prefix, or the decorator a key="
                )
            self._passed: Sequence[Parameter] = ()
            if others:
                raise ConfigError(f"{self._name}: {self._differ(others)}")
        else:
            self._passed = self._taken(key, others)

    def _names(self, ignore: Iterable[str]) -> frozenset[str]:
        """The names in ``ignore=``, all of parameters that the function has."""
        names = frozenset(() if isinstance(ignore, str) else ignore)
        if isinstance(ignore, str) or not all(isinstance(each, str) for each in names):
            raise ConfigError(f"{self._name}: ignore is a tuple of names of parameters, such as ('self',)")
        if self._arg in names:
            raise ConfigError(f"{self._name}: {self._arg!r} takes the ids, which cannot be ignored")
        if any(each.kind is Parameter.VAR_KEYWORD for each in self._parameters.values()):
            return names  # any name may be given
        for each in sorted(names):
            if each not in self._parameters:
                raise ConfigError(f"{self._name}: ignore names {each!r}, and the function has no such parameter")
        return names

    def _differ(self, others: Sequence[Parameter]) -> str:
        """What to do about parameters of which nothing says whether the values depend on them."""
        names = [each.name for each in others]
        told = " and ".join(filter(None, (", ".join(map(repr, names[:-1])), repr(names[-1]))))
        wanted = ", ".join(str(each.replace(annotation=each.empty, default=each.empty)) for each in self._like_call())
        return (
            f"do the values depend on {told}? If so, give a key= that takes {'it' if len(names) == 1 else 'them'}, as "
            f"in key=lambda {wanted}: (…); if not, name {'it' if len(names) == 1 else 'them'} in ignore="
        )

    def _like_call(self) -> list[Parameter]:
        """The parameters of a key function that is called like the function itself."""
        return [
            Parameter("id", Parameter.POSITIONAL_OR_KEYWORD) if each.name == self._arg else each
            for each in self._parameters.values()
        ]

    def _taken(self, key: Callable[..., Any], others: Sequence[Parameter]) -> Sequence[Parameter]:
        """The parameters whose arguments the key function gets: all but the ignored ones, or all of them."""
        ids = self._parameters[self._arg]
        try:
            signature = inspect.signature(key)
        except ValueError:  # a function of C that does not tell what it takes: it gets the id
            if others:
                raise ConfigError(f"{self._name}: {self._differ(others)}") from None
            return (ids,)
        everything = list(self._parameters.values())
        for passed in ([each for each in everything if each is ids or each in others], everything):
            if _takes(signature, passed, ids):
                return passed
        if others and _takes(signature, [ids], ids):
            raise ConfigError(f"{self._name}: its key= takes the id alone; {self._differ(others)}")
        wanted = ", ".join(map(str, self._like_call()))
        raise ConfigError(f"{self._name}: key= is called like the function, with one id for the ids: ({wanted})")

    def of(self, names: Names, arguments: Mapping[str, Any]) -> Callable[[object], str]:
        """Gives the key of an id in a call with these arguments, defaults included."""
        key = self._key
        if key is None:
            return lambda each: names.of(*each) if isinstance(each, (list, tuple)) else names.of(each)
        before: list[object] = []
        after: list[object] = []
        by_name: dict[str, object] = {}
        place = before
        for each in self._passed:
            if each.name == self._arg:
                place = after
            elif each.kind in _BY_PLACE:
                place.append(arguments[each.name])
            elif each.kind is Parameter.VAR_POSITIONAL:
                place.extend(arguments[each.name])
            elif each.kind is Parameter.KEYWORD_ONLY:
                by_name[each.name] = arguments[each.name]
            else:
                more: dict[str, object] = arguments[each.name]
                by_name.update({name: value for name, value in more.items() if name not in self.ignore})
        return lambda each: names.made(key(*before, each, *after, **by_name))


def _takes(signature: inspect.Signature, passed: Sequence[Parameter], ids: Parameter) -> bool:
    """Whether a function of this signature can be called with the arguments of these parameters."""
    kinds = {each.kind for each in signature.parameters.values()}
    args: list[None] = []
    by_name: dict[str, None] = {}
    for each in passed:
        if each is ids or each.kind in _BY_PLACE:
            args.append(None)
        elif each.kind is Parameter.KEYWORD_ONLY:
            by_name[each.name] = None
        elif each.kind not in kinds:  # any number of arguments needs a function that takes any number
            return False
    try:
        signature.bind(*args, **by_name)
    except TypeError:
        return False
    return True
