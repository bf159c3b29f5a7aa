"""``python -m rcollections doctor``: a clear line for everything that can be wrong, and never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rcollections.cli import main
from rcollections.testing import Server, isolated, wait_until
from tests.kinds import SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rcollections.testing import Cluster

ROOT = Path(__file__).parents[1]
WORDS = "open sesame"
LABELS = "package python connection server rights namespace l1 extras verdict".split()


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("CACHES_DSN") or name in ("CACHES_STRICT", "CACHES_DISABLE", "CACHES_SIGNING_KEY"):
            monkeypatch.delenv(name)
    with isolated():
        pass  # its end makes the next call read the environment again


def doctor(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, str], str]:
    """Exit status, the lines by label, and all text."""
    status = main(["doctor", *arguments])
    written = capsys.readouterr()
    assert written.err == ""
    lines = {line[2:14].strip(): line for line in written.out.splitlines()}
    return status, lines, written.out


@pytest.fixture(params=SERVERS)
def own(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with a password, which this test alone may break."""
    with Server(request.param, tcp=True, password=WORDS) as server:
        yield server


def test_all_is_well_in_eleven_lines(own: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """The DSN as understood, server and version, round trip, L1, extras, signing key; status 0."""
    status, lines, text = doctor(capsys, "--dsn", own.dsn)
    assert status == 0
    assert len(text.splitlines()) == 11
    assert set(LABELS) <= set(lines)
    assert "redis://:***@127.0.0.1" in lines["connection"]
    assert ("Valkey" if own.kind == "valkey" else "Redis") in lines["server"]
    assert "ms (median of" in lines["round trip"]
    assert "works" in lines["l1"]
    assert lines["verdict"].endswith("all is well")


def test_no_password_is_shown(own: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither as written nor decoded, whether the login works or not."""
    _, _, text = doctor(capsys, "--dsn", own.dsn)
    assert "sesame" not in text
    _, _, text = doctor(capsys, "--dsn", own.dsn.replace("sesame", "wrong-secret"))
    assert "wrong-secret" not in text


def test_looking_leaves_tracking_off_and_no_key(own: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """The doctor changes nothing on the server."""
    doctor(capsys, "--dsn", own.dsn)
    with own.client() as bare:
        wait_until(lambda: bare.dbsize() == 0, what="the listener has gone, and nothing else was left")
        assert bare.info("clients")["tracking_clients"] == 0


def test_the_default_comes_from_the_environment(
    own: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``CACHES_DSN`` is read, and each of several connections has its lines."""
    monkeypatch.setenv("CACHES_DSN", own.dsn)
    monkeypatch.setenv("CACHES_DSN_1", "memory://#sessions")
    status, _, text = doctor(capsys)
    assert status == 0
    assert "(the default)" in text
    assert "(connection 'sessions')" in text


def test_a_gap_in_the_numbers_is_a_note(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be a warning elsewhere is a line here."""
    monkeypatch.setenv("CACHES_DSN", "memory://")
    monkeypatch.setenv("CACHES_DSN_2", "memory://#far")
    status, lines, _ = doctor(capsys)
    assert status == 0
    assert "CACHES_DSN_2 ignored" in lines["note"]


def test_nothing_configured(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs in memory and says how to share; with CACHES_STRICT=1 that is a problem."""
    status, lines, _ = doctor(capsys)
    assert status == 0
    assert "memory://" in lines["connection"]
    assert "CACHES_DSN" in lines["note"]
    monkeypatch.setenv("CACHES_STRICT", "1")
    status, lines, _ = doctor(capsys)
    assert status == 1
    assert lines["connection"].startswith("!")


def test_a_server_that_is_down(own: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """One line with the reason, status 1."""
    own.kill()
    status, lines, _ = doctor(capsys, "--dsn", own.dsn)
    assert status == 1
    assert lines["server"].startswith("!")
    assert "refused" in lines["server"]
    assert lines["verdict"].endswith("1 problem: see the line with !")


def test_a_frozen_server(own: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends within the timeout and says what can be done."""
    own.freeze()
    status, lines, _ = doctor(capsys, "--dsn", own.dsn + "?timeout=0.2&connect_timeout=0.2")
    assert status == 1
    assert "in time" in lines["server"]
    assert "?timeout=" in lines["server"]


def test_a_server_that_wants_a_password(own: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """No password and a wrong one read the same."""
    for dsn in (f"redis://127.0.0.1:{own.port}", f"redis://:wrong@127.0.0.1:{own.port}"):
        status, lines, _ = doctor(capsys, "--dsn", dsn)
        assert status == 1
        assert "refused the login" in lines["server"]


def test_a_user_who_may_do_little(own: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """What a cache needs and may not do is a problem, with what the ACL lacks; INFO and CLIENT are not needed."""
    with own.client() as bare:
        bare.execute_command("ACL", "SETUSER", "guest", "on", ">pw", "~*", "+get", "+ping")
    status, lines, text = doctor(capsys, "--dsn", f"redis://guest:pw@127.0.0.1:{own.port}")
    assert status == 1
    assert "version is unknown" in lines["server"]
    assert "refused" in lines["l1"]
    for command in ("set", "publish", "subscribe"):
        assert f"the ACL lacks +{command}" in text


@pytest.mark.parametrize(
    ("rights", "lacks"),
    [
        (["~app.*", "&app.*"], []),
        (
            ["~app.*", "resetchannels"],
            ["a subscription is refused: the ACL lacks &app.*", "telling waiting callers is refused"],
        ),
        (
            ["~other.*", "&app.*"],
            ["a value is refused: the ACL lacks ~app.*", "a lease is", "a tag is"],
        ),
        (["~app.[a-qs-z]*", "~app.rcoll*", "&app.*"], ["a lease is refused: the ACL lacks ~app.*"]),
    ],
)
def test_the_pattern_that_an_acl_lacks_is_told(
    own: Server, capsys: pytest.CaptureFixture[str], rights: list[str], lacks: list[str]
) -> None:
    """A lease, a value, a tag and a subscription are tried; nothing stays."""
    with own.client() as bare:
        bare.execute_command("ACL", "SETUSER", "app", "on", ">pw", "resetchannels", *rights, "+@all")
    status, lines, text = doctor(capsys, "--dsn", f"redis://app:pw@127.0.0.1:{own.port}?namespace=app")
    assert status == bool(lacks)
    for each in lacks:
        assert each in text
    if not lacks:
        assert "works" in lines["l1"]
        assert "a subscription work" in lines["rights"]
    with own.client() as bare:
        wait_until(lambda: bare.dbsize() == 0, what="the listener has gone, and nothing else was left")


def test_without_a_namespace_the_patterns_are_those_of_our_names(
    own: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which prefixes the user may have nobody knows; what stands beside keys is refused by name."""
    with own.client() as bare:
        bare.execute_command("ACL", "SETUSER", "shop", "on", ">pw", "resetchannels", "~shop.*", "~rc:[lgst]:*", "+@all")
    status, _, text = doctor(capsys, "--dsn", f"redis://shop:pw@127.0.0.1:{own.port}")
    assert status == 1
    assert "a subscription is refused: the ACL lacks &rc:w:*" in text
    assert "~" not in text


def test_an_embedded_server_is_tried_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through its socket, whatever the DSN looks like."""
    status, lines, _ = doctor(capsys, "--dsn", f"embedded://{tmp_path / 'own'}")
    assert status == 0
    assert "a subscription work" in lines["rights"]


def test_a_missing_namespace_is_noted(own: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Two applications on one server would share keys."""
    _, lines, _ = doctor(capsys, "--dsn", own.dsn)
    assert "add ?namespace=" in lines["namespace"]
    _, lines, _ = doctor(capsys, "--dsn", f"{own.dsn}?namespace=shop")
    assert "begin with shop." in lines["namespace"]


def test_a_replica_is_a_problem(own: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Writes would fail there, so the doctor says it first."""
    with own.client() as bare:
        bare.execute_command("REPLICAOF", "127.0.0.1", 1)
    status, lines, _ = doctor(capsys, "--dsn", own.dsn)
    assert status == 1
    assert "point the DSN at the primary" in lines["server"]


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("nonsense", "scheme://"),
        ("redsi://localhost", "did you mean redis"),
        ("redis://h?timeut=1", "did you mean timeout"),
        ("redis+cluster://h:7000/1", "one database"),
        ("unix:///no/such/socket", "socket does not exist"),
        ("redis://no-such-host.invalid", "host name"),
    ],
)
def test_a_wrong_dsn(dsn: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Said in one line that begins with !, status 1."""
    status, _, text = doctor(capsys, "--dsn", dsn)
    assert status == 1
    assert any(line.startswith("!") and said in line for line in text.splitlines()), text


def test_a_wrong_dsn_in_the_environment_names_the_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that one knows which of several to mend."""
    monkeypatch.setenv("CACHES_DSN", "memory://")
    monkeypatch.setenv("CACHES_DSN_1", "redis://:secret@@h")
    status, lines, text = doctor(capsys)
    assert status == 1
    assert "CACHES_DSN_1" in lines["connection"]
    assert "secret" not in text


def test_signing_key_and_switch(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Yes, no, or too short; and caches that are switched off are a problem."""
    monkeypatch.setenv("CACHES_SIGNING_KEY", "0123456789abcdef0123456789abcdef")
    status, lines, text = doctor(capsys, "--dsn", "memory://")
    assert status == 0
    assert "yes" in lines["signing key"]
    assert "0123456789" not in text
    monkeypatch.setenv("CACHES_SIGNING_KEY", "short")
    status, lines, _ = doctor(capsys, "--dsn", "memory://")
    assert status == 1
    assert "too short" in lines["signing key"]
    monkeypatch.delenv("CACHES_SIGNING_KEY")
    monkeypatch.setenv("CACHES_DISABLE", "1")
    status, lines, _ = doctor(capsys, "--dsn", "memory://")
    assert status == 1
    assert "CACHES_DISABLE" in lines["caches"]


def test_missing_extras_come_with_their_pip_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a problem, unless the DSN needs them."""
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setattr("rcollections.cli.doctor.find_spec", lambda name: None)
    status, lines, _ = doctor(capsys, "--dsn", "memory://")
    assert status == 0
    assert "memory no" in lines["extras"]
    assert "pip install 'rcollections[memory" in lines["extras"]


def test_as_a_program() -> None:
    """``python -m rcollections`` has a help, a version, and no traceback for a server that is down."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CACHES_DSN": "redis://127.0.0.1:1/0"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rcollections", *arguments], capture_output=True, text=True, env=environment
        )

    assert "doctor" in run("--help").stdout
    assert run("--version").stdout.startswith("rcollections ")
    assert run().returncode == 2
    done = run("doctor")
    assert done.returncode == 1
    assert "connection refused" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_come_at_once(option: str, tmp_path: Path) -> None:
    """Neither redis nor asyncio is imported to tell what there is."""
    code = (
        "import sys\n"
        "from rcollections.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "brought = {'redis', 'asyncio', 'ssl', 'subprocess'} & set(sys.modules)\n"
        "sys.exit(f'imported: {brought}' if brought else 0)\n"
    )
    words, environment = [sys.executable, "-c", code, option], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "rcollections" in done.stdout


def test_doctor_on_a_cluster(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """All is tried there as well, and values are held."""
    status, lines, text = doctor(capsys, "--dsn", cluster.dsn + "?timeout=5&connect_timeout=5&namespace=shop")
    assert status == 0, text
    assert " works: " in lines["l1"]
