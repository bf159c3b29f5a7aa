"""How the calls of a function are named on the server: their keys and tags, with or without a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import CacheError, ConfigError
from ..handles.base import BaseCache
from ..handles.options import check
from ..plans.naming import beside, heard, namespaced, tag, tags
from ..plans.parts import SHORT, join, no_name_of_ours, simple
from ..plans.purpose import Whole
from ..wire.packing import pack
from .arguments import LONGEST
from .keyfunctions import advise_constant, refuse_other_arguments
from .places import named
from .templates import Template
from .variants import variant

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

    from .arguments import Arguments
    from .identity import Identity
    from .options import Options

__all__ = ["Keys", "Names"]


FUNCTIONS = "fn:"  # what the automatic keys of all functions begin with, outside of the prefixes of classes


class Keys:
    """The beginnings of one function's keys."""

    def __init__(
        self,
        name: str,
        identity: Identity,
        cls: type[BaseCache],
        options: Options,
        arguments: Arguments,
        decorator: str,
    ) -> None:
        self.name = name
        self.cls = cls
        self.options = options
        self.arguments = arguments
        self.class_prefix: str = options.of(cls, "prefix")
        if options.prefix is not None and not _is_plain(cls):
            raise ConfigError(
                f"{decorator} of {name}: prefix= cannot be given with {cls.__name__}, which makes its keys itself"
            )
        self.template: Template | None = None
        self._identity = identity
        self._variant = ""
        given = options.key
        self._automatic = given is None and decorator == "@cached"
        if isinstance(given, str):
            self._constant_or_template(given, decorator)
        elif given is not None:
            refuse_other_arguments(given, arguments, decorator)
        elif self._automatic:
            self._variant = variant(arguments.fn, cls, options)

    def _constant_or_template(self, given: str, decorator: str) -> None:
        def refuse(what: str) -> NoReturn:
            raise ConfigError(f"{decorator} of {self.name}: key={given!r} {what}")

        if "{" in given or "}" in given:
            self.template = Template(given, self.arguments, refuse)
        if self.template is not None and self.template.fields:
            return
        advise_constant(given, self.arguments, decorator)
        if self.template is None:
            join(self.cls.__name__, self.class_prefix, (given,))  # refuse here what is no key

    @property
    def by_arguments(self) -> bool:
        """Whether calls with the same arguments certainly have the same key, so that the arguments can stand for it.

        A ``key=`` function may look at more than its arguments, and a template at attributes of the instance.
        """
        given, template = self.options.key, self.template
        if callable(given) or self.options.ignore:
            return False
        return template is None or not (self.arguments.method or any(field.attributes for field in template.fields))

    def prefix(self, namespace: str) -> str:
        """The beginning of the keys of all calls, before "("; CacheError for a function with a ``key=`` of its own."""
        if self.options.key is not None:
            raise CacheError(
                f"{self.name} has a key= of its own, so its entries cannot be told from others: invalidate single "
                "calls, give it tags, or clean() a class with a prefix"
            )
        version = self.options.version
        own = self._identity.path + self._variant + (f"@{named(version)}" if version else "")
        return self._under(namespace, f"{self.class_prefix}." if self.class_prefix else FUNCTIONS, own)

    def whole(self, namespace: str) -> Whole | None:
        """All keys of this function and their leases; None where other keys begin like these."""
        if not self._automatic:
            return None
        beginning = f"{self.prefix(namespace)}("
        inside = beginning if "{" in beginning else f"{{{beginning}"
        return Whole(beginning, beside(namespace, "l") + inside)

    def _under(self, namespace: str, beginning: str, own: str) -> str:
        return f"{namespace}.{beginning}{own}" if namespace else f"{beginning}{own}"

    def common(self, namespace: str, *, asked: bool) -> list[str] | None:
        """The beginnings of all keys that a result depends on.

        None: the keys have no beginning in common, and the function does not ask for L1 itself (``asked``).
        """
        given = self.options.key
        if given is None:  # one beginning for all functions: a server is asked for few
            found = [self._under(namespace, f"{self.class_prefix}." if self.class_prefix else FUNCTIONS, "")]
        elif self.class_prefix:
            found = heard(namespace, self.class_prefix)
        elif isinstance(given, str) and self.template is None:
            found = heard(namespace, join(self.cls.__name__, "", (given,)))
        elif namespace or asked:
            found = []  # each call tells: see ``Holding.under``
        else:
            return None
        return [*found, tags(namespace)] if self.options.of(self.cls, "tags") else found

    @property
    def without_beginning(self) -> bool:
        """Whether the keys of the calls have no beginning in common that is known before a call."""
        given = self.options.key
        return not self.class_prefix and (callable(given) or self.template is not None)


class Names:
    """The names of calls in one namespace. The parts that do not depend on arguments are made here, once."""

    __slots__ = (
        "_arguments", "_before", "_behind", "_given", "_head", "_keys", "_namespace", "_plain", "_prefix", "_room",
        "_template", "_whole", "fixed_tags",
    )  # fmt: skip

    def __init__(self, keys: Keys, namespace: str) -> None:
        cls, options = keys.cls, keys.options
        self._keys = keys
        self._arguments = keys.arguments
        self._namespace = namespace
        self._template = keys.template
        self._plain = _is_plain(cls)  # then the key of ``cls(*parts)`` is made without a handle
        # What stands before the parts of a key.
        self._head = f"{namespace}." if namespace else ""
        if keys.class_prefix:
            self._head += f"{keys.class_prefix}."
        self._given = options.key
        self._whole: str | None = None  # the key, where all calls have the same
        self._prefix, self._room = "", 0
        if self._given is None:
            self._prefix = keys.prefix(namespace) + "("
            self._room = max(40, LONGEST - len(self._prefix.encode()) - 1)
        elif self._plain and isinstance(self._given, str):
            if self._template is None:
                self._whole = self.of(self._given)
            elif not self._template.fields:
                self._whole = self.of_text(self._template.text((), {}))
        tags = options.of(cls, "tags")
        self.fixed_tags: tuple[str, ...] | None = None if callable(tags) else self._named(tags)
        self._before = self._behind = b""  # of the command that reads a call's entry
        if self.fixed_tags is not None and self._plain:
            self._before = b"*%d\r\n$4\r\nMGET\r\n$" % (2 + len(self.fixed_tags))
            self._behind = b"\r\n" + b"".join(
                b"$%d\r\n%b\r\n" % (len(each), each) for each in map(str.encode, self.fixed_tags)
            )

    def of(self, *parts: object) -> str:
        """The key of ``cls(*parts)``."""
        cls = self._keys.cls
        if self._plain:
            text = simple(parts)
            if text:
                return self._head + text
            # A call must not fail for what a user typed, so a single text is escaped like a part.
            own = join(cls.__name__, self._keys.class_prefix, parts, lenient=True)
            return namespaced(self._namespace, own)
        return self._handle(parts).key

    def of_text(self, text: str) -> str:
        """The key of one part whose text is escaped already."""
        if not self._plain:
            return self._handle((text,)).key
        prefix = self._keys.class_prefix
        own = f"{prefix}.{text}" if prefix and text else prefix or no_name_of_ours(text)
        if not own:
            raise ValueError(f"{self._keys.name}: key= gave an empty key, and {self._keys.cls.__name__} has no prefix")
        return f"{self._namespace}.{own}" if self._namespace else own

    def _handle(self, parts: Iterable[object]) -> BaseCache:
        """A handle of a class that makes its keys itself."""
        handle = self._keys.cls(*parts)
        name = self._keys.options.connection_name
        if name is not None:
            handle.connection_name = name
        return handle

    def made(self, made: object) -> str:
        """The key for the result of a ``key=`` function; TypeError for a result that is no key."""
        if isinstance(made, (list, tuple)):
            return self.of(*made)
        if isinstance(made, str):
            return self.of(made)
        name = self._keys.name
        raise TypeError(f"{name}: key= gave a {type(made).__name__}; it gives a str, or a sequence of key parts")

    def key(self, args: tuple[object, ...], kwargs: dict[str, object]) -> str:
        """The whole key of a call, as the server gets it."""
        given = self._given
        if given is None:
            arguments = self._arguments
            if len(args) == 1 == arguments.count and not kwargs and not arguments.method:
                only = args[0]  # ``Arguments.text`` of a function of one number: the most frequent call
                if type(only) is int and -SHORT < only < SHORT:
                    return f"{self._prefix}{only})"
            return f"{self._prefix}{arguments.text(args, kwargs, self._room)})"
        if self._whole is not None:
            return self._whole
        if self._template is not None:
            return self.of_text(self._template.text(args, kwargs))
        if isinstance(given, str):
            return self.of(given)
        made = given(*args, **kwargs)
        if self._plain and (type(made) is list or type(made) is tuple):
            text = simple(made)
            if text:
                return self._head + text
        return self.made(made)

    def tags(self, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[str, ...]:
        """The keys of a call's tags, each once, in one order: stamps are compared one by one."""
        if self.fixed_tags is not None:
            return self.fixed_tags
        tags: Any = self._keys.options.tags
        return self._named(check(self._keys.name, "tags", tags(*args, **kwargs)))

    def read(self, key: str, tags: tuple[str, ...]) -> bytes:
        """The command that reads the entry of a call, and the stamps of its tags."""
        if not self._before:
            return pack(("MGET", key, *tags))
        data = key.encode()
        return b"%b%d\r\n%b%b" % (self._before, len(data), data, self._behind)

    def _named(self, tags: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(tag(self._namespace, name) for name in (sorted(set(tags)) if len(tags) > 1 else tags))


def _is_plain(cls: type[BaseCache]) -> bool:
    """Whether the class makes the key of ``cls(*parts)`` of prefix and parts alone, as ``BaseCache`` does."""
    own = {name for base in cls.__mro__[: cls.__mro__.index(BaseCache)] for name in base.__dict__}
    return isinstance(cls.prefix, str) and not own & {"__init__", "__new__", "key"}
