"""Clusters and sentinels for tests: they come up whole, hand over, lose nodes, and are mended for the next test."""

from __future__ import annotations

import sys
import time

import pytest
import redis

from rcollections.testing import Cluster, SentinelTrio, wait_until
from tests.kinds import one_server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several servers together are tested on Linux")


def names(nodes):
    return [node.name for node in nodes]


# -- clusters ------------------------------------------------------------------------------------------


def test_a_cluster_comes_up_whole(cluster):
    assert names(cluster.primaries) == ["n0", "n1", "n2"]
    assert names(cluster.replicas) == ["n3", "n4", "n5"]
    assert cluster.dsn == "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in cluster.nodes)
    for number, node in enumerate(cluster.primaries):
        key = cluster.key_on(node)
        assert cluster.owner(key) is node
        assert cluster.owner(cluster.slot(key)) is node
        assert names(cluster.replicas_of(node)) == [f"n{3 + number}"]
        assert node.client().set(key, number)
    assert cluster.key_on(cluster.nodes[0], "z", 1) != cluster.key_on(cluster.nodes[0], "z", 0)


def test_slots_are_those_of_the_servers(cluster):
    for key in ("", "a", "{", "}", "{}", "{}a", "a{b}c", "a{b}c{d}", "a{{b}c", "a{}b{c}", "}{", "\u00e9{\u00e9}"):
        assert cluster.slot(key) == cluster.nodes[0].ask("CLUSTER", "KEYSLOT", key)


@pytest.mark.parametrize("mode", ["graceful", "force", "takeover"])
def test_a_replica_takes_over_by_hand(cluster, mode):
    old = cluster.nodes[0]
    key = cluster.key_on(old)
    old.client().set(key, 1)
    old.ask("SET", key, 1)
    assert old.ask("WAIT", 1, 5000) == 1
    new = cluster.failover(old, mode)
    assert new is cluster.nodes[3]
    assert new.role() == "primary"
    assert new.client().get(key) == b"1"
    wait_until(lambda: old.role() == "replica", what="the demotion")
    with pytest.raises(redis.ResponseError, match=f"127.0.0.1:{new.port}"):
        old.client().get(key)
    cluster.heal()
    assert names(cluster.primaries) == ["n0", "n1", "n2"]
    assert cluster.nodes[0].client().get(key) is None


def test_the_replica_may_be_named(cluster):
    assert cluster.failover(cluster.nodes[4]) is cluster.nodes[4]
    assert cluster.failover(cluster.nodes[1]) is cluster.nodes[1]


def test_a_killed_primary_is_replaced_and_all_is_mended(cluster):
    dead = cluster.nodes[1]
    dead.kill()
    cluster.wait_for_failover(dead)
    assert names(cluster.primaries) == ["n0", "n4", "n2"]
    with pytest.raises(LookupError, match="no running replica"):
        cluster.failover(cluster.nodes[4])
    cluster.heal()
    assert names(cluster.primaries) == ["n0", "n1", "n2"]
    assert all(node.alive for node in cluster.nodes)


def test_a_frozen_primary_is_replaced_and_comes_back_as_a_replica(cluster):
    frozen = cluster.nodes[2]
    frozen.freeze()
    cluster.wait_for_failover(frozen)
    frozen.resume()
    wait_until(lambda: frozen.role() == "replica", what="the demotion")


def test_slots_move_key_by_key_and_a_test_may_stop_half_way(cluster):
    source, target, _ = cluster.primaries
    tag = cluster.key_on(source)
    keys = [f"{{{tag}}}{number}" for number in range(250)]
    for key in keys:
        source.ask("SET", key, key)
    move = cluster.resharding(cluster.slot(tag), source, target)
    assert move.move_keys(1) == 1
    move.move(keys[7])
    with pytest.raises(redis.ResponseError, match=f"^{cluster.slot(tag)} 127.0.0.1:{target.port}|ASK"):
        source.client().get(keys[7])
    assert cluster.owner(tag) is source
    assert move.finish() in (248, 249)
    assert cluster.owner(tag) is target
    assert target.client().dbsize() == 250
    cluster.heal()
    assert cluster.owner(tag) is source
    cluster.resharding([cluster.slot(tag), cluster.slot(cluster.key_on(source, "x"))], source, target)
    cluster.heal()
    assert source.client().set(tag, 1)


def test_slots_move_in_one_step_where_servers_can(cluster):
    source, target, _ = cluster.primaries
    key = cluster.key_on(source)
    source.ask("SET", key, 1)
    if cluster.kind != "valkey":
        with pytest.raises(RuntimeError, match="Valkey 9 can"):
            cluster.move_slots(cluster.slot(key), source, target)
        return
    cluster.move_slots(cluster.slot(key), source, target)
    assert cluster.owner(key) is target
    assert target.client().get(key) == b"1"


def test_nodes_come_and_go(cluster):
    new = cluster.add_node()
    assert names(cluster.nodes) == ["n0", "n1", "n2", "n3", "n4", "n5", "n6"]
    key = cluster.key_on(cluster.nodes[0])
    cluster.nodes[0].ask("SET", key, 1)
    assert cluster.reshard(cluster.slot(key), cluster.nodes[0], new) == 1
    replica = cluster.add_node(new)
    assert cluster.replicas_of(new) == [replica]
    cluster.remove_node(replica)
    cluster.remove_node(new)
    assert cluster.owner(key) in cluster.nodes[:3]
    assert cluster.owner(key).client().get(key) == b"1"
    assert len(cluster.nodes[0].ask("CLUSTER", "NODES").splitlines()) == 6
    cluster.remove_node(cluster.nodes[0])
    assert len(cluster.primaries) == 2
    cluster.heal()
    assert names(cluster.primaries) == ["n0", "n1", "n2"]


def test_settings_of_a_test_are_given_back(cluster):
    node = cluster.nodes[0]
    node.configure(min_replicas_to_write=1, cluster_allow_reads_when_down="yes")
    node.configure(min_replicas_to_write=2)
    cluster.heal()
    assert node.ask("CONFIG", "GET", "min-replicas-to-write")[1] == b"0"
    assert node.ask("CONFIG", "GET", "cluster-allow-reads-when-down")[1] == b"no"


def test_a_small_cluster_with_a_password_is_up_in_seconds():
    start = time.monotonic()
    with Cluster(one_server(), primaries=2, replicas=0, node_timeout=0.5, password="p@ss/word") as cluster:
        assert time.monotonic() - start < 8  # 2.1 s where nothing else runs
        assert cluster.dsn.startswith("redis+cluster://:p%40ss%2Fword@127.0.0.1:")
        first, second = cluster.primaries
        key = cluster.key_on(first)
        first.ask("SET", key, 1)
        assert cluster.reshard(cluster.slot(key), first, second) == 1
        with pytest.raises(RuntimeError, match="takes network=True"):
            cluster.network.heal()


@pytest.mark.parametrize(
    ("options", "said"),
    [({"primaries": 0}, "1 primary"), ({"replicas": -1}, "0 replicas"), ({"node_timeout": 500}, "in seconds")],
)
def test_what_makes_no_cluster_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Cluster(one_server(), **options)


# -- sentinels -----------------------------------------------------------------------------------------


def test_sentinels_fail_over_by_hand(sentinels):
    first, second = sentinels.nodes
    assert sentinels.primary is first
    assert sentinels.replicas == [second]
    assert sentinels.dsn.endswith("/mymaster/0")
    assert sentinels.failover() is second
    assert second.role() == "primary"
    sentinels.ready()
    assert first.role() == "replica"


def test_sentinels_replace_a_killed_primary_and_all_is_mended(sentinels):
    first, second = sentinels.nodes
    first.ask("SET", "a", 1)
    sentinels.sentinels[2].kill()
    first.kill()
    assert sentinels.wait_for_failover(first) is second
    sentinels.heal()
    assert sentinels.primary is first
    assert first.client().get("a") is None
    assert second.role() == "replica"


def test_sentinels_replace_a_frozen_primary_which_does_not_know(sentinels):
    first, second = sentinels.nodes
    first.freeze()
    assert sentinels.wait_for_failover(first) is second
    first.thaw()
    assert first.client().set("a", 1) is True  # acknowledged, and lost
    wait_until(lambda: first.role() == "replica", what="the demotion")


def test_two_sentinels_are_a_majority_and_one_is_none(sentinels):
    for sentinel in sentinels.sentinels[:2]:
        assert sentinels.primary is sentinels.nodes[0]
        sentinel.freeze()
    with pytest.raises(LookupError, match="do not agree"):
        _ = sentinels.primary


def test_sentinels_with_logins_of_their_own():
    with SentinelTrio(one_server(), password="pass word", sentinel_user="sam", sentinel_password="x/y") as sentinels:
        assert sentinels.dsn.endswith("/mymaster/0?sentinel_user=sam&sentinel_password=x/y")
        assert sentinels.dsn.startswith("redis+sentinel://:pass%20word@127.0.0.1:")
        assert sentinels.failover() is sentinels.nodes[1]
        with pytest.raises(redis.AuthenticationError):
            sentinels.sentinels[0].client(password="wrong").ping()


def test_sentinels_of_two_replicas_at_their_own_periods():
    with SentinelTrio(one_server(), replicas=2, fast=False, sentinel_password="abc", down_after=0.5) as sentinels:
        first = sentinels.primary
        assert len(sentinels.replicas) == 2
        first.kill()
        assert sentinels.wait_for_failover(first) in sentinels.nodes[1:]


def test_a_user_without_a_password_is_refused():
    with pytest.raises(ValueError, match="needs a sentinel_password"):
        SentinelTrio(one_server(), sentinel_user="sam")
