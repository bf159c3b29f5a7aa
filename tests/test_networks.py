"""The network between the nodes of a cluster: it breaks between those that a test names, and nowhere else."""

from __future__ import annotations

import ssl
import sys
import time

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from rcollections.testing import Cluster, Process, SentinelTrio, Server, wait_until
from tests.kinds import one_server
from tests.kits import TOGETHER

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has many addresses of its own")


@pytest.fixture(scope="module", params=TOGETHER)
def started(request):
    with Cluster(request.param, node_timeout=0.5, network=True) as cluster:
        yield cluster


@pytest.fixture
def cluster(started):
    started.heal()
    return started


class Client:
    """A client that comes over the network, as users do."""

    def __init__(self, node, timeout=0.3, **options):
        times = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
        once = Retry(NoBackoff(), 0)
        self._redis = redis.Redis(host=node.host, port=node.port, protocol=2, retry=once, **times, **options)

    def __enter__(self):
        return self._redis

    def __exit__(self, *_):
        self._redis.close()
        self._redis.connection_pool.disconnect()


def test_nodes_stand_at_addresses_of_their_own(cluster):
    assert [node.host for node in cluster.nodes] == [f"127.0.1.{number}" for number in range(1, 7)]
    node = cluster.nodes[0]
    key = cluster.key_on(node)
    with Client(node, 5.0) as client:
        assert client.set(key, b"x" * 5_000_000)
        assert len(client.get(key)) == 5_000_000
        other = cluster.key_on(cluster.nodes[1])
        with pytest.raises(redis.ResponseError, match=f"127.0.1.2:{cluster.nodes[1].port}"):
            client.get(other)


def test_a_minority_goes_on_for_a_moment_and_then_refuses(cluster):
    """The client is on the side of one primary; what it is told there is lost."""
    old, new = cluster.nodes[0], cluster.nodes[3]
    key = cluster.key_on(old)
    cluster.network.partition({"client", old})
    with Client(old) as near, Client(new) as far:
        assert near.set(key, "lost") is True
        wait_until(lambda: new.role() == "primary", what="the promotion")
        with pytest.raises(redis.ResponseError, match="CLUSTERDOWN|cluster is down"):
            near.set(key, "refused")
        with pytest.raises(redis.TimeoutError):
            far.get(key)
        assert new.client().get(key) is None  # the test itself sees both sides
        cluster.network.heal()
        wait_until(lambda: old.role() == "replica", what="the demotion")
        assert far.get(key) is None


def test_a_partition_may_have_three_sides(cluster):
    primary, replica = cluster.nodes[0], cluster.nodes[4]
    cluster.network.partition({primary}, {replica})
    for node in (primary, replica):
        wait_until(lambda node=node: b"cluster_state:fail" in node.ask("CLUSTER", "INFO"), what="a minority")
    wait_until(lambda: cluster.nodes[3].role() == "primary", what="the promotion")
    assert replica.role() == "replica"
    for node in cluster.nodes:
        with Client(node) as client:
            if node in (primary, replica):
                with pytest.raises(redis.TimeoutError):
                    client.ping()
            else:
                assert client.ping()


def test_frozen_replication_lets_acknowledged_writes_be_lost(cluster):
    old, new = cluster.nodes[0], cluster.nodes[3]
    key = cluster.key_on(old)
    cluster.network.freeze(old, new, "replication")
    with Client(old) as client:
        assert client.set(key, 1) is True
        assert client.wait(1, 50) == 0
        old.kill()
    cluster.failover(new, "takeover")
    with Client(new) as client:
        assert client.get(key) is None


def test_slow_replication_comes_late_and_in_order(cluster):
    primary, replica = cluster.nodes[1], cluster.nodes[4]
    key = cluster.key_on(primary)
    cluster.network.slow(primary, replica, 0.15, "replication", one_way=True)
    start = time.monotonic()
    for number in range(20):
        primary.ask("RPUSH", key, number)
    with Client(replica) as client:
        assert client.execute_command("READONLY")
        assert client.llen(key) == 0
        wait_until(lambda: client.llen(key) == 20, what="the late writes")
        assert time.monotonic() - start > 0.15
        assert client.lrange(key, 0, -1) == [b"%d" % number for number in range(20)]


def test_a_slow_client(cluster):
    node = cluster.nodes[0]
    with Client(node, 5.0) as client:
        client.ping()
        cluster.network.slow("client", "n0", 0.1)
        start = time.monotonic()
        client.ping()
        assert time.monotonic() - start > 0.2  # there and back
        cluster.network.heal()
        start = time.monotonic()
        client.ping()
        assert time.monotonic() - start < 0.2


def test_one_way_means_executed_and_not_heard(cluster):
    node = cluster.nodes[0]
    key = cluster.key_on(node)
    with Client(node) as client:
        client.ping()
        cluster.network.freeze(node, "client", one_way=True)
        with pytest.raises(redis.TimeoutError):
            client.incr(key)
        wait_until(lambda: node.client().get(key) == b"1", what="the write")


def test_cut_connections_may_come_back_and_refused_ones_may_not(cluster):
    node, other = cluster.nodes[:2]
    with Client(node) as client, Client(other) as second:
        before, others = client.client_id(), second.client_id()
        assert client.client_id() == before
        cluster.network.cut("client", node, "clients")
        wait_until(lambda: client.client_id() > before, what="another connection")
        cluster.network.refuse("client", node)
        with pytest.raises(redis.ConnectionError):
            client.ping()
        assert second.client_id() == others
        cluster.network.heal()
        assert client.ping()


def test_what_was_sent_on_a_connection_that_never_was_is_lost(cluster):
    """And what was sent on one that was there arrives late."""
    node = cluster.nodes[0]
    key = cluster.key_on(node)
    with Client(node, 0.1) as old, Client(node, 0.1) as new:
        old.ping()
        cluster.network.freeze("client", node)
        for client in (old, new):
            with pytest.raises(redis.TimeoutError):
                client.incr(key)
        cluster.network.heal()
        wait_until(lambda: node.client().get(key) == b"1", what="the late write")
        with Client(node) as third:
            assert third.get(key) == b"1"


def test_a_guest_is_on_a_side_of_its_own(cluster):
    node = cluster.nodes[0]
    address = cluster.network.guest("writer")
    program = (
        "import redis\nfrom rcollections.testing import speak_from\n"
        f"speak_from({address!r})\n"
        f"client = redis.Redis(host={node.host!r}, port={node.port}, socket_timeout=0.2, retry=None)\n"
    )
    with Process(program, "memory://") as writer, Client(node) as client:
        assert writer("client.ping()") is True
        cluster.network.freeze("writer", node)
        with pytest.raises(RuntimeError, match="TimeoutError"):
            writer("client.ping()")
        assert client.ping()
    with pytest.raises(ValueError, match="there already"):
        cluster.network.guest("writer")


def test_names_that_nobody_has_are_refused(cluster):
    network = cluster.network
    with pytest.raises(ValueError, match="no n77 here: there are client, n0, n1"):
        network.freeze("n77", "client")
    with pytest.raises(ValueError, match="in two groups"):
        network.partition({"n0", "n1"}, {"n1"})
    with pytest.raises(ValueError, match="more than 0 seconds"):
        network.slow("n0", "n1", 0)
    with pytest.raises(ValueError, match="all, clients, replication, bus"):
        network.cut("n0", "n1", "gossip")


def test_a_network_that_was_stopped_says_so():
    with Cluster(one_server(), primaries=1, replicas=0, network=True) as cluster:
        pass
    with pytest.raises(RuntimeError, match="was stopped"):
        cluster.network.heal()


def test_tls_is_for_clients_and_nodes_do_without():
    with Cluster(one_server(), tls=True, password="pw") as cluster:
        node = cluster.nodes[0]
        assert cluster.dsn.startswith("rediss+cluster://:pw@127.0.1.1:")
        authority = cluster.dsn.rpartition("?ssl_ca_certs=")[2]
        key = cluster.key_on(node)
        with Client(node, 5.0, password="pw", ssl=True, ssl_ca_certs=authority) as client:
            assert client.set(key, b"x" * 3_000_000)
            assert len(client.get(key)) == 3_000_000
            for number in range(200):
                client.set(key, number)
            new = cluster.failover(node)
            assert new.client().get(key) == b"199"
        with pytest.raises(redis.ConnectionError), Client(new, 1.0, password="pw") as plain:
            plain.get(key)
        with pytest.raises(redis.ConnectionError) as raised, Client(new, 1.0, password="pw", ssl=True) as stranger:
            stranger.get(key)
        assert isinstance(raised.value.__cause__, ssl.SSLError | None)


@pytest.mark.parametrize("kind", TOGETHER)
def test_a_primary_cut_off_with_one_sentinel_and_the_client_does_not_know(kind):
    with SentinelTrio(kind, network=True, down_after=0.5) as sentinels:
        old, new = sentinels.nodes
        sentinels.network.partition({"client", old, "s0"})
        wait_until(lambda: new.role() == "primary", what="the promotion")
        wait_until(lambda: sentinels.primary is new, what="the word of the majority")
        with Client(old) as client:
            assert client.set("a", 1)  # acknowledged, and lost
        with Client(new) as client, pytest.raises(redis.TimeoutError):
            client.ping()
        told = sentinels.sentinels[0].client().sentinel_get_master_addr_by_name("mymaster")
        assert (told[0].decode(), told[1]) == old.address
        sentinels.heal()
        assert sentinels.primary is old
        assert new.role() == "replica"


def test_sentinels_behind_tls():
    with SentinelTrio(one_server(), tls=True, password="pw", sentinel_password="own") as sentinels:
        assert sentinels.dsn.startswith("rediss+sentinel://:pw@127.0.1.3:")
        authority = sentinels.dsn.rpartition("ssl_ca_certs=")[2]
        with Client(sentinels.sentinels[0], 5.0, password="own", ssl=True, ssl_ca_certs=authority) as client:
            assert client.sentinel_get_master_addr_by_name("mymaster")[1] == sentinels.primary.port
        assert sentinels.failover() is sentinels.nodes[1]


def test_old_servers_have_no_network(monkeypatch):
    kind = one_server()
    monkeypatch.setattr("rcollections.testing.ground.version", lambda _: (6, 2))
    with pytest.raises(RuntimeError, match="servers from 7.0 on"):
        Cluster(kind, network=True)
    assert Server(kind).stop() is None
