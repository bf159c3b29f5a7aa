"""``embedded://`` on damaged files, as a power loss leaves them: it starts, and keeps a beginning of the writes."""

from __future__ import annotations

import logging
import os
import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from rcollections.errors import CacheConnectionError
from rcollections.servers.embedded import server as embedded
from rcollections.servers.embedded.repair import good_part, repair
from rcollections.servers.embedded.server import open_embedded
from rcollections.testing import wait_until
from tests.embedded_users import client_of, server_pids, valkey_missing

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(valkey_missing() is not None, reason=str(valkey_missing()))

WRITES = 60


@pytest.fixture(scope="module")
def written(tmp_path_factory: Any) -> Path:
    """A directory in which a server has written key after key, some of them in transactions of two."""
    directory: Path = tmp_path_factory.mktemp("written") / "data"
    server = open_embedded(str(directory))
    server.ensure()
    with client_of(server) as client:
        for n in range(0, WRITES, 2):
            with client.pipeline(transaction=n % 10 == 0) as pipe:
                pipe.set(f"k{n}", f"value {n} " * 5)
                pipe.set(f"k{n + 1}", f"value {n + 1} " * 5)
                pipe.execute()
    server.close()
    wait_until(lambda: not server_pids(str(directory)), what="the end of the server")
    return directory


@pytest.fixture
def data(written: Path, tmp_path: Path) -> Any:
    directory = tmp_path / "data"
    shutil.copytree(written, directory, ignore=shutil.ignore_patterns("*.lock", "*.sock"))
    directory.chmod(0o700)
    yield directory
    embedded._close_all()
    wait_until(lambda: not server_pids(str(tmp_path)), what="the end of all servers")


def the_file(directory: Path, end: str) -> Path:
    return next(each for each in (directory / "appendonlydir").iterdir() if each.name.endswith(end))


def kept(directory: Path) -> int:
    """How many of the writes are there after a start; they are the first ones, and transactions are whole."""
    server = open_embedded(str(directory))
    try:
        server.ensure()
        with client_of(server) as client:
            there = [n for n in range(WRITES) if client.exists(f"k{n}")]
            assert there == list(range(len(there)))
            assert len(there) % 10 != 1, "half of a transaction"
            assert client.set("more", 1)
        return len(there)
    finally:
        server.close()


def warnings_of(caplog: Any) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.name == "rcollections"]


def test_zeros_behind_the_file(data: Path, caplog: Any) -> None:
    """All writes are kept, the file as it was is set aside, and one warning names it and what was kept."""
    file = the_file(data, ".incr.aof")
    before = file.read_bytes() + bytes(4096)
    file.write_bytes(before)
    with caplog.at_level(logging.WARNING):
        assert kept(data) == WRITES
    (told,) = warnings_of(caplog)
    aside = file.with_name(f"{file.name}.damaged")
    assert aside.name in told
    assert f"its first {len(before) - 4096} of {len(before)} bytes are kept" in told
    assert aside.read_bytes() == before
    assert kept(data) == WRITES, "the next start has nothing to repair"
    assert len(warnings_of(caplog)) == 1


def test_a_file_that_is_cut(data: Path, caplog: Any) -> None:
    file = the_file(data, ".incr.aof")
    file.write_bytes(file.read_bytes()[:-5])
    assert kept(data) in (WRITES - 1, WRITES - 2)
    assert f"{file.name}.damaged" in warnings_of(caplog)[0]


@pytest.mark.parametrize("lost", [b"", b"\0" * 88, None])
def test_a_manifest_that_is_empty_or_gone(data: Path, caplog: Any, lost: bytes | None) -> None:
    manifest = the_file(data, ".manifest")
    if lost is None:
        manifest.unlink()
    else:
        manifest.write_bytes(lost)
    assert kept(data) == WRITES
    (told,) = warnings_of(caplog)
    assert "manifest" in told


def test_the_file_of_writes_is_gone(data: Path, caplog: Any) -> None:
    file = the_file(data, ".incr.aof")
    file.unlink()
    assert kept(data) == 0
    assert file.name in warnings_of(caplog)[0]


def test_a_snapshot_that_cannot_be_read(data: Path, caplog: Any) -> None:
    """The first snapshot is empty: the writes behind it are all there are."""
    base = the_file(data, ".base.rdb")
    base.write_bytes(bytes(len(base.read_bytes())))
    assert kept(data) == WRITES
    assert f"{base.name}.damaged" in warnings_of(caplog)[-1]


def test_a_later_snapshot_that_cannot_be_read(data: Path, caplog: Any) -> None:
    """Writes behind a snapshot that is lost are no beginning: all is set aside, nothing is deleted."""
    server = open_embedded(str(data))
    server.ensure()
    with client_of(server) as client:
        client.bgrewriteaof()
        wait_until(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
        wait_until(lambda: any(".2.base." in each.name for each in (data / "appendonlydir").iterdir()))
        client.set("k60", 1)
    server.close()
    base = the_file(data, ".base.rdb")
    base.write_bytes(base.read_bytes()[:20] + bytes(40))
    assert kept(data) == 0
    assert "nothing of it can be read" in warnings_of(caplog)[-1]
    assert len([each for each in (data / "appendonlydir").iterdir() if ".damaged" in each.name]) >= 2


@pytest.mark.parametrize("seed", range(8))
def test_damage_at_any_place(data: Path, seed: int) -> None:
    """Zeros, foreign bytes, a cut, a lost piece: it starts each time, with no write behind the first damaged one."""
    chance = random.Random(seed)
    file = the_file(data, ".incr.aof")
    whole = file.read_bytes()
    at = chance.randrange(len(whole))
    size = chance.choice([1, 3, 40, 600])
    rest = whole[at + size :]
    middle = chance.choice([bytes(size), chance.randbytes(size), b"", b"*1\r\n$4\r\nNONE\r\n", b"*3\r\n", b"$3\r\n"])
    file.write_bytes(whole[:at] + middle + chance.choice([rest, b""]))
    found = kept(data)
    assert found <= WRITES
    # What was before the damage is there, but for the write that it hit and the one before it, or their transaction.
    assert found >= whole[:at].count(b"value") // 5 - 4


def test_the_good_part_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "x.1.incr.aof"
    one, two = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n", b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"
    for text, good in [
        (b"", 0),
        (one + two, len(one + two)),
        (one + b"#TS:1700000000\r\n" + two, len(one + two) + 16),
        (one + two[:-1], len(one)),
        (one + bytes(9), len(one)),
        (one + two.replace(b"*3", b"*2"), len(one)),  # the command before the third argument is no good either
        (one + two.replace(b"*3", b"*4") + one, len(one)),
        (one + two.replace(b"$1", b"$7", 1) + one, len(one)),
        (one + b"*1\r\n$5\r\nMULTI\r\n" + two, len(one)),
        (one + b"*1\r\n$5\r\nMULTI\r\n" + two + b"*1\r\n$4\r\nEXEC\r\n", len(one + two) + 15 + 14),
    ]:
        file.write_bytes(text)
        assert good_part(str(file)) == good, text
    file.write_bytes(one + two)
    assert good_part(str(file), "set") == len(one)


def test_nothing_is_touched_for_other_reasons(data: Path) -> None:
    """A disk that is full, rights that are missing, a setting that the program does not know."""
    before = sorted(os.listdir(data / "appendonlydir"))
    for said in (
        "1:M 1 Jan 2026 00:00:00.0 # Fatal error, can't open config file",
        "1:M 1 Jan 2026 00:00:00.0 # Can't open the append-only file appendonly.aof.1.incr.aof: Permission denied",
        "1:M 1 Jan 2026 00:00:00.0 # Unrecoverable error reading the append only file: No space left on device",
        "1:M 1 Jan 2026 00:00:00.0 * Loading RDB produced by Valkey version 9.1.2",
    ):
        assert not repair(str(data), said)
    assert sorted(os.listdir(data / "appendonlydir")) == before


def test_a_program_that_never_starts_says_so(data: Path, monkeypatch: Any, tmp_path: Path) -> None:
    program = tmp_path / "no-server"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("CACHES_VALKEY_SERVER", str(program))
    before = sorted(os.listdir(data / "appendonlydir"))
    server = open_embedded(str(data))
    with pytest.raises(CacheConnectionError, match="did not start"):
        server.ensure()
    assert sorted(os.listdir(data / "appendonlydir")) == before
