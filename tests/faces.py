"""Makes the async faces from the sync ones: ``python -m tests.faces`` writes them, ``tests/test_faces.py`` compares.

A method of a sync type that carries an operation out becomes an ``async def`` of the same signature. What Python asks
without awaiting (``len``, ``==``, operators) is left out; ``handles/aio/guards`` refuses it. Other parts, such as
how operations are carried out, are written by hand.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING

from tests.imports import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Set
    from pathlib import Path

MADE = (
    "handles/operations", "handles/edit", "collections/keylife", "collections/keymany", "collections/keyblocks",
    "collections/keycache",
    "collections/hashcache", "collections/dictcache", "collections/counteralgebra", "collections/countercache",
    "collections/setalgebra", "collections/setcache", "collections/sortedalgebra", "collections/sortedsetcache",
)  # fmt: skip
NAMES = (
    "Writing", "Operations", "Edit", "Pipeline", "ValueLife", "ManyValues", "ValueBlocks", "KeyCache", "HashCache",
    "DictCache", "CounterAlgebra", "CounterCache", "SetAlgebra", "SetCache", "SortedAlgebra", "SortedSetCache",
)  # fmt: skip
BY_HAND = {"handles/pipeline"}  # their async forms stand beside the made ones
AWAITED = {"functions.writing": "functions.aio_writing"}
DUNDERS = {"__init__", "__getitem__", "__iter__", "__enter__", "__exit__", "__missing__"}
LEFT_OUT = {"aio", "sync", "_operand", "_each", "_store_at_once", "_in_place", "_from_iterable", "_foreign", "_found"}
VIEWS = {"FieldsView", "HashValuesView", "HashItemsView"}
START = {"_run", "_operand", "_each", "_ask", "_ask_about", "_ask_to_put", "create", "clean"}
OURS = {"self", "handle", "new", "cls", "super()", "self._handle", "handles[0]", "self._fenced(since)", "KeyCache"}
PLAIN = re.compile(r"(?:, )?(?:MutableMapping|MutableSet|AbstractSet)\[(?:[^\[\]]|\[[^\]]*\])*\]")
EXAMPLES = {
    "AsyncKeyCache": """\
    >>> import asyncio
    >>> from rcollections import AsyncKeyCache
    >>> class Price(AsyncKeyCache[int]):
    ...     prefix = "price"
    ...     ttl = 60
    >>> async def main() -> None:
    ...     price = await Price.create("apple", data=3)
    ...     print(await price.increment(2), await price.get())
    >>> asyncio.run(main())
    5 5
""",
    "AsyncDictCache": """\
    >>> import asyncio
    >>> from rcollections import AsyncDictCache
    >>> class Profile(AsyncDictCache[str, int]):
    ...     prefix = "profile"
    ...     ttl = 600
    >>> async def main() -> None:
    ...     ann = await Profile.create(42, data={"visits": 1})
    ...     await ann.set("age", 30)
    ...     print(await ann["age"], [each async for each in ann.items()])
    >>> asyncio.run(main())
    30 [('visits', 1), ('age', 30)]
""",
    "AsyncSetCache": """\
    >>> import asyncio
    >>> from rcollections import AsyncSetCache
    >>> class Online(AsyncSetCache[str]):
    ...     prefix = "online"
    ...     ttl = 60
    >>> async def main() -> None:
    ...     web = await Online.create("web", data={"ann", "bob"})
    ...     app = await Online.create("app", data=["bob", "eve"])
    ...     print(await web.add("ann"), await web.intersection(app))
    >>> asyncio.run(main())
    False {'bob'}
""",
    "AsyncSortedSetCache": """\
    >>> import asyncio
    >>> from rcollections import AsyncSortedSetCache
    >>> class Best(AsyncSortedSetCache[str]):
    ...     prefix = "best"
    ...     ttl = 600
    >>> async def main() -> None:
    ...     game = await Best.create("chess", data={"ann": 3, "bob": 1})
    ...     print(await game.incr("bob", 5), [each async for each in game], await game[0])
    >>> asyncio.run(main())
    6.0 [('ann', 3.0), ('bob', 6.0)] ('ann', 3.0)
""",
    "AsyncCounterCache": """\
    >>> import asyncio
    >>> from rcollections import AsyncCounterCache
    >>> class Hits(AsyncCounterCache[str]):
    ...     prefix = "hits"
    >>> async def main() -> None:
    ...     hits = await Hits.create("today", data=["/", "/", "/about"])
    ...     await hits.increment("/about", 2)
    ...     print(await hits.most_common(1), await hits["/nobody"])
    >>> asyncio.run(main())
    [('/about', 3)] 0
""",
}
# What differs in single files.
OWN = {
    "handles/operations": (
        ("class AsyncOperations(BaseCache, Running):", "class AsyncOperations(AsyncOperands):"),
        ("from ..base import BaseCache", "from .operands import AsyncOperands"),
        ("servers.drivers.sync import drive", "servers.drivers.aio import adrive"),
        ("from ..running import Running\n", ""),
        ("from ..pipeline import", "from .pipeline import"),
    ),
    "handles/edit": (
        ("from ..running import Running", "from .running import AsyncRunning"),
        (": Running", ": AsyncRunning"),
    ),
    "collections/keylife": (
        (
            "from ..keyvalue import KeyValue",
            "from ...handles.aio.operations import AsyncOperations\nfrom ..keybinding import KeyBinding",
        ),
        ("(KeyValue[V], Generic", "(AsyncOperations, KeyBinding, Generic"),
    ),
    "collections/setalgebra": (
        ("class AsyncSetAlgebra(AsyncOperations):", "class AsyncSetAlgebra(AsyncOperations, Generic[T]):"),
        ("import TYPE_CHECKING, Any, TypeVar", "import TYPE_CHECKING, Any, Generic, TypeVar"),
    ),
    "collections/sortedsetcache": (("self._score(elem,", "self._score(await self._operand(elem),"),),
}
# What differs in words.
WORDS = (
    (" view of the fields, which asks the server whenever it is used.", "ll fields, page by page: ``async for``."),
    (" view of the values, which asks the server whenever it is used.", "ll values, page by page: ``async for``."),
    (
        " view of fields and values, which asks the server whenever it is used.",
        "ll fields with their values, page by page: ``async for``.",
    ),
    (" ``int()``, ``float()``, ``str()``, ``bool()`` and the\n    comparisons work on the value; a missing", ""),
    (" value is less than any other.", ""),
    (
        "Operators, and the methods\n    named like them, give plain sets. Between SetCaches of one connection they "
        "run on the server, and\n    in-place forms change",
        "Methods\n    named like operators give plain sets. Between sets of one connection they run on the server, "
        "and\n    those that end in ``update`` change",
    ),
    (
        "``c[field] += 1`` reads and then sends one increment, so that no caller's counting is lost; so does\n"
        "    ``-=``. Every other assignment sets. ``increment`` adds in one round trip. Counts",
        "``increment`` adds in one round trip, so that no caller's counting is lost; ``set`` sets.\n    Counts",
    ),
    (
        "Operators and ``copy()`` give\n    plain ``Counter``; the in-place forms run on the server.",
        "``copy()`` gives\n    a plain ``Counter``; ``combine`` runs on the server.",
    ),
    ("``d[field] += 1`` reads and writes, and can lose", "Reading and storing can lose"),
    (" whole, page by page, by views", " whole, and page by page"),
)
# Written by hand, since asyncio has another form of these.
OVERRIDES = {
    ("handles/operations", "create"): """\
        if data is MISSING:
            return cls(*parts, **overrides)
        new = cls(*parts, **overrides)
        await new._replace(data)
        return new
""",
    ("handles/operations", "clean"): """\
        if not cls.prefix:
            raise ValueError(f"{cls.__name__}.clean() needs a prefix: without one it would remove everybody's keys")
        connection = registry.connection(cls.connection_name)
        return await adrive(plans.clean(connection.namespace, cls.prefix), connection)
""",
    ("collections/hashcache", "plain"): "    return dict(other) if isinstance(other, Mapping) else other\n",
    ("collections/counteralgebra", "_counter"): "    found: Counter[Any] = other\n    return found\n",
    ("collections/sortedsetcache", "equals"): """\
        other = await self._operand(other, plain=True)
        return isinstance(other, Mapping) and await self._run(algebra.equal(self._bound(), other))
""",
    ("collections/hashcache", "keys"): "        return self._iterate(plans.fields(self._bound()))\n",
    ("collections/hashcache", "values"): "        return self._iterate(plans.values(self._bound()))\n",
    ("collections/hashcache", "items"): "        return self._iterate(plans.items(self._bound()))\n",
}
VIEW_TYPES = {
    "KeysView[K]": "AsyncIterator[K]",
    "ValuesView[V]": "AsyncIterator[V]",
    "ItemsView[K, V]": "AsyncIterator[tuple[K, V]]",
}


def source(name: str) -> Path:
    """The file of a sync face."""
    return PACKAGE / f"{name}.py"


def target(name: str) -> Path:
    """The file of the async face that is made from it."""
    room, _, stem = name.partition("/")
    return PACKAGE / room / "aio" / f"{stem}.py"


def _methods(name: str) -> Iterator[ast.FunctionDef]:
    for each in ast.parse(source(name).read_text()).body:
        if isinstance(each, ast.ClassDef):
            yield from (method for method in each.body if isinstance(method, ast.FunctionDef))


def _calls(node: ast.AST, names: Set[str]) -> Iterator[ast.Call | ast.Subscript]:
    """The calls in a method that have to be awaited; those of inner functions are not its own."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Lambda, ast.FunctionDef)):
            continue
        yield from _calls(child, names)
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute):
            owner = ast.unparse(child.func.value)
            if child.func.attr in names and (owner in OURS or owner.startswith("cls(")):
                yield child
        elif isinstance(child, ast.Subscript) and ast.unparse(child.value) == "self":
            yield child


@cache
def awaited() -> frozenset[str]:
    """The names of all methods that carry operations out, by themselves or by others."""
    names = set(START)
    every = [method for name in MADE for method in _methods(name)]
    while True:
        more = {each.name for each in every if any(_calls(each, names))} - names
        if not more:
            return frozenset(names)
        names |= more


def _docstring(text: str, owner: str = "") -> str:
    """A docstring without examples, which are synchronous; of a class with an example of its own."""
    text = re.sub(r"\n\s*>>> .*?(?=\"\"\"$)", "\n", text, flags=re.S) if ">>>" in text else text
    text = re.sub(r"\n(\s*\n)+(\s*)\"\"\"$", r'\n\2"""', text)
    text = text.replace("``with ", "``async with ")
    for old, new in WORDS:
        text = text.replace(old, new)
    if owner in EXAMPLES:
        text = text[: -len('"""')].rstrip() + "\n\n" + EXAMPLES[owner] + '    """'
    return text


def named(text: str) -> str:
    """A text with the names of the async types."""
    text = re.sub(rf"\b({'|'.join(NAMES)})\b(?! are)", r"Async\1", text)
    return re.sub(r"\b([Aa]) Async", r"\1n Async", text)


def docstring(text: str) -> str:
    """What the docstring of a method says in its async face."""
    return named(_docstring(f'{text}\n"""'))[: -len('"""')].rstrip()


class Making:
    """One file."""

    def __init__(self, name: str, names: Set[str]) -> None:
        self.name = name
        self.room = name.partition("/")[0]
        self.text = source(name).read_text()
        self.names = names
        self.starts = [0]
        for line in self.text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line.encode()))
        self.data = self.text.encode()

    def at(self, line: int, column: int) -> int:
        return self.starts[line - 1] + column

    def end(self, node: ast.expr | ast.stmt) -> int:
        return self.at(node.end_lineno or 0, node.end_col_offset or 0)

    def span(self, node: ast.stmt) -> tuple[int, int]:
        """Where a statement stands, decorators and comments before it included."""
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
        return self.at(first, 0), self.end(node)

    def made(self) -> str:
        tree = ast.parse(self.text)
        edits: list[tuple[int, int, str]] = []
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
                first = node.body[0]
                a, b = self.at(first.lineno, first.col_offset), self.span(first)[1]
                owner = f"Async{node.name}" if isinstance(node, ast.ClassDef) else ""
                edits.append((a, b, _docstring(self.data[a:b].decode(), owner)))
        for each in tree.body:
            if isinstance(each, ast.ClassDef):
                if each.name in VIEWS:
                    edits.append((*self.span(each), ""))
                    continue
                edits += self.of_class(each)
            elif isinstance(each, ast.FunctionDef) and each.name in LEFT_OUT:
                edits.append((*self.span(each), ""))
            elif isinstance(each, ast.FunctionDef) and (self.name, each.name) in OVERRIDES:
                edits.append(self.of_body(each))
        edits += [edit for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for edit in self.of_import(node)]
        done, last = [], 0
        for a, b, new in sorted(edits, key=lambda edit: (edit[0], -edit[1])):
            if b < last or a < last:  # inside of what is replaced as a whole
                continue
            done += [self.data[last:a], new.encode()]
            last = b
        return self.renamed(b"".join([*done, self.data[last:]]).decode())

    def of_body(self, function: ast.FunctionDef) -> tuple[int, int, str]:
        """The body that was written by hand, behind the docstring."""
        first = function.body[1 if ast.get_docstring(function) else 0]
        own = OVERRIDES[self.name, function.name]
        return self.at(first.lineno, 0), self.span(function)[1], own.rstrip("\n")

    def of_class(self, cls: ast.ClassDef) -> Iterator[tuple[int, int, str]]:
        for each in cls.body:
            if isinstance(each, ast.FunctionDef):
                yield from self.of_method(each)
            elif isinstance(each, ast.Assign):  # another name of a method
                name, value = ast.unparse(each.targets[0]), ast.unparse(each.value)
                if value.startswith("__") or (name.startswith("__") and name not in DUNDERS):
                    yield (*self.span(each), "")
            elif isinstance(each, ast.If) and self.name == "collections/hashcache":  # what its views call
                yield (*self.span(each), "")

    def of_method(self, method: ast.FunctionDef) -> Iterator[tuple[int, int, str]]:
        setter = any(ast.unparse(each).endswith((".setter", ".deleter")) for each in method.decorator_list)
        if (method.name.startswith("__") and method.name not in DUNDERS) or method.name in LEFT_OUT or setter:
            yield (*self.span(method), "")
            return
        own = OVERRIDES.get((self.name, method.name))
        calls = list(_calls(method, self.names))
        a = self.at(method.lineno, method.col_offset)
        returns = method.returns
        if own is not None:
            yield self.of_body(method)
        iterates = "_iterate" in ast.unparse(method) or (own or "").count("_iterate")
        if method.name == "__iter__":
            yield (a, a + len("def __iter__"), "def __aiter__")
        elif method.name in ("__enter__", "__exit__"):
            yield (a, a + len("def __"), "async def __a")
        elif calls or (method.name in self.names and not iterates):  # also an abstract one, and one that refuses
            yield (a, a, "async ")
        if iterates and returns is not None:
            c, d = self.at(returns.lineno, returns.col_offset), self.end(returns)
            shown = self.data[c:d].decode()
            yield (c, d, VIEW_TYPES.get(shown, shown.replace("Iterator[", "AsyncIterator[")))
        if own is None:
            for call in calls:
                yield from self.of_call(method, call)
        if own is None:
            yield from self.of_elements(method)

    def of_call(self, method: ast.FunctionDef, call: ast.Call | ast.Subscript) -> Iterator[tuple[int, int, str]]:
        a, b = self.at(call.lineno, call.col_offset), self.end(call)
        parent = next(node for node in ast.walk(method) if call in ast.iter_child_nodes(node))
        inner = isinstance(parent, (ast.Attribute, ast.Subscript)) and parent.value is call
        yield (a, a, "(await " if inner else "await ")
        if inner:
            yield (b, b, ")")

    def of_elements(self, method: ast.FunctionDef) -> Iterator[tuple[int, int, str]]:
        """``about(t, elem, …)``: a collection that is looked for as an element has to be read first."""
        for node in ast.walk(method):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "about" and method.name in self.names:
                elem = node.args[1]
                a = self.at(elem.lineno, elem.col_offset)
                yield (a, a + len(ast.unparse(elem)), f"await self._operand({ast.unparse(elem)})")

    def of_import(self, node: ast.ImportFrom) -> Iterator[tuple[int, int, str]]:
        if not node.level:
            return
        module = node.module or ""
        if node.level == 1:
            path = f"{self.room}/{module}"
            if path in MADE:
                return
            new = f"..{module}"
        else:
            module_, module = module, AWAITED.get(module, module)
            path = module.replace(".", "/")
            if path in MADE or path in BY_HAND:
                room, _, stem = module.partition(".")
                new = f"...{room}.aio.{stem}"
            else:
                new = f"...{module}"
            module = module_
        a = self.at(node.lineno, node.col_offset)
        yield (a, a + len(f"from {'.' * node.level}{module}"), f"from {new}")

    def renamed(self, text: str) -> str:
        """Names of the async types, and what only this file needs."""
        text = re.sub(r"\n    from \.+aio\.\w+ import \w+(?=\n)", "", text)
        text = named(text)
        text = re.sub(r"  # type: ignore\[(?!overload-|no-any-)[^\]]*\](  # clear\(\) tells more)?", "", text)
        text = re.sub(r"class (\w+)\(\):", r"class \1:", PLAIN.sub("", text))
        for old, new in OWN.get(self.name, ()):
            assert old in text, f"{self.name}: there is no {old!r} any more"
            text = text.replace(old, new)
        head, _, rest = text.partition('"""\n\n')
        gap = "\n" if head.endswith("\n") else "\n\n"
        if "AsyncIterator" in rest and "import AsyncIterator" not in rest:
            rest = rest.replace(
                "\n    from collections.abc import ", "\n    from collections.abc import AsyncIterator, ", 1
            )
        return f'{head}{gap}Made from ``{self.name}.py`` by ``python -m tests.faces``: change that file.\n"""\n\n{rest}'


def formatted(text: str, path: Path) -> str:
    """As ruff wants it, without the imports that nobody needs any more."""
    for command in (["check", "--fix-only", "--quiet", "--select", "F401,I,F811,RUF022"], ["format", "--quiet"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(path), "-"],
            input=text, capture_output=True, text=True, check=True, cwd=PACKAGE.parent,
        )  # fmt: skip
        text = done.stdout
    return text


def made(name: str) -> str:
    """The text of an async face."""
    return formatted(Making(name, awaited()).made(), target(name))


if __name__ == "__main__":
    for each in MADE:
        target(each).write_text(made(each))
