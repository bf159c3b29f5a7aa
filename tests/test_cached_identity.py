"""``@cached``: whose answer it is: functions of one name, closures, scripts, notebooks, reloads, other processes."""

from __future__ import annotations

import contextlib
import enum
import functools
import importlib
import math
import os
import re
import subprocess
import sys
import textwrap
import threading
import types
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from rcollections import ConfigError, KeyCache, cached, configure
from rcollections.functions.facts import Facts, digest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.usefixtures("fresh")


# -- modules and packages --------------------------------------------------------------------------


def module(name: str, text: str) -> Any:
    made = types.ModuleType(name)
    sys.modules[name] = made
    exec("from rcollections import cached\n" + textwrap.dedent(text), made.__dict__)  # noqa: S102
    return made


@pytest.fixture
def forget_modules() -> Any:
    yield
    for name in ("shelf", "shelf.book", "reloaded", "twice", "dispatched"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("forget_modules")
def test_a_module_and_a_function_of_its_name() -> None:
    """The module ``a.b`` with a function ``c`` is not the module ``a`` with a class ``b`` that has a method ``c``."""
    inner = module("shelf.book", "@cached\ndef title(): return 'of the module'")
    outer = module(
        "shelf",
        """
        @cached
        def book(of): return "the book " + of

        class Book:
            @cached
            @staticmethod
            def title(): return "of the class"

        Book.__qualname__ = Book.title.__wrapped__.__qualname__ = "book"
        """,
    )
    assert outer.book("title") == "the book title"
    assert inner.title() == "of the module"
    assert inner.title.key() == "fn:shelf.book:title()"
    assert outer.book.key("title") == "fn:shelf:book(title)"


def test_names_and_versions_with_marks() -> None:
    """What separates the parts of a key is escaped inside them."""

    def make(name: str, version: str = "") -> str:
        return str(cached(name=name, version=version)(functools.partial(max, 1)).key(2))

    names = ["a", "a@1", "a:b", "a#1", "a(1)", "a.b", "a\\", "a{b}", "a\nb", "é"]
    keys = {make(name, version) for name in names for version in ("", "1", "@1", "1(2)", "#", "{}")}
    assert len(keys) == 60
    assert not any(char in key for key in keys for char in "{}\n")
    assert make("é", "1") == "fn:é@1(2)"
    assert {re.sub(r"\\(x..|.)", "", key).count("(") for key in keys} == {1}, "the arguments can be found"


# -- closures --------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


def helper(x: int) -> int:
    return x


class Told:
    def __init__(self, name: str) -> None:
        self.name = name

    def __cache_key__(self) -> str:
        return self.name

    def method(self) -> str:
        return self.name


class Untold:
    def __init__(self, name: str) -> None:
        self.name = name


def local_class(number: int) -> type:
    class Local:
        factor = number

        def times(self, x: int) -> int:
            return self.factor * x

    return Local


def local_function(number: int, default: int = 0) -> Any:
    def local(x: int, y: int = default) -> int:
        return number + x + y

    return local


TELLABLE: list[Any] = [
    None, True, 1, 1.0, "1", b"1", 1j, ..., (1, 2), (1, (2, "a")), (1, (2, "b")), frozenset((1, 2)),
    frozenset(((1, 2),)), 10**5000, -(10**5000), "\ud800", Colour.RED, Colour.BLUE, date(2026, 1, 1), math, os, int,
    str, Colour, Told, helper, math.sqrt, len, functools.partial(helper, 1), functools.partial(helper, x=1),
    functools.partial(helper, 2),
    local_function(1), local_function(2), local_function(1, 2), local_class(1), local_class(2), Told("a"), Told("b"),
    Told("a").method, Told("b").method, str.upper, "a".upper, "b".upper, functools.lru_cache(local_function(1)),
    (Colour.RED, math, int, helper), list[int], int | None, cached(helper), cached(version="2")(helper),
    cached(local_function(7)), cached(local_function(8)), KeyCache("a"), KeyCache("b"),
]  # fmt: skip

UNTELLABLE: list[Any] = [[1], {"a": 1}, {1}, bytearray(b"x"), object(), Untold("a"), Untold("a").__init__, (1, [2]),
    functools.partial(helper, [1]), local_function([1]), local_class([1]), iter(()), lambda x=[]: x,
]  # fmt: skip


def make(captured: Any, **options: Any) -> Any:
    @cached(**options)
    def inner() -> Any:
        return captured

    return inner


def test_what_can_be_told_goes_into_the_digest() -> None:
    """Each captured value has keys of its own, the same each time, and nothing is said."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        keys = [make(each).key() for each in TELLABLE]
        again = [make(each).key() for each in TELLABLE]
    assert keys == again
    assert len(set(keys)) == len(TELLABLE)


@pytest.mark.parametrize("captured", UNTELLABLE, ids=lambda each: type(each).__name__)
def test_what_cannot_be_told_gives_keys_of_its_own(captured: Any, monkeypatch: Any) -> None:
    """One warning that names the variable and the ways out, an error under CACHES_STRICT; nothing with ``key=``."""
    with pytest.warns(UserWarning, match=r"captured.*key=.*version=") as told:
        first = make(captured)
    assert len(told) == 1
    assert told[0].filename == __file__
    with pytest.warns(UserWarning, match="captured"):
        second = make(captured)
    assert first.key() == first.key() != second.key()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(captured, key="one")
        monkeypatch.setenv("CACHES_STRICT", "1")
        make(captured, key="one")
        with pytest.raises(ConfigError, match=r"captured.*key=.*version="):
            make(captured)


def test_a_version_does_not_stand_for_what_is_captured() -> None:
    """Two lists, one version: two answers."""
    with pytest.warns(UserWarning, match="captured"):
        one, other = (make(numbers, version="2") for numbers in ([1], [2]))
    assert (one(), other()) == ([1], [2])


def test_digests_have_128_bits() -> None:
    """The key of a closure ends in 32 hexadecimal digits before its arguments."""
    key = make(5).key()
    assert len(key.partition("#")[2].removesuffix("()")) == 32
    assert len({digest(Facts(local_function(n)).fact) for n in range(2000)}) == 2000


def test_a_counter_of_its_own() -> None:
    """A variable that the function assigns counts with the value that it had when the function was decorated."""

    def make_counter(start: int) -> Any:
        count = start

        @cached
        def following(x: int) -> int:
            nonlocal count
            count += 1
            return count

        return following

    assert (make_counter(0)(1), make_counter(100)(1), make_counter(0)(1)) == (1, 101, 1)


def test_a_recursive_function_knows_itself() -> None:
    """Its own name is not assigned yet where it is decorated; that is no reason to have keys of its own."""

    def make_recursive(base: int) -> Any:
        @cached
        def total(n: int) -> int:
            return base if n == 0 else n + total(n - 1)

        return total

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert make_recursive(1).key(3) == make_recursive(1).key(3) != make_recursive(2).key(3)
        assert (make_recursive(1)(3), make_recursive(10)(3)) == (7, 16)


def test_what_is_assigned_later_counts_too() -> None:
    """A helper below the function that uses it, functions that call each other, a lambda that calls itself."""

    def make_with_helper(n: int) -> Any:
        @cached
        def outer(x: int) -> int:
            return below(x)

        def below(x: int) -> int:
            return x + n

        return outer

    def make_pair(n: int) -> Any:
        @cached
        def even(x: int) -> Any:
            return n if x == 0 else odd(x - 1)

        @cached
        def odd(x: int) -> Any:
            return -n if x == 0 else even(x - 1)

        return even, odd

    def make_lambda(n: int) -> Any:
        fall = cached(lambda x: n if x == 0 else fall(x - 1))
        return fall

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (make_with_helper(1)(5), make_with_helper(2)(5)) == (6, 7)
        assert make_with_helper(1).key(5) == make_with_helper(1).key(5)
        (even, odd), (odd_first, even_second) = make_pair(1), reversed(make_pair(1))
        assert (even.key(1), odd.key(1)) == (even_second.key(1), odd_first.key(1))
        assert make_pair(2)[0].key(1) != even.key(1) != odd.key(1)
        assert (make_pair(1)[0](4), make_pair(2)[0](4)) == (1, 2)
        assert (make_lambda(1)(3), make_lambda(2)(3)) == (1, 2)


def test_defaults_of_what_is_captured() -> None:
    """A wrapper that captures a function captures its defaults: they are no arguments of the call."""

    def make_wrapped(start: int, step: int) -> Any:
        def inner(x: int, y: int = start, *, z: int = step) -> int:
            return x + y + z

        def wrapper(x: int) -> int:
            return inner(x)

        return cached(wrapper)

    assert [make_wrapped(0, 0)(1), make_wrapped(5, 0)(1), make_wrapped(0, 7)(1)] == [1, 6, 8]


def test_a_method_of_a_class_inside_a_function_that_uses_super() -> None:
    """The class itself, which ``super()`` captures, is no reason to have keys of its own."""

    class Base:
        def name(self) -> str:
            return "base"

    class Sub(Base):
        @cached
        def name(self) -> str:
            return "sub of " + super().name()

    assert Sub().name() == "sub of base"


def test_objects_that_cannot_say_who_they_are_yet() -> None:
    """Then they cannot be told; decorating does not fail."""

    class Later:
        def __cache_key__(self) -> Any:
            raise RuntimeError("no connection yet")

    with pytest.warns(UserWarning, match=r"captured \(a Later\)"):
        make(Later())


def test_threads_agree_on_a_digest_that_is_drawn_late() -> None:
    """A variable that is assigned later makes the first call look; several first calls at once have one key."""

    def make_later() -> Any:
        @cached
        def outer() -> Any:
            return below

        below = [1]
        return outer

    for _ in range(20):
        fn = make_later()
        barrier = threading.Barrier(4)

        def ask(_: int, fn: Any = fn, barrier: Any = barrier) -> Any:
            barrier.wait()
            return fn._function.identity.path

        with warnings.catch_warnings(), ThreadPoolExecutor(4) as pool:
            warnings.simplefilter("ignore")
            assert len(set(pool.map(ask, range(4)))) == 1


# -- wrappers --------------------------------------------------------------------------------------


def translated(language: str) -> Any:
    def decorate(fn: Any) -> Any:
        @functools.wraps(fn)
        def wrapper(*args: Any) -> Any:
            return language, fn(*args)

        return wrapper

    return decorate


def greeting(name: str) -> str:
    return f"hello {name}"


@cached
@translated("en")
def decorated(name: str) -> str:
    return name


def test_wrappers_beside_the_function_that_they_wrap() -> None:
    """Two wrappers of one function have its name; each has keys of its own. Under a ``@`` the name is enough."""
    french, german = (cached(translated(each)(greeting)) for each in ("fr", "de"))
    assert [french("ann"), german("ann")] == [("fr", "hello ann"), ("de", "hello ann")]
    assert cached(greeting)("ann") == "hello ann"
    assert cached(greeting).key("ann") == f"fn:{__name__}:greeting(ann)"
    assert decorated.key("ann") == f"fn:{__name__}:decorated(ann)"


def test_a_partial_with_the_name_of_its_function() -> None:
    """``update_wrapper`` gives it the name; what it fills in tells it apart."""
    two, three = (functools.update_wrapper(functools.partial(pow, n), greeting) for n in (2, 3))
    assert [cached(two)(3), cached(three)(3)] == [8, 27]


# -- definitions again -----------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: Any, forget_modules: Any) -> Any:
    """Write a file of a project, and import it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(name: str, text: str) -> Any:
        path = tmp_path / f"{name}.py"
        path.write_text("from rcollections import cached\n" + textwrap.dedent(text))
        importlib.invalidate_caches()
        return path

    return write


def test_reloading(project: Any) -> None:
    """With the same code or with other code, the name is enough: a fresh process agrees."""
    project("reloaded", "@cached\ndef f(x): return x\n")
    found: Any = importlib.import_module("reloaded")
    assert found.f.key(1) == "fn:reloaded:f(1)"
    importlib.reload(found)
    assert found.f.key(1) == "fn:reloaded:f(1)"
    project("reloaded", "@cached\ndef f(x): return x, 'another body'\n")
    importlib.reload(found)
    assert found.f.key(1) == "fn:reloaded:f(1)"


def test_two_functions_of_one_name_in_one_module(project: Any) -> None:
    """The first has the name, another has a digest behind it, the same code again has not; also after a reload."""
    project(
        "twice",
        """
        @cached
        def f(x): return x
        first = f
        @cached
        def f(x): return -x
        second = f
        @cached
        def f(x): return x
        if len("ab") == 2:
            @cached
            def g(x): return x
        else:
            @cached
            def g(x): return -x
        """,
    )
    found: Any = importlib.import_module("twice")
    keys = [each.key(1) for each in (found.first, found.second, found.f, found.g)]
    assert keys[0] == keys[2] == "fn:twice:f(1)"
    assert keys[1].startswith("fn:twice:f#")
    assert keys[3] == "fn:twice:g(1)"
    assert (found.first(1), found.second(1)) == (1, -1)
    importlib.reload(found)
    assert keys == [each.key(1) for each in (found.first, found.second, found.f, found.g)]


def test_functions_without_a_name_of_their_own(project: Any) -> None:
    """Overloads by ``singledispatch`` are all called ``_``: each has a digest, whatever their order is."""
    project(
        "dispatched",
        """
        from functools import singledispatch
        @singledispatch
        def show(x): return "anything"
        @show.register
        @cached
        def _(x: int): return "int"
        int_ = _
        @show.register
        @cached
        def _(x: str): return "str"
        str_ = _
        """,
    )
    found: Any = importlib.import_module("dispatched")
    assert (found.show(1), found.show("1"), found.show(None)) == ("int", "str", "anything")
    assert "#" in found.int_.key(1)
    assert "#" in found.str_.key("1")


def test_a_function_that_is_not_of_the_module_that_it_names() -> None:
    """Code that runs under the name of a module that is something else (doctests do) is told apart by its code."""

    def run(body: str) -> Any:
        names: dict[str, Any] = {"__name__": __name__, "cached": cached}
        exec(f"@cached\ndef greeting(name): return {body}", names)  # noqa: S102
        return names["greeting"]

    assert [run("'a'")("x"), run("'b'")("x")] == ["a", "b"]


# -- forms of one function -------------------------------------------------------------------------


def timed(x: int) -> int:
    return next(ticks)


ticks = iter(range(10**9))


def test_two_cached_forms_of_one_function() -> None:
    """Forms that could not use each other's entries have keys of their own, the first has the plain ones."""
    short, longer, same = cached(ttl=5)(timed), cached(ttl=60)(timed), cached(ttl=5, lease=7)(timed)
    assert short.key(1) == same.key(1) == f"fn:{__name__}:timed(1)"
    assert longer.key(1) != short.key(1)
    answer = longer(1)
    assert short(1) != answer
    assert longer.key(1) == cached(ttl=60)(timed).key(1)
    assert cached(ttl=60, version="2")(timed).key(1) == f"fn:{__name__}:timed@2(1)"
    tagged, plain = cached(ttl=5, tags=("a",))(timed), short
    assert tagged(1) != plain(1)
    assert plain(1) == plain(1)


def test_a_cached_function_is_not_cached_again() -> None:
    """It is told what to do."""
    with pytest.raises(TypeError, match=r"timed is cached already.*timed\.uncached"):
        cached(ttl=60)(cached(ttl=5)(timed))
    assert cached(ttl=60)(cached(ttl=5)(timed).uncached)


@cached(ttl=60)
@translated("fr")
@cached(ttl=5)
def between(name: str) -> str:
    return name


def test_two_caches_with_a_decorator_between() -> None:
    """The outer one keeps what the decorator makes of the inner one's answers, under keys of its own."""
    assert between("ann") == between("ann") == ("fr", "ann")
    assert between.key("ann") != between.uncached.__wrapped__.key("ann") == f"fn:{__name__}:between(ann)"


# -- processes -------------------------------------------------------------------------------------


def run(*args: str, cwd: Path, stdin: str = "") -> list[str]:
    """The lines that a fresh Python prints."""
    done = subprocess.run(
        [sys.executable, *args], cwd=cwd, input=stdin, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(cwd))), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


PRICES = """
from rcollections import cached, configure
configure("memory://")

@cached
def price(n): return n

class Shop:
    @cached
    def stock(self, n): return n

def make(n):
    @cached
    def inner(x): return x, n
    return inner

def keys():
    return [price.key(1), Shop().stock.key(1), make(5).key(1)]

if __name__ == "__main__":
    print(*keys(), sep="\\n")
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    for name in ("__init__", "__main__", "prices"):
        (tmp_path / "app" / f"{name}.py").write_text("" if name == "__init__" else PRICES)
    return tmp_path


def test_a_module_that_is_run_and_imported(app: Path) -> None:
    """``python -m app.prices``, whoever imports it, and ``runpy`` have one key; a package that is run as well."""
    show = "print(*keys(), sep='\\n')"
    imported = run("-c", f"from app.prices import keys; {show}", cwd=app)
    assert imported[:2] == ["fn:app.prices:price(1)", "fn:app.prices:Shop.stock(1)"]
    assert run("-m", "app.prices", cwd=app) == imported
    assert run("-c", "import runpy; runpy.run_module('app.prices', run_name='__main__')", cwd=app) == imported
    package = run("-m", "app", cwd=app)
    assert package == run("-c", f"from app.__main__ import keys; {show}", cwd=app)
    assert package[0] == "fn:app.__main__:price(1)"


def test_a_script(app: Path) -> None:
    """By the name of its file and its code, wherever it is started from; another file and an edited one differ."""
    (app / "job.py").write_text(PRICES)
    keys = run("job.py", cwd=app)
    assert keys[0].startswith("fn:job.py:price#")
    assert run(str(app / "job.py"), cwd=app / "app") == keys
    assert run("-c", "import runpy; runpy.run_path('job.py', run_name='__main__')", cwd=app) == keys
    assert run("-c", "import runpy; r = runpy.run_path('job.py'); print(*r['keys'](), sep='\\n')", cwd=app) == keys
    (app / "other.py").write_text(PRICES)
    assert not set(run("other.py", cwd=app)) & set(keys)
    (app / "job.py").write_text(PRICES.replace("return n\n", "return -n\n", 1))
    edited = run("job.py", cwd=app)
    assert edited[0] != keys[0]
    assert edited[1:] == keys[1:]


POOL = PRICES.replace("if __name__", '''
def both(_):
    return keys()

if __name__''').replace("print(*keys()", """
    import multiprocessing
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(both, [1]) == [keys()], (pool.map(both, [1]), keys())
    print(*keys()""")  # fmt: skip


def test_spawned_workers_of_a_script(app: Path) -> None:
    """``__mp_main__`` is the script, and the module that was run with ``-m``."""
    (app / "job.py").write_text(POOL)
    (app / "app" / "prices.py").write_text(POOL)
    assert run("job.py", cwd=app)[0].startswith("fn:job.py:price#")
    assert run("-m", "app.prices", cwd=app)[0] == "fn:app.prices:price(1)"


def test_a_notebook(tmp_path: Path) -> None:
    """Without a file it is ``__main__``; a cell that is run again with other code does not serve the former answers."""
    cell = "from rcollections import cached\n@cached\ndef f(n): return {}\nprint(f(1), f.key(1))\n"
    kernel = (
        "import sys\nfor cell in {!r}:\n    exec(compile(cell, '<cell>', 'exec'), sys.modules['__main__'].__dict__)\n"
    )
    cells = [cell.format("'old'"), cell.format("'new'")]
    before = "from rcollections import configure\nconfigure('memory://')\n"
    old, new, again = run("-c", before + kernel.format([*cells, cells[1]]), cwd=tmp_path)
    assert (old.split()[0], new.split()[0]) == ("old", "new")
    assert new == again
    assert new.split()[1].startswith("fn:__main__:f#")
    assert run("-c", before + kernel.format(cells[1:]), cwd=tmp_path) == [new]
    assert run("-", cwd=tmp_path, stdin=before + cells[1]) == [new]


def test_names_of_two_files_do_not_meet(tmp_path: Path) -> None:
    """Scripts with a function of one name and one body: the file tells them apart."""
    text = PRICES.replace("price", "load")
    for name in ("orders.py", "a(b).py", "a:b.py", "é.py"):
        (tmp_path / name).write_text(text)
    keys = {run(name, cwd=tmp_path)[0] for name in ("orders.py", "a(b).py", "a:b.py", "é.py")}
    assert len(keys) == 4
    assert any(key.startswith(r"fn:a\:b.py:load#") for key in keys)


def test_decorating_reads_the_environment_and_importing_does_not(tmp_path: Path) -> None:
    """CACHES_STRICT counts where a function is decorated."""
    text = """
    import os
    class Watched(dict):
        def get(self, name, *rest):
            assert "CACHES" not in name, name
            return super().get(name, *rest)
    real, os.environ = os.environ, Watched(os.environ)
    from rcollections import cached
    os.environ = real
    os.environ["CACHES_STRICT"] = "1"
    numbers = []
    def make():
        seen = []
        @cached
        def f(): return seen
    try: make()
    except ValueError as error: print(error)
    """
    assert "captures seen (a list)" in run("-c", textwrap.dedent(text), cwd=tmp_path)[0]


def test_a_context_manager_as_decorator() -> None:
    """Its wrapper captures an object that cannot be told: it works, and is told once."""

    @contextlib.contextmanager
    def around() -> Any:
        yield

    with pytest.warns(UserWarning, match="captures"):

        @cached
        @around()
        def f(n: int) -> int:
            return n + 1

    assert (f(1), f(2), f(1)) == (2, 3, 2)


def test_the_namespace_of_the_fixture_is_the_users() -> None:
    """All automatic keys of a namespace begin alike: one prefix of L1 covers them."""
    configure("memory://?namespace=app")
    assert cached(greeting).key("a").startswith("app.fn:")
