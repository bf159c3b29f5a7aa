"""``embedded://`` when processes die or freeze: it heals by itself, and no acknowledged write is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import redis

from rcollections.errors import CacheConnectionError
from rcollections.servers.embedded import process as valkey_process
from rcollections.servers.embedded import server as embedded
from rcollections.servers.embedded.server import open_embedded
from rcollections.testing import wait_until
from tests.embedded_users import User, client_of, server_pids, starts, valkey_missing

pytestmark = pytest.mark.skipif(valkey_missing() is not None, reason=str(valkey_missing()))


@pytest.fixture
def path(tmp_path):
    yield str(tmp_path / "data")
    embedded._close_all()
    for pid in server_pids(str(tmp_path)):
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not server_pids(str(tmp_path)), what="the end of all servers")


def kill_server(path):
    (pid,) = server_pids(path)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not server_pids(path), what="the server's death")
    return pid


def test_a_killed_user_harms_no_one(path):
    with User(path) as starter, User(path) as other:
        assert (starter.incr(), other.incr()) == (1, 2)
        starter.kill()
        assert other.incr() == 3
        assert starts(path) == 1
    assert server_pids(path) == [], "the last one stopped it, though it had not started it"


def test_a_killed_last_user_leaves_the_server_to_the_next(path):
    with User(path) as user:
        user.incr()
        user.kill()
    (pid,) = server_pids(path)
    with User(path) as user:
        assert user.incr() == 2
        assert server_pids(path) == [pid]
    assert server_pids(path) == []


def test_a_killed_server_comes_back_with_its_data(path):
    with User(path) as one, User(path) as two:
        assert (one.incr(), two.incr()) == (1, 2)
        kill_server(path)
        one.send("incr")
        two.send("incr")
        assert sorted([one.answer(), two.answer()]) == ["3", "4"]
        assert starts(path) == 2
        assert len(server_pids(path)) == 1


def test_no_acknowledged_write_is_lost_when_the_server_is_killed_under_load(path):
    server = open_embedded(path)
    server.ensure()
    acknowledged = []

    def write(number):
        with client_of(server) as client:
            try:
                while True:
                    pipe = client.pipeline(transaction=False)
                    for _ in range(10):
                        pipe.incr(f"n{number}")
                    acknowledged.append((number, pipe.execute()[-1]))
            except redis.RedisError:
                return

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) > 300 and len({who for who, _ in list(acknowledged)}) == 3, what="some writes")
    kill_server(path)
    for thread in threads:
        thread.join()
    server.ensure()
    with client_of(server) as client:
        for number in range(3):
            most = max(count for who, count in acknowledged if who == number)
            assert int(client.get(f"n{number}")) >= most


def test_a_log_that_ends_in_the_middle_of_a_write_loads(path):
    server = open_embedded(path)
    server.ensure()
    with client_of(server) as client:
        client.set("a", "whole")
        client.set("b", "x" * 100)
    kill_server(path)
    (log,) = Path(path, "appendonlydir").glob("*.incr.aof")
    log.write_bytes(log.read_bytes()[:-50])
    server.ensure()
    with client_of(server) as client:
        assert client.get("a") == b"whole"


def test_many_threads_heal_a_killed_server_once(path):
    server = open_embedded(path)
    server.ensure()
    kill_server(path)
    errors = []

    def heal():
        try:
            server.ensure()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=heal) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert starts(path) == 2


def test_a_killed_server_leaves_no_zombie(path):
    server = open_embedded(path)
    server.ensure()
    dead = kill_server(path)
    server.ensure()
    with pytest.raises(ProcessLookupError):
        os.kill(dead, 0)


def test_a_server_that_outlived_our_use_leaves_no_zombie(path, tmp_path):
    server = open_embedded(path)
    server.ensure()
    with User(path) as other:
        other.incr()
        server.close()
        (pid,) = server_pids(path)
    # The other one, the last, has stopped our child.
    open_embedded(str(tmp_path / "another")).close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_frozen_server_is_not_replaced_and_thaws(path, monkeypatch):
    monkeypatch.setattr(valkey_process, "ANSWER", 0.2)
    server = open_embedded(path)
    server.ensure()
    (pid,) = server_pids(path)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(CacheConnectionError, match="frozen"):
            server.ensure()
        with User(path) as other:
            other.send("incr")  # fails in the same way
            assert other.answer() == ""
        assert server_pids(path) == [pid]
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: _healthy(server), what="the thawed server")
    assert starts(path) == 1


def _healthy(server):
    try:
        server.ensure()
    except CacheConnectionError:
        return False
    return True


def test_the_socket_file_of_a_living_server_is_never_taken_over(path, monkeypatch):
    monkeypatch.setattr(embedded, "PATIENCE", 0.3)
    server = open_embedded(path)
    server.ensure()
    (pid,) = server_pids(path)
    os.unlink(server.socket)
    with pytest.raises(CacheConnectionError, match=r"its socket .* is gone.*server\.pid"):
        server.ensure()
    assert server_pids(path) == [pid]
    assert Path(path, "server.pid").read_text().strip() == str(pid)
    os.kill(pid, signal.SIGTERM)
    monkeypatch.setattr(embedded, "PATIENCE", 10.0)
    server.ensure()
    assert server_pids(path) != [pid]


def test_a_process_frozen_while_it_holds_the_lock_is_reported(path, monkeypatch):
    monkeypatch.setattr(embedded, "PATIENCE", 0.2)
    server = open_embedded(path)
    code = (
        "import sys, time; from rcollections.servers.embedded.file_locks import LockFile\n"
        "lock = LockFile(sys.argv[1] + '/server.lock'); lock.try_lock(); print('held', flush=True)\n"
        "sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code, path]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=User.environ()) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(CacheConnectionError, match="another process has been starting"):
            server.ensure()
        holder.kill()
        holder.wait()
        monkeypatch.setattr(embedded, "PATIENCE", 10.0)
        server.ensure()


def test_a_removed_directory_takes_its_server_with_it(path):
    server = open_embedded(path)
    server.ensure()
    shutil.rmtree(path)
    server.close()
    assert server_pids(path) == []


def test_ctrl_c_in_the_terminal_is_not_for_the_server(path):
    server = open_embedded(path)
    server.ensure()
    (pid,) = server_pids(path)
    assert os.getsid(pid) == pid
    assert os.getpgid(pid) != os.getpgid(0)


def test_a_fork_while_a_server_starts_carries_no_lock_away(path):
    """A copied lock would make the server look alive, after its death, for as long as the fork lives."""
    code = (
        "import os, sys, threading, time, warnings; from rcollections.servers.embedded.server import open_embedded\n"
        "warnings.simplefilter('ignore')\n"
        "s = open_embedded(sys.argv[1]); forks = []\n"
        "t = threading.Thread(target=s.ensure); t.start()\n"
        "while t.is_alive():\n"
        "    pid = os.fork()\n"
        "    if not pid: time.sleep(30); os._exit(0)\n"
        "    forks.append(pid)\n"
        "import signal\n"
        "os.kill(s._server.child, signal.SIGKILL)\n"
        "start = time.monotonic(); s.ensure(); print(time.monotonic() - start < 5, len(forks) > 1)\n"
        "for pid in forks: os.kill(pid, signal.SIGKILL)\n"
        "for pid in forks: os.waitpid(pid, 0)\n"
    )
    command = [sys.executable, "-c", code, path]
    out = subprocess.run(command, capture_output=True, text=True, timeout=30, env=User.environ())
    assert (out.stdout, out.stderr) == ("True True\n", "")
    assert starts(path) == 2


def test_users_killed_at_random_moments_never_leave_a_mess(path):
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        users = [User(path) for _ in range(3)]
        for user in users:
            user.send("incr")
        users[0].answer()
        for user in users:
            user.kill()
    assert len(server_pids(path)) == 1
    with User(path) as user:
        assert user.incr() > 1
    assert server_pids(path) == []
