# cython: language_level=3, freethreading_compatible=True
# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: binding=False, embedsignature=True
"""The tier of one server, compiled. ``tier.py`` explains the tier; this file makes the same decisions.

Beside each entry of the store stands a ``Link``: the number of its origin, its neighbours of the same origin, the
keys that it watches. The origins are a table of first entries. A key on the server is known by a 64-bit number of
its name. Two names with one number would cost each other an invalidation too many, never one too few.

Sequence numbers and marks are one here: the words (``_words.pxd``), which a compiled ear moves without the GIL. So a
change counts before the ear could let go the values: a look-up compares the words that stand in the link.

Keys in this store are exact: an argument alone, or a tuple that begins with the owner. Comparing two keys runs no
code of the user.

Every change of entries happens under the lock of the store. A look-up reads the clocks before it locks. It asks of the
entry that it finds whether the proofs of its nodes hold, then whether it counts. A step that ends serving (``lost``,
``void``, ``prove`` after a sleep) takes the entries out too, or moves the epoch of the words. So a look-up that asked
too early finds no entry that counts.
"""

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc, PyMem_RawRealloc
from cpython.unicode cimport PyUnicode_AsUTF8String
from libc.string cimport memcpy, memset

from ._store cimport BATCH, EXPIRED, empty_table, enter, grow, has_place, leave
from ._words cimport rc_end, rc_move, rc_name, rc_publish, rc_store, rc_void

from time import monotonic_ns as _monotonic_ns
from time import time_ns as _time_ns

from .counts import TierCounts
from .packed import Packed as _Packed

cdef object FOREVER = 1 << 62
cdef int64_t CUT = 1_000_000        # ns by which a ttl may be too long: the clock of a server is cut to whole ms
cdef int64_t SLEPT = 100_000_000    # ns by which the clocks may part before we say that the machine slept
cdef int64_t NEVER = -(<int64_t>1 << 61)    # no instant is so late that it would be served
cdef int64_t ALWAYS = <int64_t>3 << 61      # without any proof
cdef uint64_t ALL = ~<uint64_t>0            # nodes


cdef class Token:
    """The state of the tier before a read was sent."""

    def __dealloc__(self):
        PyMem_RawFree(self.marks)


cdef inline uint64_t origin_of(rc_words *words, bytes name):
    return rc_name(words, name, len(name))


cdef bint lies_in(Link *link, uint8_t *slots) noexcept:
    """Whether a key that this entry depends on lies in one of these slots."""
    cdef uint32_t k, slot
    if slots == NULL:
        return False
    slot = <uint32_t>link.slot
    if slots[slot >> 3 & 8191] >> (slot & 7) & 1:
        return True
    for k in range(link.watched):
        slot = <uint32_t>link.marks[k].slot
        if slots[slot >> 3 & 8191] >> (slot & 7) & 1:
            return True
    return False


cdef class Tier(Store):
    """As ``tier.Tier``, which explains all parts."""

    def __cinit__(self, *args, **kwargs):
        self.shared = Words(0)
        self.words = self.shared.words
        self.formerly = []
        self.reach = NEVER

    def __init__(self, capacity=10_000, *, bytes=None, staleness=1.0, clock=None, wall=None):
        Store.__init__(self, capacity, bytes=bytes, size=_no_size, clock=clock)
        self.hooked = True
        self.wall_clock = wall
        self.foreign_wall = wall is not None
        self.staleness = round(staleness * 1e9)
        self.coarse = 0 if self.foreign_clock else rc_coarse()
        self.cut = 0 if self.foreign_clock else self.coarse + CUT

    def __dealloc__(self):
        self.forget_links()

    def follow(self, Words words not None):
        """From now on these words count, which a listener's ear moves."""
        cdef Entry *entries
        cdef uint32_t touched
        rc_lock(&self.mutex)
        self.formerly.append(self.shared)
        self.shared = words
        self.words = words.words
        self.follows = True
        self.told = rc_load(&self.words.told)
        self.epoch += 1
        entries = self.take_all(&touched)
        rc_unlock(&self.mutex)
        self.let_go(entries, touched)

    # -- the proof

    cdef bint proven(self, uint64_t nodes) except -1:
        """Whether what was read from these nodes may be served now."""
        if nodes & ~<uint64_t>rc_read(&self.hears):
            return False
        if self.foreign_clock or self.foreign_wall:
            return rc_served(self.words, nodes, rc_read(&self.reach), self.clock_now(), self.wall_now())
        return rc_served(self.words, nodes, rc_read(&self.reach), rc_now(), rc_wall())

    @property
    def live(self):
        """Whether changes are heard, of any node: then a reader gets a token, and may bring its value in."""
        return rc_read(&self.hears) != 0

    @property
    def serves(self):
        """Whether values may be served at this moment, of any node."""
        return any(self.serving())

    def serving(self):
        """Of each node whose changes are heard, in order: whether its values may be served at this moment."""
        cdef int node
        cdef uint64_t hears = <uint64_t>rc_read(&self.hears)
        return [self.proven(<uint64_t>1 << node) for node in range(RC_NODES) if hears >> node & 1]

    @property
    def age(self):
        """Seconds since the proven instant, of several the oldest; None before the first proof."""
        cdef int64_t at = RC_NOTHING, each
        cdef int node
        cdef uint64_t hears
        cdef bint local
        rc_lock(&self.mutex)
        hears, local = <uint64_t>self.hears, self.local != 0
        for node in range(RC_NODES):
            if hears >> node & 1:
                each = rc_proven(self.words, node)
                if each != RC_NOTHING and (at == RC_NOTHING or each < at):
                    at = each
        rc_unlock(&self.mutex)
        return None if local or at == RC_NOTHING else (self.clock_now() - at) / 1e9

    def clock_now(self):
        return int(self.clock() * 1e9) if self.foreign_clock else _monotonic_ns()

    def wall_now(self):
        return int(self.wall_clock() * 1e9) if self.foreign_wall else _time_ns()

    def instant(self):
        """Now on both clocks, for ``prove``."""
        return self.clock_now(), self.wall_now()

    def begin(self, *, local=False, int node=0):
        """From now on changes of this node are heard (F5). ``local``: every writer tells the tier itself."""
        cdef bint is_local = local
        rc_lock(&self.mutex)
        rc_write(&self.local, is_local)
        rc_write(&self.hears, <int64_t>(<uint64_t>self.hears | <uint64_t>1 << node))
        self.set_reach()
        rc_unlock(&self.mutex)

    cdef void set_reach(self) noexcept:
        # The cheap clocks may be behind, never by more than ``coarse``.
        if not self.hears:
            rc_write(&self.reach, NEVER)
        else:
            rc_write(&self.reach, ALWAYS if self.local else self.staleness - self.coarse)

    def prove(self, instant, int node=0):
        """All changes that this node acknowledged before this instant have been heard (Q3)."""
        cdef int64_t now = instant[0]
        cdef int64_t wall = instant[1]
        cdef int64_t drift = wall - now
        cdef uint64_t bit = <uint64_t>1 << node
        cdef Entry *entries = NULL
        cdef uint32_t touched = 0
        rc_lock(&self.mutex)
        if self.drifts & bit and drift - self.drift[node] > SLEPT:
            self.epoch += 1
            entries = self.take_all(&touched)
        self.drift[node] = drift
        self.drifts |= bit
        # A look-up may read one instant of the older proof and one of this proof. It serves no longer than this proof
        # allows, and entries that this proof makes void are out already.
        if <uint64_t>self.hears & bit:
            if self.follows:
                rc_publish(self.words, node, -1, now, wall)
            else:
                rc_store(&self.words.nodes[node].proof, now & ~RC_CHARGE)
                rc_store(&self.words.nodes[node].wall, wall)
        rc_unlock(&self.mutex)
        self.let_go(entries, touched)

    def lost(self, node=None):
        """Changes may have been missed, of this node or of all (F4): nothing that was read from it counts any more."""
        cdef Entry *entries = NULL
        cdef uint32_t touched
        cdef uint64_t gone = ALL if node is None else <uint64_t>1 << <int>node
        cdef bint all_gone
        cdef int k
        rc_lock(&self.mutex)
        rc_write(&self.hears, <int64_t>(<uint64_t>self.hears & ~gone))
        all_gone = self.hears == 0
        self.set_reach()
        if not self.follows:
            for k in range(RC_NODES):
                if gone >> k & 1:
                    rc_end(self.words, k, -1)
        self.drifts &= ~gone
        self.epoch += 1
        if all_gone:
            entries = self.take_all(&touched)
        rc_unlock(&self.mutex)
        if all_gone:
            self.let_go(entries, touched)
        else:
            self.sweep(gone, NULL)

    def void(self, node=None):
        """Everything changed, on this node or on all: nothing that was read from it before counts any more."""
        cdef Entry *entries = NULL
        cdef uint32_t touched
        cdef uint64_t gone = ALL if node is None else <uint64_t>1 << <int>node
        cdef bint all_gone
        rc_lock(&self.mutex)    # one step: a fill before this step is taken out, a fill after it is refused
        all_gone = (<uint64_t>self.hears & ~gone) == 0
        if all_gone:
            self.epoch += 1
            entries = self.take_all(&touched)
        else:
            rc_void(self.words, <int>node)
        rc_unlock(&self.mutex)
        if all_gone:
            self.let_go(entries, touched)
        else:
            self.sweep(gone, NULL)

    def moved(self, slots):
        """These slots have another owner: what was read of their keys counts no more; what is on its way is refused."""
        cdef uint8_t wanted[8192]
        cdef uint32_t slot
        memset(wanted, 0, sizeof(wanted))
        for each in slots:
            slot = each
            wanted[slot >> 3 & 8191] |= <uint8_t>(1 << (slot & 7))
        rc_lock(&self.mutex)
        self.epoch += 1
        rc_unlock(&self.mutex)
        self.sweep(0, wanted)

    cdef int sweep(self, uint64_t nodes, uint8_t *slots) except -1:
        """Take out the values that depend on one of these nodes or slots."""
        cdef Dead dead
        cdef uint32_t i = 0
        while True:
            dead.n = 0
            rc_lock(&self.mutex)
            while i < self.linked and dead.n < BATCH:
                if self.links[i].origin and (self.links[i].nodes & nodes or lies_in(&self.links[i], slots)):
                    self.take_out(i, &dead, 0)
                i += 1
            rc_unlock(&self.mutex)
            self.bury(&dead)
            if dead.n < BATCH:
                return 0

    # -- the fence

    def token(self, key, watched=(), uint64_t nodes=1, slots=()):
        """A token for a reader, before it sends its read; None while changes are not heard (F1).

        ``nodes``: who is to answer for the key and for what is watched, in bits. ``slots``: of them, in a cluster.
        """
        cdef Token token
        cdef tuple names, places
        cdef rc_words *words
        cdef Py_ssize_t k
        cdef bint hears
        if nodes & ~<uint64_t>rc_read(&self.hears):
            return None
        token = Token()
        words = self.words
        token.nodes = nodes
        token.origin = origin_of(words, PyUnicode_AsUTF8String(key))
        names = tuple(watched)  # a copy: no other thread can make it longer meanwhile
        places = tuple(slots) or (0,) * (1 + len(names))
        token.slot = places[0]
        if names:
            token.marks = <Mark *>PyMem_RawMalloc(len(names) * sizeof(Mark))
            if token.marks == NULL:
                raise MemoryError
        for k in range(len(names)):
            token.marks[k].name = origin_of(words, PyUnicode_AsUTF8String(names[k]))
            token.marks[k].slot = places[k + 1]
        rc_lock(&self.mutex)
        hears = (nodes & ~<uint64_t>self.hears) == 0 and words == self.words
        token.own_epoch = self.epoch
        token.epoch = rc_epoch(words, nodes)
        token.word = rc_word(words, token.origin)
        for k in range(len(names)):
            token.marks[k].word = rc_word(words, token.marks[k].name)
        token.watched = <uint32_t>len(names)
        rc_unlock(&self.mutex)
        return token if hears else None

    def keep(self, Token token not None, owner, tuple args not None, value, deadline=0, size=0):
        """Hold a value that was read until ``deadline`` (0: no end of its own), unless it is void by now (F3)."""
        cdef uint64_t h
        cdef int64_t now
        cdef int64_t expires = 0 if deadline > FOREVER else deadline
        cdef object key
        if self.counted_void(token):
            return False
        now = self.clock_now()
        if expires:
            expires -= self.cut
            if expires <= now:
                return False
        exact = exact_key(owner, args)
        if exact is None:
            return False
        h, key = exact
        # The value may become void on its way here (a clock, the garbage collector), or while ``store`` evicts.
        refused = self.store(<PyObject *>key, <PyObject *>value, <Py_hash_t>h, size, expires, now, <void *>token, False)
        if self.linkless:           # no memory for its link: an invalidation would not find this entry
            self.linkless = False
            self.void()
        return self.counted_fill(token, refused)

    def put(self, key, value, ttl=None, size=None):
        """Not for a tier: ``keep`` knows the token that a value depends on."""
        raise TypeError("a tier is filled by keep()")

    cdef bint refuses(self, void *note) noexcept:
        return self.is_void(<Token>note)

    cdef bint counted_void(self, Token token) noexcept:
        """Whether the token is void by now."""
        cdef bint void
        rc_lock(&self.mutex)
        void = self.is_void(token)
        self.refused += void
        rc_unlock(&self.mutex)
        return void

    cdef bint counted_fill(self, Token token, bint refused) noexcept:
        """Whether the value was brought in and has not become void since."""
        rc_lock(&self.mutex)
        refused = refused or self.is_void(token)
        self.refused += refused
        self.fills += not refused
        rc_unlock(&self.mutex)
        return not refused

    cdef bint is_void(self, Token token) noexcept:
        cdef uint32_t k
        if token.nodes & ~<uint64_t>self.hears or token.own_epoch != self.epoch:
            return True
        if token.epoch != rc_epoch(self.words, token.nodes):
            return True
        if token.word != rc_word(self.words, token.origin):
            return True
        for k in range(token.watched):
            if rc_word(self.words, token.marks[k].name) != token.marks[k].word:
                return True
        return False

    def changed(self, keys):
        """The server says that these keys changed."""
        for key in keys:
            self.drop(key, True)

    def wrote(self, keys):
        """We wrote these keys, or may have. Called after the reply, or where the reply was lost (F6)."""
        for key in keys:
            self.drop(PyUnicode_AsUTF8String(key) if isinstance(key, str) else key, False)

    def announced(self, numbers):
        """A compiled ear has moved the words of these keys: values that count no more go (Q8)."""
        for number in numbers:
            self.drop_all(number, True)

    cdef int drop(self, object key, bint told) except -1:
        cdef uint64_t origin
        rc_lock(&self.mutex)
        origin = origin_of(self.words, key)
        rc_move(self.words, origin)
        self.invalidations += told
        rc_unlock(&self.mutex)
        return self.drop_all(origin, False)

    cdef int drop_all(self, uint64_t origin, bint void) except -1:
        """Take out the values of this origin; ``void``: only those that count no more."""
        cdef Dead dead
        cdef uint32_t i, after
        while True:
            dead.n = 0
            rc_lock(&self.mutex)
            i = self.first(origin)
            while i != NIL and dead.n < BATCH:
                after = self.links[i].after
                if not void or not stands(self, &self.links[i]):
                    self.take_out(i, &dead, 0)
                i = after
            rc_unlock(&self.mutex)
            self.bury(&dead)
            if dead.n < BATCH:
                return 0

    # -- looking

    def held(self, owner, tuple args not None, default=None):
        """The value that is held for these arguments and may be served, else the default."""
        cdef int64_t now, wall, i
        exact = exact_key(owner, args) if rc_read(&self.hears) else None
        if exact is None:
            self.missed()
            return default
        h, key = exact
        now = self.clock_now() if self.foreign_clock else rc_now()
        wall = self.wall_of_look()
        rc_lock(&self.mutex)
        i = self.seek(<PyObject *>key, <Py_hash_t><uint64_t>h)
        if i >= 0 and not served(self, <uint32_t>i, now, wall):
            self.misses += 1
            rc_unlock(&self.mutex)
            return default
        if i < 0 or not counts_still(self, <uint32_t>i, now):
            self.gone(i, now)
            return default
        value = <object>self.entries[i].value
        rc_unlock(&self.mutex)
        return value.open() if type(value) is _Packed else value

    cdef int64_t wall_of_look(self) except -1:
        return self.wall_now() if self.foreign_clock or self.foreign_wall else rc_wall()

    cdef void missed(self) noexcept:
        rc_lock(&self.mutex)
        self.misses += 1
        rc_unlock(&self.mutex)

    cdef object gone(self, int64_t i, int64_t now):
        """The end of a look-up in vain: an entry that it found is expired or void, and goes. Called locked."""
        cdef Dead dead
        cdef int64_t expires
        dead.n = 0
        self.misses += 1
        if i >= 0:
            expires = self.entries[i].expires
            self.take_out(<uint32_t>i, &dead, EXPIRED if expires and expires <= now else 0)
        rc_unlock(&self.mutex)
        self.bury(&dead)

    @property
    def counts(self):
        """The counts since the tier was made, and its content now."""
        cdef uint64_t hits, misses, fills, refused, invalidations, evictions
        cdef uint32_t n
        cdef size_t used
        rc_lock(&self.mutex)
        hits, misses, fills, refused = self.hits, self.misses, self.fills, self.refused
        invalidations, evictions, n, used = self.invalidations, self.evictions, self.n, self.used
        if self.follows:
            invalidations += <uint64_t>(rc_load(&self.words.told) - self.told)
        rc_unlock(&self.mutex)
        return TierCounts(hits, misses, fills, refused, invalidations, evictions, n, used)

    # -- hooks that the store calls, locked

    cdef int64_t seek(self, PyObject *key, Py_hash_t h) noexcept:
        return seek_one(self, <uint64_t>h, key)

    cdef void placed(self, uint32_t i, void *note) noexcept:
        cdef Token token = <Token>note
        self.link(i, token)

    cdef bint more_room(self, uint32_t entries) noexcept:
        cdef Link *links = <Link *>PyMem_RawRealloc(self.links, entries * sizeof(Link))
        if links == NULL:
            return False
        self.links = links
        if entries > self.linked:
            memset(links + self.linked, 0, (entries - self.linked) * sizeof(Link))
            self.linked = entries
        return True

    cdef void taken(self, uint32_t i) noexcept:
        cdef Link *link
        cdef uint32_t tag
        link = &self.links[i]
        PyMem_RawFree(link.marks)
        link.marks = NULL
        link.watched = 0
        if link.origin == 0:
            return
        tag = tag_of(<Py_hash_t>link.origin)
        if link.before != NIL:
            self.links[link.before].after = link.after
        else:
            leave(&self.origins, tag, i)
            if link.after != NIL:
                enter(&self.origins, tag, link.after)
            else:
                self.origin_count -= 1
        if link.after != NIL:
            self.links[link.after].before = link.before
        link.origin = 0

    cdef void link(self, uint32_t i, Token token) noexcept:
        """This entry belongs to the token's key."""
        cdef Link *link
        cdef uint32_t first, tag
        self.taken(i)   # first out of the origin of its older value
        link = &self.links[i]
        if token.watched:
            link.marks = <Mark *>PyMem_RawMalloc(token.watched * sizeof(Mark))
            if link.marks == NULL:
                self.linkless = True
                return
            memcpy(link.marks, token.marks, token.watched * sizeof(Mark))
            link.watched = token.watched
        link.nodes = token.nodes
        link.slot = token.slot
        link.epoch = token.epoch    # those of the token: what changed since it was taken is not in the value (Q8)
        link.word = token.word
        first = self.first(token.origin)
        tag = tag_of(<Py_hash_t>token.origin)
        link.before = NIL
        link.after = first
        if first != NIL:
            self.links[first].before = i
            leave(&self.origins, tag, first)
        elif not has_place(&self.origins, self.origin_count) and not grow(&self.origins):
            self.linkless = True
            return
        else:
            self.origin_count += 1
        enter(&self.origins, tag, i)
        link.origin = token.origin

    cdef uint32_t first(self, uint64_t origin) noexcept:
        """The first entry of this origin, or NIL."""
        cdef uint32_t tag = tag_of(<Py_hash_t>origin)
        cdef uint32_t at, i
        if self.origins.places == NULL:
            return NIL
        at = tag >> self.origins.shift
        while True:
            i = self.origins.places[at].item
            if i == NIL or (self.origins.places[at].tag == tag and self.links[i].origin == origin):
                return i
            at = (at + 1) & self.origins.mask

    cdef void forget(self) noexcept:
        Store.forget(self)
        self.forget_links()

    cdef void forget_links(self) noexcept:
        cdef uint32_t i
        for i in range(self.linked):
            PyMem_RawFree(self.links[i].marks)
        PyMem_RawFree(self.links)
        self.links = NULL
        self.linked = self.origin_count = 0
        empty_table(&self.origins)

    # -- for tests

    def __sizeof__(self):
        cdef size_t total = Store.__sizeof__(self)
        total += self.linked * sizeof(Link)
        if self.origins.places != NULL:
            total += (<size_t>self.origins.mask + 1) * 8
        return total

    def _check(self):
        cdef uint32_t i, at, found = 0, chained = 0, before
        result = Store._check(self)
        for i in range(self.linked):
            if self.links[i].origin:
                assert self.entries[i].key != NULL
                found += 1
            else:
                assert self.links[i].marks == NULL and self.links[i].watched == 0
        assert found == self.n
        found = 0
        if self.origins.places != NULL:
            for at in range(self.origins.mask + 1):
                i = self.origins.places[at].item
                if i != NIL:
                    found += 1
                    before = NIL
                    while i != NIL:
                        assert self.links[i].before == before
                        chained += 1
                        before = i
                        i = self.links[i].after
        assert found == self.origin_count and chained == self.n
        return result


cdef tuple exact_key(uint64_t owner, tuple args):
    """The number and the key of a call; None if an argument is not of the kinds that ``rc_kind`` knows.

    A tuple among the arguments holds the names of keywords.
    """
    cdef uint64_t h
    cdef int kind
    cdef object each
    if len(args) == 1:
        each = args[0]
        kind = rc_kind(<PyObject *>each)
        if kind == 0 or (kind == 7 and not are_names(each)):
            return None
        if kind != 7:
            return rc_mix_one(owner, <PyObject *>each, kind), each
    h = owner * GOLDEN
    named = 0
    for each in args:
        if type(each) is tuple:
            if not are_names(each):
                return None
            named = 1
    h += <uint64_t>(len(args) - named)
    for each in args:
        kind = rc_kind(<PyObject *>each)
        if kind == 0:
            return None
        h = rc_mix(h, <PyObject *>each, kind)
    return h | 1, (owner, *args)


cdef bint are_names(tuple names):
    for each in names:
        if type(each) is not str:
            return False
    return True


def _no_size(_key, _value):
    return 0
