"""What is Python's standard library made of? Five collections on a server answer.

``make demo`` runs this. It reads the source files of the Python that runs it and keeps, in Redis or Valkey:

    Words       how often each word occurs          CounterCache
    Sizes       the files by size                   SortedSetCache
    Facts       lines, functions, classes a file    DictCache
    Importers   who imports a module                SetCache
    Report      the finished answers                KeyCache

A second pass finds all of that there. At the end nothing is left: no key, no server, no directory.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rcollections import CacheError, CounterCache, DictCache, KeyCache, SetCache, SortedSetCache, configure, connection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LIBRARY = Path(os.__file__).parent
LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}


# -- the five collections: a prefix and a ttl each, the rest is Python as you know it -------------


class Words(CounterCache[str]):
    prefix = "demo.words"
    ttl = 600


class Sizes(SortedSetCache[str]):
    prefix = "demo.sizes"
    ttl = 600


class Facts(DictCache[str, dict[str, int]]):
    prefix = "demo.facts"
    ttl = 600


class Importers(SetCache[str]):
    prefix = "demo.importers"
    ttl = 600


class Report(KeyCache[dict[str, str] | None]):
    prefix = "demo.report"
    ttl = 600


COLLECTIONS = (Words, Sizes, Facts, Importers, Report)


# -- one pass: ask for what is known, parse the rest, store it -------------------------------------


class Pass(NamedTuple):
    """What one pass over the files did."""

    answers: dict[str, str]
    parsed: int
    known: int
    seconds: float


def one_pass(files: Sequence[Path], title: str) -> Pass:
    started = time.perf_counter()
    facts = Facts("all")
    parsed = known = 0
    for batch in progress(title, files, size=10):
        found = facts.get_many(module_name(path) for path in batch)  # one round trip for ten files
        new = [path for path in batch if module_name(path) not in found]
        store([parse(path) for path in new])
        parsed += len(new)
        known += len(found)
    return Pass(report(), parsed, known, time.perf_counter() - started)


class Module(NamedTuple):
    """What we want to know of one source file."""

    name: str
    size: int
    facts: dict[str, int]
    words: Counter[str]
    imports: set[str]


def store(modules: Sequence[Module]) -> None:
    if not modules:
        return
    words: Counter[str] = Counter()
    importers: defaultdict[str, set[str]] = defaultdict(set)
    for module in modules:
        words.update(module.words)
        for name in module.imports:
            importers[name].add(module.name)

    Words("all").update(words)  # adds, as Counter does; atomic on the server
    with Facts("all").pipeline() as p:  # the rest of the batch: one round trip, all or nothing
        p.update({module.name: module.facts for module in modules})
        p(Sizes("all")).add_many({module.name: module.size for module in modules})
        for name, names in importers.items():
            p(Importers(name)).update(names)


def report() -> dict[str, str]:
    """The answers: from the cache, or computed and cached."""
    cached = Report("answers")
    answers = cached.data
    if answers is None:
        answers = cached.data = compute_report()
    return answers


def compute_report() -> dict[str, str]:
    facts = Facts("all").to_dict()
    total = Counter[str]()
    for each in facts.values():
        total.update(each)
    by_functions = sorted(facts, key=lambda name: -facts[name]["functions"])[:4]
    both = Importers("threading") & Importers("socket")  # computed on the server
    return {
        "read": f"{len(facts)} files, {total['lines']:,} lines, {total['classes']:,} classes",
        "distinct words": f"{len(Words('all')):,}",
        "most used": listed((word, f"{count:,}") for word, count in Words("all").most_common(5)),
        "largest files": listed((name, f"{size / 1024:.0f} KB") for name, size in Sizes("all").rchunk(4)),
        "most functions": listed((name, str(facts[name]["functions"])) for name in by_functions),
        "importers of": listed((name, str(len(Importers(name)))) for name in ("sys", "os", "re", "functools")),
        "threading and socket": ", ".join(sorted(both)[:5]) or "nobody imports both",
    }


# -- reading source files --------------------------------------------------------------------------


def source_files(count: int) -> list[Path]:
    """The first so many files of the standard library: single modules first, then packages."""
    found = [
        path.relative_to(LIBRARY)
        for path in LIBRARY.rglob("*.py")
        if not LEFT_OUT & set(path.relative_to(LIBRARY).parts)
    ]
    return sorted(found, key=lambda path: (len(path.parts), path))[:count]


def module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def parse(path: Path) -> Module:
    text = (LIBRARY / path).read_text("utf-8", "replace")
    kinds: Counter[type] = Counter()
    imports: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        kinds[type(node)] += 1
        if isinstance(node, ast.Import):
            imports.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports.add(node.module)
    return Module(
        name=module_name(path),
        size=len(text),
        facts={
            "lines": text.count("\n"),
            "functions": kinds[ast.FunctionDef] + kinds[ast.AsyncFunctionDef],
            "classes": kinds[ast.ClassDef],
        },
        words=Counter(re.findall(r"[a-z]{4,}", text.lower())),
        imports=imports,
    )


# -- what one sees ---------------------------------------------------------------------------------


def progress(title: str, items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Batches of ``items``, with a bar on a terminal and a line a quarter elsewhere."""
    bar = sys.stderr.isatty()
    total, quarter = len(items), -1
    for done in [*range(0, total, size), total]:
        part = done / max(total, 1)
        if bar:
            full = int(30 * part)
            end = "\n" if done == total else ""
            print(f"\r{title:12} [{'#' * full}{'.' * (30 - full)}] {done}/{total}", end=end, file=sys.stderr)
        elif int(4 * part) > quarter:
            quarter = int(4 * part)
            print(f"{title:12} {done}/{total}", file=sys.stderr)
        sys.stderr.flush()
        if done < total:
            yield items[done : done + size]


def listed(pairs: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in pairs)


def show(rows: dict[str, str]) -> None:
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"  {name:{width}}   {value}")


# -- a server for the length of a block ------------------------------------------------------------


@contextmanager
def server(dsn: str) -> Iterator[str]:
    """Connect, and leave nothing behind: keys, server and directory go, on Ctrl-C too."""
    with tempfile.TemporaryDirectory(prefix="rcollections-demo-") as directory:
        # A namespace of our own: on a server that others use, no key of theirs is touched.
        place = {"dsn": dsn or f"embedded://{directory}", "namespace": f"demo-{os.getpid()}", "timeout": 10}
        configure({"default": place})
        try:
            yield connect(fall_back=not dsn)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not stop the tidying
            try:
                for each in COLLECTIONS:
                    each.clean()
            finally:
                connection().close()  # the last user of an embedded server stops it


def connect(fall_back: bool) -> str:
    try:
        connection().raw("PING")
    except CacheError as reason:
        if not fall_back:
            raise
        print(f"no Valkey here, so all stays in this process: {reason}")
        configure("memory://")
    return connection().dsn.shown.partition("?")[0]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Five collections learn about Python's standard library.")
    parser.add_argument("--files", type=int, default=300, help="how many source files to read (default: 300)")
    parser.add_argument("--dsn", default="", help="the server to use (default: embedded://, else memory://)")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # tidy up then as well

    try:
        with server(options.dsn) as where:
            files = source_files(options.files)
            print(f"{len(files)} source files of Python {sys.version.split()[0]}, server: {where}")
            first = one_pass(files, "first pass")
            second = one_pass(files, "second pass")
    except KeyboardInterrupt:
        print("\nstopped; nothing is left behind")
        return 130
    except CacheError as error:
        print(f"that did not work: {error}")
        return 1

    print()
    show(first.answers)
    print()
    show(
        {
            "first pass": f"{first.seconds:.2f} s, {first.parsed} files parsed",
            "second pass": f"{second.seconds:.3f} s, {second.known} files and the report from the cache, "
            f"{second.parsed} parsed: {first.seconds / second.seconds:.0f} times faster",
        }
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
