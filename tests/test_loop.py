"""The compiled loop of an ear by itself: bytes go in, words move, notes come out."""

from __future__ import annotations

import os
import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from rcollections.l1 import COMPILED, Tier, Words
from rcollections.testing import Server, wait_until
from tests.kinds import SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not COMPILED, reason="nothing is compiled here")

CHANNEL = b"__redis__:invalidate"


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(text), text)


def changed(*keys: bytes) -> bytes:
    return b"*3\r\n" + bulk(b"message") + bulk(CHANNEL) + b"*%d\r\n" % len(keys) + b"".join(map(bulk, keys))


class Peer:
    """The server's end of a connection that a loop hears on."""

    def __init__(self, words: Any, proves: bool = True, channel: bytes = b"", node: int = 0, hub: Any = None) -> None:
        from rcollections.coherence._ear import Loop

        self.words, self.notes, self.why = words, [], None
        self.socket, ours = socket.socketpair()
        self.number = words.enlist(self, node)
        self.loop = Loop(words, self.number, ours.fileno(), 5.0, proves, channel, node, hub)
        ours.close()  # the loop has its own
        self.socket.settimeout(5)
        self.pings = 0

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def pong(self) -> None:
        """Wait for a PING, and answer it."""
        self.send(self.answer_to_ping())

    def answer_to_ping(self) -> bytes:
        self.pings += 1
        number = b"%d" % self.pings
        expected = b"*2\r\n" + bulk(b"PING") + bulk(number)
        got = b""
        while len(got) < len(expected):
            got += self.socket.recv(len(expected) - len(got))
        assert got == expected
        return b"*2\r\n" + bulk(b"pong") + bulk(number)

    def look(self) -> list[Any]:
        told, why = self.loop.wait(0.05)
        self.notes += told
        self.why = self.why or why
        return self.notes

    def until(self, word: str) -> Any:
        """The note with this word, which is taken."""
        wait_until(lambda: any(each[0] == word for each in self.look()), 5, word)
        found = next(each for each in self.notes if each[0] == word)
        self.notes.remove(found)
        return found


@pytest.fixture
def words() -> Any:
    found = Words()
    found.want(1.0)
    return found


@pytest.fixture
def peer(words: Any) -> Iterator[Peer]:
    found = Peer(words)
    yield found
    found.loop.close()
    found.socket.close()


def test_a_word_moves_and_its_number_comes_later(words: Any, peer: Peer) -> None:
    peer.send(changed(b"a", b"b" * 3000))
    assert peer.until("announced")[1] == [words.number(b"a"), words.number(b"b" * 3000)]
    assert words.word(b"a") == words.word(b"b" * 3000) == 1


def test_bytes_one_by_one(words: Any, peer: Peer) -> None:
    for byte in changed(b"a") + b"*3\r\n" + bulk(b"message") + bulk(b"other") + bulk(b"text") + changed(b"b"):
        peer.send(bytes([byte]))
        time.sleep(0)
    assert peer.until("published")[1] == [b"message", b"other", b"text"]
    wait_until(lambda: words.word(b"a") == words.word(b"b") == 1, 5, "both words have moved")


def test_the_second_pong_proves_what_was_before_the_first_ping(words: Any, peer: Peer) -> None:
    """Nothing is published before this ear is in charge."""
    before = time.monotonic_ns()
    peer.pong()
    peer.pong()
    assert peer.until("confirmed")
    instant = peer.until("proved")[1]
    assert before - 10**9 < instant[0] < time.monotonic_ns()
    assert words.proven is None, "somebody else is in charge"
    words.lead(peer)
    peer.pong()
    wait_until(lambda: words.proven is not None, 5, "the proof")
    assert words.proven <= time.monotonic_ns()


def test_messages_behind_a_pong_are_applied_before_its_proof(words: Any, peer: Peer) -> None:
    words.lead(peer)
    peer.pong()
    peer.send(peer.answer_to_ping() + changed(b"a"))
    wait_until(lambda: words.proven is not None, 5, "the proof")
    assert words.word(b"a") == 1


@pytest.mark.parametrize("answer", [b"-BUSY a script runs\r\n", b"+PONG\r\n", b":1\r\n", b"$-1\r\n"])
def test_any_other_answer_ends_the_proof(words: Any, peer: Peer, answer: bytes) -> None:
    words.lead(peer)
    peer.pong()
    peer.pong()
    wait_until(lambda: words.proven is not None, 5, "the proof")
    epoch = words.epoch
    peer.answer_to_ping()
    peer.send(answer)
    assert peer.until("unsure")
    assert words.proven is None
    assert words.epoch > epoch
    peer.notes.clear()
    peer.pong()
    assert not [each for each in peer.look() if each[0] == "confirmed"]
    assert words.proven is None, "one PONG proves nothing"
    peer.pong()
    assert peer.until("confirmed")
    wait_until(lambda: words.proven is not None, 5, "the proof")


def test_a_late_pong_is_not_taken_for_another(words: Any, peer: Peer) -> None:
    words.lead(peer)
    peer.answer_to_ping()
    peer.send(b"*2\r\n" + bulk(b"pong") + bulk(b"7"))
    peer.send(changed(b"a"))
    wait_until(lambda: words.word(b"a") == 1, 5, "it is read")
    assert words.proven is None


@pytest.mark.parametrize("nothing", [b"*-1\r\n", b"$-1\r\n", b"_\r\n"])
def test_a_flush_moves_the_epoch(words: Any, peer: Peer, nothing: bytes) -> None:
    epoch = words.epoch
    peer.send(b"*3\r\n" + bulk(b"message") + bulk(CHANNEL) + nothing)
    assert peer.until("flushed")
    assert words.epoch == epoch + 1


def test_a_huge_key_counts_as_if_all_changed(words: Any, peer: Peer) -> None:
    epoch = words.epoch
    peer.send(changed(b"x" * (3 << 20), b"a"))
    assert peer.until("flushed")
    wait_until(lambda: words.word(b"a") == 1, 5, "what follows is read")
    assert words.epoch == epoch + 1


def test_a_huge_message_was_missed(words: Any, peer: Peer) -> None:
    peer.send(b"*3\r\n" + bulk(b"message") + bulk(b"other") + bulk(b"x" * (2 << 20)) + changed(b"a"))
    assert peer.until("missed")
    wait_until(lambda: words.word(b"a") == 1, 5, "what follows is read")


@pytest.mark.parametrize("text", [b"nonsense\r\n", b"*3\r\n:1\r\n", b"*1\r\n", b"$9z\r\n", b"*99\r\n", b"\n"])
def test_what_is_no_message_ends_it(words: Any, peer: Peer, text: bytes) -> None:
    words.lead(peer)
    peer.send(text)
    wait_until(lambda: peer.look() is not None and peer.why, 5, "it ends")
    assert peer.why == "closed"


def test_where_the_ring_is_full_words_move_all_the_same(words: Any, peer: Peer) -> None:
    """Nobody takes the numbers; a value that counts no more goes when somebody looks at it."""
    for n in range(40):
        peer.send(changed(*(b"%d" % k for k in range(n * 1000, n * 1000 + 1000))))
    peer.send(changed(b"last"))
    wait_until(lambda: words.word(b"last") == 1, 5, "all is read")
    assert len(peer.until("announced")[1]) <= 1 << 14


def test_where_nobody_takes_messages_they_are_missed_and_the_rest_is_not(words: Any, peer: Peer) -> None:
    words.lead(peer)
    for _ in range(20):
        peer.send(b"*3\r\n" + bulk(b"message") + bulk(b"other") + bulk(b"x" * 30_000))
    peer.pong()
    peer.pong()
    wait_until(lambda: words.proven is not None, 5, "the proof")
    assert peer.until("missed")
    assert peer.until("confirmed")


def test_the_end_of_the_connection_ends_the_proof_without_python(words: Any, peer: Peer) -> None:
    words.lead(peer)
    peer.pong()
    peer.pong()
    wait_until(lambda: words.proven is not None, 5, "the proof")
    epoch = words.epoch
    peer.socket.close()
    wait_until(lambda: words.proven is None, 5, "nothing is proven")
    assert words.epoch > epoch
    assert peer.look() is not None
    assert peer.why == "closed"


def test_only_the_ear_in_charge_publishes_and_ends(words: Any, peer: Peer) -> None:
    other = Peer(words)
    words.lead(other)
    for _ in range(2):
        other.pong()
    wait_until(lambda: words.proven is not None, 5, "the proof")
    peer.pong()
    peer.pong()
    peer.until("proved")
    at, epoch = words.proven, words.epoch
    assert not words.publish(peer.number, time.monotonic_ns(), time.time_ns())
    assert words.publish(other.number, at - 1000, time.time_ns()), "in charge, but it knew a later one"
    assert words.proven == at
    peer.socket.close()
    wait_until(lambda: peer.look() is not None and peer.why, 5, "it ends")
    assert (words.proven, words.epoch) == (at, epoch), "the end of an ear that is not in charge is the end of no proof"
    other.loop.close()
    other.socket.close()


def test_a_tier_that_follows_serves_by_the_words(words: Any, peer: Peer) -> None:
    tier: Any = Tier(10)
    tier.follow(words)
    tier.begin()
    words.lead(peer)
    peer.pong()
    token = tier.token("a", ("tag",))
    late = tier.token("a")
    assert tier.keep(token, 2, (1,), "value")
    assert not tier.serves
    peer.pong()
    wait_until(lambda: tier.serves, 5, "the proof")
    assert tier.held(2, (1,)) == "value"
    peer.send(changed(b"tag"))
    wait_until(lambda: words.word(b"tag") == 1, 5, "it is read")
    assert tier.held(2, (1,)) is None, "although nobody has looked at the notes"
    peer.send(changed(b"a"))
    wait_until(lambda: words.word(b"a") == 1, 5, "it is read")
    assert not tier.keep(late, 2, (1,), "old")
    assert tier.keep(tier.token("a"), 2, (1,), "new")
    tier.announced(peer.until("announced")[1])
    assert tier.held(2, (1,)) == "new", "what counts is not let go"
    peer.socket.close()
    wait_until(lambda: not tier.serves, 5, "nothing is proven")


def test_where_python_proves_the_loop_ends_the_proof_alone(words: Any) -> None:
    peer = Peer(words, proves=False)
    words.lead(peer)
    peer.pong()
    peer.pong()
    instant = peer.until("proved")[1]
    assert words.proven is None
    assert words.publish(-1, *instant)
    peer.answer_to_ping()
    peer.send(b"-ERR\r\n")
    peer.until("unsure")
    assert words.proven is None
    peer.loop.close()
    peer.socket.close()


def test_a_machine_that_slept_empties_all(words: Any) -> None:
    now, wall = time.monotonic_ns(), time.time_ns()
    assert words.publish(0, now, wall)
    epoch = words.epoch
    assert words.publish(0, now + 10**6, wall + 10**6)
    assert words.epoch == epoch
    assert words.publish(0, now + 10**7, wall + 10**10)
    assert words.epoch == epoch + 1


# -- answers over a connection for data ------------------------------------------------------------


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(request.param) as server:
        yield server


def joined(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(map(bulk, words))


CHANNEL_OF_ROUNDS = b"rc:z:0"


@pytest.fixture
def asked(words: Any) -> Iterator[Peer]:
    """An ear that others ask."""
    found = Peer(words, channel=CHANNEL_OF_ROUNDS)
    words.lead(found)
    yield found
    found.loop.close()
    found.socket.close()


def a_round(number: int) -> bytes:
    return b"*3\r\n" + bulk(b"message") + bulk(CHANNEL_OF_ROUNDS) + bulk(b"%d" % number)


THERE = joined(b"HSETNX", b"rc:z", b"me", b"1000:0")
HEAD = b"*4\r\n" + bulk(b"HSET") + bulk(b"rc:z") + bulk(b"me")


class Data:
    """The server's end of a connection for data."""

    def __init__(self, peer: Peer, *, anew: bool = False) -> None:
        self.socket, ours = socket.socketpair()
        peer.loop.answer(ours.fileno(), HEAD, b"1000:", THERE, anew)
        ours.close()
        self.socket.settimeout(5)

    def close(self) -> None:
        self.socket.close()

    def expect(self, *commands: bytes) -> None:
        wanted = b"".join(commands)
        got = b""
        while len(got) < len(wanted):
            got += self.socket.recv(len(wanted) - len(got))
        assert got == wanted

    def tell(self, reply: bytes = b":0\r\n") -> None:
        self.socket.sendall(reply)


@pytest.fixture
def data(asked: Peer) -> Iterator[Data]:
    with closing(Data(asked)) as found:
        yield found


def answer_of(number: int) -> bytes:
    return HEAD + bulk(b"1000:%d" % number)


def test_it_answers_rounds_of_settling(server: Server, words: Any, asked: Peer) -> None:
    """One answer for all that was read, also before the connection was there; a field that is gone ends the proof."""
    with server.client() as bare, closing(socket.socket(socket.AF_UNIX)) as data:
        data.connect(server.dsn.removeprefix("unix://").partition("?")[0])
        bare.hset("rc:z", "me", "1000:0")
        asked.send(a_round(5))
        asked.send(changed(b"b"))
        wait_until(lambda: words.word(b"b") == 1, 5, "it is read")
        asked.loop.answer(data.fileno(), HEAD, b"1000:", THERE)
        wait_until(lambda: bare.hget("rc:z", "me") == b"1000:5", 5, "the answer")
        asked.send(changed(b"a") + a_round(7) + a_round(9))
        wait_until(lambda: bare.hget("rc:z", "me") == b"1000:9", 5, "the answer")
        assert words.word(b"a") == 1
        asked.pong()
        asked.pong()
        wait_until(lambda: words.proven is not None, 5, "the proof")
        assert not [each for each in asked.look() if each[0] == "published"], "rounds are no messages for Python"
        bare.hdel("rc:z", "me")
        asked.pong()
        assert asked.until("unanswered")
        assert words.proven is None


def test_without_an_answer_nothing_is_proven(words: Any, asked: Peer, data: Data) -> None:
    asked.pong()
    data.expect(THERE)
    data.tell()
    asked.send(asked.answer_to_ping() + changed(b"a"))
    data.expect(THERE)
    wait_until(lambda: words.word(b"a") == 1, 5, "it is read")
    assert words.proven is None
    data.tell()
    wait_until(lambda: words.proven is not None, 5, "the proof")


def test_without_a_connection_for_data_nothing_is_proven(words: Any, asked: Peer) -> None:
    asked.pong()
    asked.send(changed(b"a"))
    wait_until(lambda: words.word(b"a") == 1, 5, "it is read")
    assert not [each for each in asked.look() if each[0] in ("confirmed", "proved")]
    assert words.proven is None


def test_another_connection_takes_the_place_of_one_that_broke(words: Any, asked: Peer, data: Data) -> None:
    """What the first one had to say may not have arrived: it is said again. Nothing that is held goes."""
    for _ in range(2):
        asked.pong()
        data.expect(THERE)
        data.tell()
    wait_until(lambda: words.proven is not None, 5, "the proof")
    epoch = words.epoch
    asked.send(a_round(3))
    data.expect(answer_of(3))
    data.close()
    assert asked.until("broken")
    asked.pong()
    at = words.proven
    with closing(Data(asked)) as other:
        other.expect(THERE, answer_of(3))
        assert words.proven == at, "the answer is missing"
        other.tell()
        other.tell()
        wait_until(lambda: words.proven != at, 5, "the next proof")
    assert words.epoch == epoch


def test_after_a_lapse_only_what_is_asked_under_a_new_id_proves(words: Any, asked: Peer, data: Data) -> None:
    words.want(0.2)
    for _ in range(2):
        asked.pong()
        data.expect(THERE)
        data.tell()
    wait_until(lambda: words.proven is not None, 5, "the proof")
    at = words.proven
    late = asked.answer_to_ping()
    data.expect(THERE)
    data.tell()
    wait_until(lambda: time.monotonic_ns() - at > 3 * 10**8, 5, "the staleness")
    asked.send(late)
    assert asked.until("lapsed")
    asked.pong()
    with closing(Data(asked, anew=True)) as other:
        assert words.proven == at
        asked.pong()
        other.expect(THERE)
        other.tell()
        began = time.monotonic_ns()
        asked.pong()
        other.expect(THERE)
        assert words.proven == at
        other.tell()
        wait_until(lambda: words.proven > at, 5, "the proof")
        assert words.proven < began
    assert not [each for each in asked.look() if each[0] == "unsure"]


@pytest.mark.parametrize("reply", [b":1\r\n", b"-READONLY You can't write\r\n", b"+OK\r\n", b":0\r\n:0\r\n"])
def test_a_wrong_answer_ends_the_proof(words: Any, asked: Peer, data: Data, reply: bytes) -> None:
    for _ in range(2):
        asked.pong()
        data.expect(THERE)
        data.tell()
    wait_until(lambda: words.proven is not None, 5, "the proof")
    asked.answer_to_ping()
    data.expect(THERE)
    data.tell(reply)
    assert asked.until("unsure")
    assert asked.until("unanswered")
    assert words.proven is None


# -- several loops by one thread


def threads() -> int:
    """All threads of this process, those of C too."""
    return len(os.listdir("/proc/self/task"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="nobody tells the number of threads here")
def test_one_thread_for_all_loops_of_a_hub(words: Any) -> None:
    """It begins with the first one and ends with the last one, as often as that comes."""
    from rcollections.coherence._ear import Hub

    before = threads()
    for count in (3, 1):
        hub = Hub()
        peers = [Peer(words, node=n, hub=hub) for n in range(count)]
        assert len(hub) == count
        assert threads() == before + 1
        for n, peer in enumerate(peers):
            words.lead(peer, n)
            for _ in range(2):
                peer.pong()
            wait_until(lambda n=n: words.proven_of(n) is not None, 5, "the proof of each")
        for peer in peers:
            peer.loop.close()
            peer.socket.close()
        wait_until(lambda: threads() == before, 5, "the end of the thread")
        again = Peer(words, hub=hub)
        again.send(changed(b"again"))
        again.until("announced")
        again.loop.close()
        again.socket.close()
        wait_until(lambda hub=hub: threads() == before and len(hub) == 0, 5, "the end of the thread")


def test_a_loop_that_ends_leaves_the_others(words: Any) -> None:
    """The node that it heard is void, and only that one."""
    from rcollections.coherence._ear import Hub

    hub = Hub()
    tier = Tier()
    tier.follow(words)
    peers = [Peer(words, node=n, hub=hub) for n in range(3)]
    for n, peer in enumerate(peers):
        words.lead(peer, n)
        tier.begin(node=n)
        for _ in range(2):
            peer.pong()
        wait_until(lambda n=n: words.proven_of(n) is not None, 5, "the proof of each")
    for n in range(3):
        assert tier.keep(tier.token(f"k{n}", (), 1 << n), 2, (n,), n)
    assert tier.keep(tier.token("tagged", ("tag",), 0b101), 2, ("tagged",), "tagged")
    peers[1].socket.close()
    wait_until(lambda: words.proven_of(1) is None, 5, "the end of one")
    assert [tier.held(2, (n,)) for n in (0, 1, 2, "tagged")] == [0, None, 2, "tagged"]
    peers[2].send(b"*3\r\n" + bulk(b"message") + bulk(CHANNEL) + b"$-1\r\n")
    peers[2].until("flushed")
    assert [tier.held(2, (n,)) for n in (0, 1, 2, "tagged")] == [0, None, None, None]
    peers[2].send(changed(b"k0"))
    peers[2].until("announced")
    assert tier.held(2, (0,)) is None, "whoever owns it"
    for peer in peers:
        peer.loop.close()
        peer.socket.close()


def test_numbers_of_ears_are_counted_by_node(words: Any) -> None:
    """Two ears of one node can always be told apart, however many other nodes there are."""
    ears = [object() for _ in range(40)]
    first = words.enlist(ears[0], 1)
    for ear in ears[1:]:
        words.enlist(ear, 2)
    assert words.enlist(object(), 1) != first
