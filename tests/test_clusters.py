"""Clusters and sentinels for tests: they come up whole, hand over, lose nodes, and come back."""

from __future__ import annotations

import sys

import pytest
import redis

from rcollections.testing import Cluster, SentinelTrio
from tests.kinds import SERVERS, one_server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several servers at once are for Linux here")


@pytest.mark.parametrize("kind", SERVERS)
def test_a_cluster_comes_up_whole_and_hands_over(kind):
    with Cluster(kind) as cluster:
        assert [node.name for node in cluster.primaries] == ["n0", "n1", "n2"]
        assert [node.name for node in cluster.replicas] == ["n3", "n4", "n5"]
        key = cluster.key_on(cluster.nodes[0])
        assert cluster.owner(key) is cluster.nodes[0]
        cluster.nodes[0].client().set(key, 1)
        new = cluster.failover(cluster.nodes[0])
        assert new is cluster.nodes[3]
        assert new.role() == "primary"
        assert cluster.nodes[0].role() == "replica"
        assert new.client().get(key) == b"1"
        with pytest.raises(redis.ResponseError, match=f"127.0.0.1:{new.port}"):
            cluster.nodes[0].client().get(key)


def test_a_cluster_promotes_by_itself_when_a_primary_is_killed():
    with Cluster(one_server(), node_timeout=0.5, password="p@ss/word") as cluster:
        dead = cluster.nodes[1]
        dead.kill()
        cluster.wait_for_failover(dead)
        assert cluster.primaries == [cluster.nodes[0], cluster.nodes[4], cluster.nodes[2]]
        assert cluster.dsn.startswith("redis+cluster://:p%40ss%2Fword@127.0.0.1:")


@pytest.mark.parametrize("kind", SERVERS)
def test_sentinels_fail_over_by_hand_and_by_themselves(kind):
    with SentinelTrio(kind, down_after=0.5) as sentinels:
        first, second = sentinels.nodes
        assert sentinels.primary is first
        assert sentinels.replicas == [second]
        assert sentinels.failover() is second
        sentinels.ready()
        second.kill()
        assert sentinels.wait_for_failover(second) is first
        assert first.role() == "primary"


def test_sentinels_with_logins_of_their_own():
    with SentinelTrio(one_server(), password="pass word", sentinel_user="sam", sentinel_password="x/y") as sentinels:
        assert sentinels.dsn.endswith("/mymaster/0?sentinel_user=sam&sentinel_password=x%2Fy")
        assert sentinels.dsn.startswith("redis+sentinel://:pass%20word@127.0.0.1:")
        assert sentinels.primary is sentinels.nodes[0]
        with pytest.raises(redis.AuthenticationError):
            sentinels.sentinels[0].client(password="wrong").ping()
