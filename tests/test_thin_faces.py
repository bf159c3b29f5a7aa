"""Faces are thin: they build an operation, and one method carries it out. What asyncio needs too stands in plans."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import DictCache, SetCache, connection
from rcollections.plans import op as ops
from rcollections.plans.collections import fields, hashes
from rcollections.plans.effects import Batch, Call, Command, Hold, Now, Script
from rcollections.plans.op import More, Op
from tests.imports import PACKAGE
from tests.trips import sent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The only ones that send anything.
SENDERS = {
    "Running._ask", "Running._reply", "Running._rest", "Running._emptied", "Running._first", "Running._iterate",
    "Operations.clean", "Pipeline._send",
}  # fmt: skip
DRIVERS = {"drive", "adrive", "iterate"}
TRIPS = {"ask", "one", "many", "look", "raw"}
RUNNING = {"_run", "_iterate", "_rest", "_first", "_reply", "_replace", *DRIVERS}
LOOPS = (ast.For, ast.While, ast.AsyncFor, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
INSIDE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
FIELDS = set(Op._fields) - {"name"}


def faces() -> list[Path]:
    return sorted([*(PACKAGE / "collections").glob("*.py"), *(PACKAGE / "handles").glob("*.py")])


def functions(source: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Functions and methods, by name; what is defined inside of them belongs to them."""
    for each in ast.parse(source).body:
        inner = each.body if isinstance(each, ast.ClassDef) else [each]
        for method in inner:
            if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield (f"{each.name}.{method.name}" if isinstance(each, ast.ClassDef) else method.name), method


def called(node: ast.AST) -> str:
    """The name that a call calls, "" for what is no call."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def is_trip(node: ast.AST) -> bool:
    """A call of the connection itself."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in TRIPS:
        return False
    owner = node.func.value
    return "connection" in (owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", ""))


def runs(node: ast.AST) -> int:
    """How many operations are carried out in here."""
    return sum(called(each) in RUNNING or is_trip(each) for each in ast.walk(node))


def most(statements: list[ast.stmt]) -> int:
    """How many operations one way through these statements carries out, at most."""
    if not statements:
        return 0
    first, *rest = statements
    if isinstance(first, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return most(rest)
    if isinstance(first, (ast.Return, ast.Raise)):
        return runs(first)
    if isinstance(first, ast.If):
        return runs(first.test) + max(most([*first.body, *rest]), most([*first.orelse, *rest]))
    if isinstance(first, ast.With):
        return sum(runs(item) for item in first.items) + most([*first.body, *rest])
    if isinstance(first, ast.Try):
        return most([*first.body, *rest])
    return runs(first) + most(rest)


def thick(source: str) -> list[str]:
    """What a face does that belongs into a plan."""
    found = []
    for name, function in functions(source):
        nodes = list(ast.walk(function))
        inner = [node for node in nodes if isinstance(node, INSIDE) and node is not function]
        if any(isinstance(node, (ast.Yield, ast.YieldFrom, ast.Await)) for node in nodes):
            found.append(f"{name} yields")
        if any(isinstance(node, LOOPS) and runs(node) for node in nodes):
            found.append(f"{name} carries out operations in a loop")
        if name in SENDERS:
            continue
        if any(is_trip(node) or called(node) in DRIVERS for node in nodes):
            found.append(f"{name} sends by itself")
        if name.startswith("Running."):  # what carries one operation out, trip by trip
            continue
        if any(map(runs, inner)):
            found.append(f"{name} gives an operation a function that carries out another one")
        if most(function.body) > 1:
            found.append(f"{name} carries out several operations")
    return found


def changed(source: str) -> list[str]:
    """Assignments to what an operation holds."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        for target in (node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)])
        if isinstance(target, ast.Attribute) and target.attr in FIELDS and ast.unparse(target.value).endswith("op")
    ]


@pytest.mark.parametrize("path", faces(), ids=lambda path: path.stem)
def test_faces_do_nothing_themselves(path: Path) -> None:
    """No loop around I/O, no I/O in what an operation is given, one operation a call; three methods send."""
    assert thick(path.read_text()) == []
    assert changed(path.read_text()) == []


THICK = """
class Face:
    def pages(self):
        yield self._run(plans.page(0))

    def all(self):
        while True:
            self._run(plans.page(0))

    def each(self):
        return [self._run(plans.get(n)) for n in range(3)]

    def raw(self):
        return self._bound().connection.one(step)

    def driven(self):
        return drive(plan, connection)

    def absent(self):
        return self._run(plans.get(lambda: self._run(plans.other())))

    def nested(self):
        def absent():
            return self._run(plans.other())

        return self._run(plans.get(absent))

    def twice(self):
        found = self._run(plans.get())
        return found or self._run(plans.other())

    def either(self):
        if self.big:
            return self._run(plans.big())
        return self._run(plans.small())
"""


def test_what_is_thick_is_found() -> None:
    """Each method of this face but the last."""
    assert [each.split(" ")[0] for each in thick(THICK)] == [
        "Face.pages", "Face.all", "Face.each", "Face.raw", "Face.driven", "Face.absent", "Face.absent", "Face.nested",
        "Face.twice",
    ]  # fmt: skip
    assert changed("op = f()\nop.absent = self._pages\nop.part: int = 3\nself.absent = 1") == [
        "op.absent = self._pages",
        "op.part: int = 3",
    ]


def test_the_senders_are_there() -> None:
    """A name that nobody has would excuse nobody."""
    assert {name for path in faces() for name, _ in functions(path.read_text())} >= SENDERS


def test_operations_are_frozen(store: Any) -> None:
    """Nothing can be assigned to one; ``then`` and ``named`` make others."""
    d = DictCache[str, int]("d", data={"a": 1})
    op: Op[int] = fields.get(d._bound(), "a", lambda: 7)
    for name in (*Op._fields, "new"):
        with pytest.raises(AttributeError):
            setattr(op, name, None)
    made = op.then(lambda value: value + 1).named("more")
    assert (op.name, made.name) == ("get", "more")
    assert (d._run(op), d._run(made)) == (1, 2)
    missing: Op[int] = fields.get(d._bound(), "x", lambda: 7)
    assert d._run(missing.then(lambda value: value + 1)) == 7


def test_what_a_reply_asks_for_goes_through_then_as_well(store: Any) -> None:
    """Whether one reply was enough is nothing that ``then`` has to know."""
    t = SetCache("s", data={"a"})._bound()
    op = Op("get", Command(("SCARD", t.key)), lambda _: More[int](ops.called(lambda: 3))).then(lambda n: n + 1)
    assert SetCache("s")._run(op) == 4


def test_while_the_user_is_called_nothing_is_sent(store: Any) -> None:
    """``load()`` is called alone; what it gave is stored by steps of the plan."""

    class Shelf(DictCache[str, int]):
        prefix = "shelf"

        def load(self) -> dict[str, int]:
            return {"a": 1}

    class Holder:
        def stop(self) -> None: ...

    shelf, seen, reply = Shelf("one"), [], None
    plan = shelf._loader()
    while True:
        try:
            effect: Any = plan.send(reply)
        except StopIteration:
            break
        seen.append(type(effect))
        if isinstance(effect, Call):
            with sent() as trips:
                reply = effect.fn()
            assert not trips
        elif isinstance(effect, Hold):
            reply = Holder()
        elif isinstance(effect, Now):
            reply = 0.0
        else:
            reply = connection().many(*effect) if isinstance(effect, Batch) else connection().one(effect)
    assert seen.count(Call) == 1
    assert seen[-2:] == [Batch, Script]
    assert shelf.to_dict() == {"a": 1}


def test_an_iterator_that_is_dropped_closes_its_plan(store: Any) -> None:
    """Nobody asks for the pages that nobody wants."""
    d = DictCache[str, int]("d", data={str(n): n for n in range(10_001)})
    plans: list[Any] = []

    def pages(reply: list[Any]) -> Any:
        found = decode(reply)
        plans.append(found.plan)
        return found

    op = hashes.items(d._bound())
    decode = op.decode
    items = d._iterate(Op(op.name, op.step, pages))
    assert not plans
    next(items)
    assert plans[0].gi_frame is not None
    items.close()
    assert plans[0].gi_frame is None
