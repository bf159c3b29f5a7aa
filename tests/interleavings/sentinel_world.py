"""Two servers, three sentinels, and one process, stepped in any order: a failover whose old primary lives (rules M).

Real are the judging of the sentinels' words, the watch, what a connection does when the primary is another one, the
opening of links, the journal, the surety of the ear, and the tier. The servers, the sentinels, the wires and the clock
are the world's. A round of questions is two steps: the sentinels are asked, and later they answer; each answers what it
believes by then, or what it believed when it was asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from rcollections.l1 import ABSENT
from rcollections.l1.tier import Tier
from rcollections.plans.purpose import Due
from rcollections.wire.failures import NoPrimary
from tests.interleavings.mutants import changed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["NEW", "OLD", "BrokenPromiseError", "Parts", "World", "parts"]

STALENESS = 1000  # ms
OLD, NEW = 0, 1
ADDRESSES = ("10.0.0.1", 6379), ("10.0.0.2", 6379)
KEY, OWNER = "k", 2
KEEPING = ("__dict__", "__init__", "__weakref__", "keep", "keep_whole")  # what a journal does for itself
FIRST = 1  # the value of the key at first, at both servers


class BrokenPromiseError(Exception):
    """A caller got what it must not."""


class Gone(Exception):
    """The connection was cut."""


@dataclass(frozen=True)
class Dsn:
    """What links are opened for."""

    kind: str = "sentinel"
    host: str = ""
    port: int = 0
    connect_timeout: float = 1.0
    timeout: float = 1.0
    staleness: float = STALENESS / 1000
    reads_when_down: bool = True  # nobody asks whether the primary takes writes


class Parts(NamedTuple):
    """The modules that are stepped."""

    words: Any
    watch: Any
    following: Any
    followed: Any
    surety: Any
    journal: Any
    handovers: Any


MODULES = {
    "words": "wire.sentinels.words",
    "watch": "wire.sentinels.watch",
    "following": "wire.sentinels.following",
    "followed": "servers.topology.sentinel",
    "surety": "coherence.surety",
    "journal": "servers.journal",
    "handovers": "servers.handovers",
}


def parts(**changes: tuple[tuple[str, str], ...]) -> Parts:
    """The modules, with these changes of their texts."""
    return Parts(**{name: changed(path, *changes.get(name, ())) for name, path in MODULES.items()})


class World:
    """``answering`` are the sentinels that this process can reach. ``early``: they answer at once what they believe.

    ``races``: while the watch tells of another primary, another thread opens a link and reads.
    """

    def __init__(
        self, made: Parts, *, answering: Sequence[int] = (0, 1, 2), early: bool = False, races: bool = False
    ) -> None:
        self.made = made
        self.now = 0
        self.value: list[int | None] = [FIRST, FIRST]
        self.was: list[list[tuple[int, int | None]]] = [[(0, FIRST)], [(0, FIRST)]]  # by server: since when what
        self.roles = [b"master", b"slave"]
        self.believed = [(OLD, 1)] * 3  # by sentinel: the primary, and the config-epoch
        self.promoted_at = self.word_at = -1
        self.answering, self.early, self.races = answering, early, races
        self.racing = False
        self.asked: tuple[int, dict[str, Any]] | None = None
        self.told = False  # whether the invalidation has returned
        self.sent = False
        self.begun = 0
        self.doubted = False  # since a majority of the sentinels had heard of the new primary
        self.highest = 0  # the epoch by which a link was opened
        self._wire()
        self.tier = Tier(10, staleness=STALENESS / 1000, clock=self.monotonic, wall=self.monotonic)
        self.ear: int | None = OLD
        self.queue: list[bool] = []  # changes on their way to the ear
        self.pinged: int | None = None
        self.token: Any = None
        self.reply: Any = None
        self.link: Any = None
        self.busy: Any = None  # the link that the invalidation was sent over
        self.round()
        self.tier.begin()
        self.tier.prove(self.tier.instant())

    def _wire(self) -> None:
        """Put the real parts together."""
        made = self.made
        made.watch.time = made.following.time = made.journal.time = made.handovers.time = self
        made.watch.after_fork = made.journal.wrote = made.journal.wrote_anything = _nothing
        made.watch.log = _Silent()
        self.watch = watch = made.watch.Watch(None, "sentinels", "m", 1.0)
        watch._thread = object()
        watch._wait = self.wait
        made.following.watch_of = made.followed.watch_of = lambda _: watch
        made.following.connector = lambda dsn: lambda _: self.dial(dsn)
        made.followed.Replicas, made.followed.threading = _Nothing, _Nothing()
        own = {name: each for name, each in vars(made.handovers.Handovers).items() if name not in KEEPING}
        self.journal = type("Journal", (made.journal.Journal,), own)("sentinels")

        class Connection:
            """What of a connection follows the primary."""

            dsn, trips, known = Dsn(), 0, set[str]()
            links = kept = hearing = breaker = _Nothing()

        connection = Connection()
        connection.links = _Doing(renew=self.renew)
        connection.kept = _Doing(again=self.again, hurry=_nothing)
        connection.hearing = _Doing(left=self.left)
        self.followed = made.followed.Followed(connection)
        self.surety = made.surety.Surety(Dsn(kind="server"))
        self.surety._watch = watch
        self.connect = made.following.following(Dsn())

    # -- the clock, as modules see it

    def monotonic(self) -> float:
        return self.now / 1000

    def monotonic_ns(self) -> int:
        """The instant at which the round was asked, while it is ended; else now."""
        return self.now * 10**6 if self.asked is None else self.asked[0]

    def sleep(self, _seconds: float) -> None:
        """Whoever waits gives others the time for a round."""
        self.round()

    # -- servers and sentinels

    def write(self, server: int, value: int | None) -> None:
        self.value[server] = value
        self.was[server].append((self.now, value))
        if self.ear == server:
            self.queue.append(True)

    def promote(self) -> None:
        """The replica becomes the primary; the first sentinel has done it. The old one does not know."""
        self.roles[NEW] = b"master"
        self.promoted_at = self.now
        self.hear(0)

    def hear(self, sentinel: int) -> None:
        self.believed[sentinel] = NEW, 2
        if self.word_at < 0 and sum(server == NEW for server, _ in self.believed) == 2:
            self.word_at = self.now

    def hear_two(self) -> None:
        self.hear(1)

    def failover(self) -> None:
        """All of it at once, for two sentinels; the third one was cut off with the old primary."""
        self.promote()
        self.hear(1)

    def change(self) -> None:
        """Somebody else writes to the new primary, and knows that it is one."""
        if self.roles[NEW] == b"master":
            self.write(NEW, FIRST + 1)

    def demote(self) -> None:
        """The old primary becomes a replica, and cuts its connections."""
        if self.promoted_at < 0:
            return
        self.roles[OLD] = b"slave"
        self.write(OLD, self.value[NEW])
        if self.link is not None and self.link.server == OLD:
            self.link.cut = True

    # -- the watch

    def ask(self) -> None:
        """A round begins."""
        if self.asked is None:
            self.watch._begun += 1
            self.asked = self.now * 10**6, self.words()

    def answer(self) -> None:
        """The round ends."""
        if self.asked is None:
            return
        began, words = self.asked
        found = words if self.early else self.words()
        self.watch._begun -= 1
        self.watch._round(_Voices(lambda before: self.made.words.judged(found, before, began)))
        self.asked = None

    def round(self) -> None:
        """What is under way ends, or else a whole one."""
        if self.asked is None:
            self.ask()
        self.answer()

    def wait(self, _wanted: int, _seconds: float) -> None:
        self.round()

    def words(self) -> dict[str, Any]:
        return {
            str(each): self.made.words.Heard(ADDRESSES[self.believed[each][0]], self.believed[each][1], 3)
            for each in self.answering
        }

    # -- what the connection is told

    def renew(self) -> None:
        self.link = None

    def again(self, down_after: float, *, begins: bool = True) -> None:
        if self.races and not self.racing:
            self.racing = True
            self.read()
            self.link = None
            self.racing = False
        self.journal.again(down_after, begins=begins)

    def left(self, address: tuple[str, int]) -> None:
        if self.ear is not None and ADDRESSES[self.ear] != address:
            self.lose()

    # -- the ear

    def lose(self) -> None:
        self.tier.lost()
        self.ear, self.queue, self.pinged = None, [], None

    def ping(self) -> None:
        """PING and the keyed no-op; a primary that lives answers both."""
        self.pinged = self.now
        self.surety.tick()

    def pong(self) -> None:
        if self.ear is None or self.pinged is None:
            return
        for _ in self.queue:
            self.tier.changed([KEY.encode()])
        self.queue = []
        instant = self.pinged * 10**6
        self.pinged = None
        if self.roles[self.ear] != b"master":
            self.lose()
            return
        try:
            if self.surety.proves(ADDRESSES[self.ear], instant):
                self.tier.prove((instant, instant))
        except ConnectionError:
            self.lose()

    def hit(self) -> None:
        """A value that is held was right within ``staleness``; an old primary counts until a majority knows."""
        value = self.tier.held(OWNER, (1,), ABSENT)
        if value is ABSENT:
            return
        until = self.now if self.word_at < 0 else self.word_at
        if not (self.was_at(OLD, value, until) or (self.promoted_at >= 0 and self.was_at(NEW, value, self.now))):
            raise BrokenPromiseError(f"{value} was given at {self.now} ms, and is too old")

    def was_at(self, server: int, value: int | None, until: int) -> bool:
        """Whether the server had this value within ``staleness`` before now, and not after that instant."""
        history = self.was[server]
        for n, (since, each) in enumerate(history):
            end = history[n + 1][0] if n + 1 < len(history) else until
            if each == value and min(end, until) > self.now - STALENESS and since <= until:
                return True
        return False

    # -- the caller

    def dial(self, dsn: Any) -> Link:
        if self.races and not self.racing:
            self.racing = True
            self.round()
            self.racing = False
        return Link(self, ADDRESSES.index((dsn.host, dsn.port)))

    def linked(self) -> Link | None:
        """The link that is open, or a new one; None: there is no primary."""
        if self.link is None:
            settled = self.settled()
            try:
                self.link = self.connect(self.monotonic() + 0.001)
            except NoPrimary:
                return None
            epoch = 1 + self.link.server
            if epoch < self.highest:
                raise BrokenPromiseError("a link leads back to the old primary")
            if settled and self.link.server == OLD:
                raise BrokenPromiseError("a link leads to the old primary, though the sentinels' word is known")
            if self.roles[self.link.server] != b"master":
                raise BrokenPromiseError("a link leads to a replica")
            self.highest = epoch
        link: Link = self.link
        return link

    def settled(self) -> bool:
        """Whether a doubt has come after the word of a majority, most of which can be asked."""
        return self.doubted and 2 * len(self.answering) > 3

    def lost_link(self) -> None:
        """The caller's connection broke, which is a doubt (M3)."""
        self.link = None
        self.doubted = self.word_at >= 0
        self.followed.doubt()

    def read(self) -> Any:
        link = self.linked()
        if link is None:
            return None
        if link.cut:
            self.lost_link()
            return None
        if self.knows() and link.server == OLD:
            raise BrokenPromiseError("a call asks the old primary, though this process knows of the new one")
        taken = self.journal.take(frozenset((KEY,)))
        if taken is not None:
            if taken.dues:
                self.write(link.server, None)
            self.journal.delivered(taken)
        value = self.value[link.server]
        if self.told and not self.racing and link.server == NEW and value == FIRST:
            raise BrokenPromiseError("the old value is back behind an invalidation of this process")
        if self.told and self.racing and self.knows() and value == FIRST and link.server == NEW:
            raise BrokenPromiseError("a read overtakes the invalidations that are sent again")
        return value

    def knows(self) -> bool:
        verdict = self.watch.verdict
        return verdict is not None and verdict.address == ADDRESSES[NEW]

    def take(self) -> None:
        self.token = self.tier.token(KEY)

    def fetch(self) -> None:
        value = self.read()
        self.reply = None if self.link is None else (self.link.server, value)

    def bring(self) -> None:
        """F2: only of the server that is heard."""
        if self.token is not None and self.reply is not None and self.reply[0] == self.ear:
            self.tier.keep(self.token, OWNER, (1,), self.reply[1])

    def send(self) -> None:
        """The invalidation is carried out by the server; its reply is on the way. No replica hears of it."""
        link = self.linked()
        self.begun = self.journal.handovers
        if link is not None and not link.cut:
            self.sent = True
            self.write(link.server, None)

    def acknowledged(self) -> None:
        """And returns."""
        if self.sent:
            self.journal.done((Due(KEY),), None, self.begun, self.followed.sure)
            self.told = True

    def tick(self) -> None:
        self.now += STALENESS // 2


class Link:
    """A connection to one of the servers."""

    def __init__(self, world: World, server: int) -> None:
        self.world, self.server, self.cut = world, server, False

    def exchange(self, _data: bytes, _wanted: int, _until: float, _timeout: float) -> list[Any]:
        """ROLE."""
        return [[self.world.roles[self.server]]]

    def close(self) -> None:
        """Nothing to do."""


class _Voices:
    def __init__(self, ask: Callable[[Any], Any]) -> None:
        self._ask = ask

    def ask(self, before: Any, _until: float) -> Any:
        return self._ask(before)

    def troubles(self) -> dict[Any, Any]:
        return {}


def _nothing(*_args: object, **_more: object) -> None:
    """Done."""


class _Nothing:
    """Does nothing, whatever it is told."""

    def __init__(self, *_: object, **_more: object) -> None:
        self.trips = 0

    def __getattr__(self, _name: str) -> Any:
        return _nothing if _name != "Thread" else _Nothing


class _Doing(_Nothing):
    """Does what is given, and nothing else."""

    def __init__(self, **does: Any) -> None:
        super().__init__()
        self.__dict__.update(does)


class _Silent:
    """A log that nobody reads."""

    def __getattr__(self, _name: str) -> Any:
        return _nothing

    def exception(self, *_: object) -> None:
        raise  # what the watch would only log is a failure here
