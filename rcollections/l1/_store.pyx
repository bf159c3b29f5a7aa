# cython: language_level=3, freethreading_compatible=True
# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: binding=False, embedsignature=True
"""The bounded store of L1, compiled: ``store.py`` in C arrays. ``store.py`` explains the promises and the policy.

An entry is 64 bytes in one growing array, named by its index. The hash table holds indexes; the queues and
the timer wheel are lists of indexes inside the entries. So a hit touches one line of the table and one
entry, and an eviction needs neither a hash nor a comparison.

The rule for changes in this file: code of the user runs only outside of the lock (``__eq__``, ``__hash__``,
``__del__``, the callbacks, the clock, the size function). A step takes an entry out first; its key and value wait
in ``Dead``, and their references are dropped after unlocking. Only ``find`` unlocks in between, for ``__eq__``,
and begins again if the table changed meanwhile.
With the GIL there is no lock: no line between ``lock`` and ``unlock`` gives the GIL up. On free-threaded builds
the lock is a PyMutex, and numbers that are read without the lock go through ``rc_read``, ``rc_write``, ``rc_add``.
"""

from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree, PyMem_RawMalloc, PyMem_RawRealloc
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from types import GenericAlias as _GenericAlias

from ..errors import CacheMissError, ConfigError
from .size import estimate as _estimate
from .stats import StoreStats

cdef double FIRST_SHARE = 0.1
cdef double LEAST_SHARE = 0.01
cdef double MOST_SHARE = 0.9
cdef double LONG = 1.0 / 3.0
cdef double PACE = 0.5
cdef double FOREVER = 4e9  # seconds; a longer ttl would not fit into 63 bits of nanoseconds, and means for ever

cdef object ABSENT = object()
cdef object INFINITY = float("inf")


cdef inline void add_dead(Dead *dead, PyObject *key, PyObject *value, int why) noexcept:
    dead.key[dead.n] = key
    dead.value[dead.n] = value
    dead.why[dead.n] = why
    dead.n += 1


cdef bint grow(Table *t) noexcept:
    """Give the table twice its places, or its first places; False without memory."""
    cdef Table new
    cdef uint64_t at, size = 16 if t.places == NULL else (<uint64_t>t.mask + 1) * 2
    new.places = <Place *>PyMem_RawMalloc(size * sizeof(Place))
    if new.places == NULL:
        return False
    memset(new.places, 0xFF, size * sizeof(Place))
    new.mask = <uint32_t>(size - 1)
    new.shift = 32
    while size > 1:
        size >>= 1
        new.shift -= 1
    if t.places != NULL:
        for at in range(<uint64_t>t.mask + 1):
            if t.places[at].item != NIL:
                enter(&new, t.places[at].tag, t.places[at].item)
        PyMem_RawFree(t.places)
    t[0] = new
    return True


cdef void empty_table(Table *t) noexcept:
    PyMem_RawFree(t.places)
    t.places = NULL


cdef class Store:
    """As ``store.Store``, which explains all parts."""

    def __cinit__(self, *args, **kwargs):
        self.free = self.cursor = NIL
        self.head[0] = self.head[1] = self.tail[0] = self.tail[1] = NIL
        self.share = FIRST_SHARE

    def __init__(self, capacity=10_000, *, bytes=None, ttl=0, touch_on_read=True, eviction_callback=None,
                 size=None, clock=None):
        if self.limit:
            raise TypeError("a store is made once")
        if not 1 <= capacity <= 0x7FFFFFFF:
            raise ConfigError(f"capacity={capacity!r}: a store holds 1 to 2147483647 entries")
        if bytes is not None and bytes < 1:
            raise ConfigError(f"bytes={bytes!r}: the most bytes that may be used, or None for no such limit")
        self.usual_ttl = nanoseconds(ttl)
        self.callback = eviction_callback
        self.clock = clock
        self.foreign_clock = clock is not None
        self.most = 0 if bytes is None else bytes
        self.sizer = size if size is not None else _estimate if bytes is not None else None
        self.touch_on_read = touch_on_read
        self.limit = capacity

    def __dealloc__(self):
        drop_all(self.entries, self.touched)
        self.entries = NULL
        self.touched = 0
        self.forget()

    __class_getitem__ = classmethod(_GenericAlias)

    # -- reading

    def get(self, key, default=ABSENT):
        """The value. A missing or expired key gives the default, or raises CacheMissError."""
        cdef int64_t now = self.now() if self.foreign_clock else 0
        cdef Py_hash_t h = rc_hash(<PyObject *>key)
        cdef int64_t i
        cdef Entry *e
        rc_lock(&self.mutex)
        i = self.find(<PyObject *>key, h)
        if i >= 0:
            e = &self.entries[i]
            if e.expires == 0 or e.expires > (now if self.foreign_clock else rc_now()):
                if e.uses < 3 and self.touch_on_read:
                    e.uses += 1
                self.hits += 1
                value = <object>e.value
                rc_unlock(&self.mutex)
                return value
            self.end_expired(i)
        else:
            self.misses += 1
            rc_unlock(&self.mutex)
        if default is ABSENT:
            raise CacheMissError(f"nothing is stored under {key!r}")
        return default

    def get_ttl(self, key, default=ABSENT):
        """The value and the seconds that the value stays (``inf``: for ever). A miss gives ``(default, -1.0)``."""
        cdef int64_t now = self.now()
        cdef Py_hash_t h = rc_hash(<PyObject *>key)
        cdef int64_t i, expires
        cdef Entry *e
        rc_lock(&self.mutex)
        i = self.find(<PyObject *>key, h)
        if i >= 0:
            e = &self.entries[i]
            expires = e.expires
            if expires == 0 or expires > now:
                if e.uses < 3 and self.touch_on_read:
                    e.uses += 1
                self.hits += 1
                value = <object>e.value
                rc_unlock(&self.mutex)
                return value, (expires - now) / 1e9 if expires else INFINITY
            self.end_expired(i)
        else:
            self.misses += 1
            rc_unlock(&self.mutex)
        if default is ABSENT:
            raise CacheMissError(f"nothing is stored under {key!r}")
        return default, -1.0

    def contains(self, key, ttl=None):
        """Whether the key is there, with ``ttl`` for more than that many seconds. No use, hit or miss."""
        cdef int64_t least, i
        cdef Py_hash_t h
        cdef bint there
        if ttl is None:
            return self.holds(key)
        least = nanoseconds(ttl) + self.now()
        h = rc_hash(<PyObject *>key)
        rc_lock(&self.mutex)
        i = self.find(<PyObject *>key, h)
        there = i >= 0 and (self.entries[i].expires == 0 or self.entries[i].expires > least)
        rc_unlock(&self.mutex)
        return there

    def __contains__(self, key):
        return self.holds(key)

    def __len__(self):
        return self.n

    def keys(self):
        """The keys that are not expired now, in no order."""
        cdef int64_t now = self.now() if self.timed else 0
        cdef PyObject **found
        cdef uint32_t i, n = 0
        cdef Entry *e
        rc_lock(&self.mutex)
        found = <PyObject **>PyMem_RawMalloc((self.n + 1) * sizeof(PyObject *))
        if found == NULL:
            rc_unlock(&self.mutex)
            raise MemoryError
        for i in range(self.touched):
            e = &self.entries[i]
            if e.key != NULL and (e.expires == 0 or e.expires > now):
                Py_INCREF(e.key)
                found[n] = e.key
                n += 1
        rc_unlock(&self.mutex)
        result = []
        try:
            for i in range(n):
                result.append(<object>found[i])
        finally:
            for i in range(n):
                Py_DECREF(found[i])
            PyMem_RawFree(found)
        return result

    def __iter__(self):
        return iter(self.keys())

    # -- writing

    def put(self, key, value, ttl=None, size=None):
        """Store a value of ``size`` bytes for ``ttl`` seconds (default: the ttl of the store; 0: for ever)."""
        self.put_value(key, value, ttl, size, False)

    def add(self, key, value, ttl=None, size=None):
        """As ``put``, but only if the key is missing or expired; tells whether it was. One step for all threads."""
        return self.put_value(key, value, ttl, size, True)

    cdef bint put_value(self, key, value, ttl, size, bint anew) except -1:
        cdef int64_t lasts = self.usual_ttl if ttl is None else nanoseconds(ttl)
        cdef Py_hash_t h = rc_hash(<PyObject *>key)
        cdef int64_t room = 0
        cdef int64_t now = 0
        if size is not None or self.sizer is not None:
            room = self.sizer(key, value) if size is None else size
            if room < 0:
                raise ConfigError(f"size={room}: the bytes of an entry cannot be negative")
        if lasts or self.timed:
            now = self.now()
        return self.store(<PyObject *>key, <PyObject *>value, h, room, now + lasts if lasts else 0, now, NULL, anew) == 0

    def renew(self, key, ttl=None):
        """Lengthen the life of an entry to ``ttl`` seconds, never shorten it; whether it was lengthened."""
        cdef int64_t lasts = self.usual_ttl if ttl is None else nanoseconds(ttl)
        cdef int64_t now = self.now()
        cdef int64_t i, expires = now + lasts if lasts else 0
        cdef Py_hash_t h = rc_hash(<PyObject *>key)
        cdef bint longer
        rc_lock(&self.mutex)
        i = self.find(<PyObject *>key, h)
        longer = i >= 0 and self.entries[i].expires > now and (expires == 0 or expires > self.entries[i].expires)
        if longer:
            self.untime(<uint32_t>i)
            if expires:
                self.time(<uint32_t>i, expires, now)
        rc_unlock(&self.mutex)
        return longer

    def pop(self, key, default=ABSENT):
        """Take an entry out and give its value, in one step for all threads. A missing one is as with ``get``."""
        cdef Dead dead
        cdef int64_t now = self.now() if self.timed else 0
        cdef Py_hash_t h = rc_hash(<PyObject *>key)
        cdef int64_t i
        cdef bint there = False
        found = default
        dead.n = 0
        rc_lock(&self.mutex)
        i = self.find(<PyObject *>key, h)
        if i >= 0:
            there = self.entries[i].expires == 0 or self.entries[i].expires > now
            if there:
                found = <object>self.entries[i].value
            self.take(<uint32_t>i, &dead, 0 if there else EXPIRED)
        if there:
            self.hits += 1
        else:
            self.misses += 1
        rc_unlock(&self.mutex)
        self.bury(&dead)
        if found is ABSENT:
            raise CacheMissError(f"nothing is stored under {key!r}")
        return found

    def delete(self, key):
        """Remove the key; whether it was there and not expired."""
        return self.remove(key, 0)

    def expire(self, key):
        """As ``delete``, but the store counts the removal as an expiry, and tells the callback so."""
        return self.remove(key, EXPIRED)

    def purge(self):
        """Take out all expired entries now, and give their number. ``put`` takes some each time; an idle store none."""
        cdef Dead dead
        cdef int64_t now = self.now()
        cdef Py_ssize_t gone = 0
        cdef bint more = True
        cdef bint last = False
        while more:
            dead.n = 0
            rc_lock(&self.mutex)
            more = self.advance(now, &dead, WHEEL)
            if not more and not last and self.timed:
                last = more = True
                self.open_slot(now >> TICK)     # this slot is not over, but some of its entries may be expired
            rc_unlock(&self.mutex)
            gone += dead.n
            self.bury(&dead)
        return gone

    def clear(self):
        """Remove all entries, and give the memory back; gives how many entries were removed."""
        cdef Entry *entries
        cdef uint32_t touched, n
        rc_lock(&self.mutex)
        n = self.n
        entries = self.take_all(&touched)
        rc_unlock(&self.mutex)
        self.let_go(entries, touched)
        return n

    cdef void empty(self) noexcept:
        cdef Entry *entries
        cdef uint32_t touched
        rc_lock(&self.mutex)
        entries = self.take_all(&touched)
        rc_unlock(&self.mutex)
        self.let_go(entries, touched)

    cdef Entry *take_all(self, uint32_t *touched) noexcept:
        """Take all entries out, for ``let_go``. Called locked."""
        cdef Entry *entries = self.entries
        touched[0] = self.touched
        self.forget()
        return entries

    cdef void let_go(self, Entry *entries, uint32_t touched) noexcept:
        """Free the entries of ``take_all``. Called unlocked."""
        drop_all(entries, touched)

    # -- sizes and counts

    @property
    def capacity(self):
        """How many entries the store holds at most."""
        return self.limit

    @property
    def usage(self):
        """How many entries the store holds now."""
        return self.n

    @property
    def bytes(self):
        """The sizes of the entries together: given with ``put``, or estimated if ``bytes`` bounds the store."""
        return self.used

    @property
    def stats(self):
        """The counts since the store was made, and its content now."""
        cdef uint64_t hits, misses, evictions, expirations
        cdef uint32_t n
        cdef size_t used
        rc_lock(&self.mutex)
        hits, misses, evictions, expirations = self.hits, self.misses, self.evictions, self.expirations
        n, used = self.n, self.used
        rc_unlock(&self.mutex)
        return StoreStats(hits, misses, evictions, expirations, n, used)

    def __sizeof__(self):
        cdef size_t total = object.__sizeof__(self)
        total += self.allocated * sizeof(Entry)
        if self.table.places != NULL:
            total += (<size_t>self.table.mask + 1) * sizeof(Place)
        if self.recall_table.places != NULL:
            total += (<size_t>self.recall_table.mask + 1) * sizeof(Place)
        if self.ring != NULL:
            total += (<size_t>self.ring_mask + 1) * sizeof(uint64_t)
        if self.wheel != NULL:
            total += WHEEL * sizeof(uint32_t)
        return total

    def __reduce__(self):
        raise TypeError(f"a {type(self).__name__} is neither copied nor pickled: its entries are here alone")

    def __repr__(self):
        return f"<{type(self).__name__}: {self.n} of {self.limit} entries>"

    def _check(self):
        cdef uint32_t i, at, found = 0, timed = 0, before, slot
        cdef uint64_t used = 0
        cdef Entry *e
        cdef uint32_t queue_count
        queues = ([], [])
        for queue in range(2):
            queue_count = 0
            before = NIL
            i = self.head[queue]
            while i != NIL:
                e = &self.entries[i]
                assert e.key != NULL and e.value != NULL and e.queue == queue and e.before == before and e.uses <= 3
                at = tag_of(e.hash) >> self.table.shift
                while self.table.places[at].item != i:
                    assert self.table.places[at].item != NIL, "an entry is not in the table"
                    at = (at + 1) & self.table.mask
                queues[queue].append(<object>e.key)
                used += e.size
                timed += e.expires != 0
                queue_count += 1
                before = i
                i = e.after
            assert self.tail[queue] == before and self.count[queue] == queue_count
        assert self.n == self.count[SMALL] + self.count[MAIN] <= self.limit and used == self.used
        assert not self.most or self.used <= self.most
        if self.table.places != NULL:
            for at in range(self.table.mask + 1):
                found += self.table.places[at].item != NIL
        assert found == self.n
        found = 0
        i = self.free
        while i != NIL:
            assert self.entries[i].key == NULL
            found += 1
            i = self.entries[i].after
        assert found + self.n == self.touched <= self.allocated <= self.limit
        assert timed == self.timed
        if self.wheel != NULL:
            for slot in range(WHEEL):
                before = NIL
                i = self.wheel[slot]
                while i != NIL:
                    e = &self.entries[i]
                    assert e.key != NULL and e.sooner == before and ((e.expires >> TICK) & (WHEEL - 1)) == slot
                    timed -= 1
                    before = i
                    i = e.later
        assert timed == 0
        found = 0
        for at in range(self.oldest, self.newest):
            found += (self.ring[at & self.ring_mask] & 2) != 0
        assert found == self.ghosts[SMALL] + self.ghosts[MAIN]
        if self.recall_table.places != NULL:
            for at in range(self.recall_table.mask + 1):
                i = self.recall_table.places[at].item
                if i != NIL:
                    found -= 1
                    assert self.ghost(self.ring[i] & ~<uint64_t>3) == i
        assert found == 0
        return *queues, self.share, self.ghosts[SMALL], self.ghosts[MAIN]

    # -- steps: each of them locks

    cdef inline int64_t now(self) except? -1:
        if self.foreign_clock:
            return <int64_t>(<double>self.clock() * 1e9)
        return rc_now()

    cdef int end_expired(self, int64_t i) except -1:
        """The end of a look-up that found an expired entry. Called locked."""
        cdef Dead dead
        dead.n = 0
        self.misses += 1
        self.take(<uint32_t>i, &dead, EXPIRED)
        rc_unlock(&self.mutex)
        return self.bury(&dead)

    cdef bint holds(self, key) except -1:
        cdef int64_t now = self.now() if self.timed else 0
        cdef Py_hash_t h = rc_hash(<PyObject *>key)
        cdef int64_t i
        cdef bint there
        rc_lock(&self.mutex)
        i = self.find(<PyObject *>key, h)
        there = i >= 0 and (self.entries[i].expires == 0 or self.entries[i].expires > now)
        rc_unlock(&self.mutex)
        return there

    cdef bint remove(self, key, int why) except -1:
        cdef Dead dead
        cdef int64_t now = self.now() if self.timed else 0
        cdef Py_hash_t h = rc_hash(<PyObject *>key)
        cdef int64_t i
        cdef bint there = False
        dead.n = 0
        rc_lock(&self.mutex)
        i = self.find(<PyObject *>key, h)
        if i >= 0:
            there = self.entries[i].expires == 0 or self.entries[i].expires > now
            self.take(<uint32_t>i, &dead, why if there else EXPIRED)
        rc_unlock(&self.mutex)
        self.bury(&dead)
        return there

    cdef int store(self, PyObject *key, PyObject *value, Py_hash_t h, size_t size, int64_t expires,
                   int64_t now, void *note, bint anew) except -1:
        """Store a value; 1 if the tier refused it, 2 if it was to be ``anew`` and there is one."""
        cdef Dead dead
        cdef int64_t i
        cdef Entry *e
        cdef int queue = -1         # of the new entry; unknown until the ghosts were asked
        cdef uint8_t uses = 0
        cdef bint evicted = False
        cdef bint oversize = self.most and size > self.most
        if not self.limit:
            raise TypeError("__init__ of the store was not called")
        while True:
            dead.n = 0
            rc_lock(&self.mutex)
            if rc_rarely(self.hooked) and self.refuses(note):
                rc_unlock(&self.mutex)
                return 1
            i = self.seek(key, h) if rc_rarely(self.hooked) else self.find(key, h)
            if i >= 0 and self.entries[i].expires and self.entries[i].expires <= now:
                self.take(<uint32_t>i, &dead, EXPIRED)
                i = -1
            if self.timed:
                self.advance(now, &dead, SLOTS)     # does not take out ``i``, which is not expired
            if i >= 0 and anew:
                rc_unlock(&self.mutex)
                self.bury(&dead)
                return 2
            if i >= 0:
                e = &self.entries[i]
                if self.most and self.used - e.size + size > self.most:
                    # Out, and in again at the end of its queue: else it could be evicted to make room for itself.
                    queue = e.queue
                    uses = e.uses + (e.uses < 3)
                    self.take(<uint32_t>i, &dead, 0)
                elif expires and not self.make_wheel():
                    break
                else:
                    self.replace(<uint32_t>i, value, size, expires, now, &dead)
                    if note != NULL:
                        self.placed(<uint32_t>i, note)
                    rc_unlock(&self.mutex)
                    return self.bury(&dead)
            if oversize:            # the value leaves at once; the older value is gone already, else it would be served
                Py_INCREF(key)
                Py_INCREF(value)
                self.evictions += 1
                add_dead(&dead, key, value, EVICTED)
                rc_unlock(&self.mutex)
                return self.bury(&dead)
            if queue < 0:
                queue = MAIN if self.recall(h) else SMALL
            if self.timed and self.lacks_room(size):
                self.take_expired(now, &dead)
            while dead.n < BATCH and self.lacks_room(size):
                self.evict(&dead)
                evicted = True
            if self.lacks_room(size):
                rc_unlock(&self.mutex)
                self.bury(&dead)
                continue
            if (expires and not self.make_wheel()) or not self.make_space():
                break
            self.insert(key, value, h, size, queue, uses, expires, now)
            if note != NULL:
                self.placed(self.tail[queue], note)
            if not evicted:
                self.settle()
            rc_unlock(&self.mutex)
            return self.bury(&dead)
        rc_unlock(&self.mutex)
        self.bury(&dead)
        raise MemoryError

    cdef int bury(self, Dead *dead) except -1:
        """Tell the callback, and drop the references. Called unlocked."""
        cdef Py_ssize_t k
        cdef int why
        for k in range(dead.n):
            why = dead.why[k]
            if why and self.callback is not None:
                self.tell(<object>dead.key[k], <object>dead.value[k], "evicted" if why == EVICTED else "expired")
            Py_DECREF(dead.value[k])
            if dead.key[k] != NULL:
                Py_DECREF(dead.key[k])
        return 0

    cdef void tell(self, key, value, why) noexcept:
        """An error of the callback goes to ``sys.unraisablehook``, like an error of ``__del__``: the put succeeded."""
        self.callback(key, value, why)

    # -- hooks of a tier

    cdef int64_t seek(self, PyObject *key, Py_hash_t h) noexcept:
        """As find, by the tier's own rule of equality, which runs no code of the user."""
        return -1

    cdef bint refuses(self, void *note) noexcept:
        """Whether the value became void before it was stored."""
        return False

    cdef void placed(self, uint32_t i, void *note) noexcept:
        """This entry has a new value; ``note`` is the note that ``store`` was given."""

    cdef void taken(self, uint32_t i) noexcept:
        """This entry is about to leave."""

    cdef bint more_room(self, uint32_t entries) noexcept:
        """There is memory for so many entries now; False if there is none for the links beside them."""
        return True

    cdef void take_out(self, uint32_t i, Dead *dead, int why) noexcept:
        """``take`` for the tier: another module cannot call an inline method."""
        self.take(i, dead, why)

    # -- the table; from here on every method is called with the lock held

    cdef inline int64_t find(self, PyObject *key, Py_hash_t h) except -2:
        """The entry of this key, or -1. If a comparison raises, the lock is released."""
        cdef uint32_t tag = tag_of(h)
        cdef uint32_t at, i
        cdef Entry *e
        cdef int same
        if self.table.places == NULL:
            return -1
        at = tag >> self.table.shift
        while True:
            i = self.table.places[at].item
            if i == NIL:
                return -1
            if self.table.places[at].tag == tag:
                e = &self.entries[i]
                if e.key == key:
                    return i
                if e.hash == h:
                    same = rc_same(e.key, key)
                    if same < 0:
                        return self.find_asking(key, h)
                    if same:
                        return i
            at = (at + 1) & self.table.mask

    cdef int64_t find_asking(self, PyObject *key, Py_hash_t h) except -2:
        """As find, where an ``__eq__`` must be asked: ``__eq__`` runs unlocked, and may change the store."""
        cdef uint32_t tag = tag_of(h)
        cdef uint32_t at = 0, i
        cdef uint64_t version
        cdef PyObject *other
        cdef int same
        cdef bint begin = True
        while True:
            if begin:
                if self.table.places == NULL:
                    return -1
                at = tag >> self.table.shift
                begin = False
            i = self.table.places[at].item
            if i == NIL:
                return -1
            if self.table.places[at].tag == tag and self.entries[i].hash == h:
                other = self.entries[i].key
                if other == key:
                    return i
                version = self.version
                Py_INCREF(other)
                rc_unlock(&self.mutex)
                try:
                    same = PyObject_RichCompareBool(other, key, Py_EQ)
                except BaseException:
                    Py_DECREF(other)
                    raise
                rc_lock(&self.mutex)
                if version == self.version:
                    Py_DECREF(other)    # not the last reference: the entry is still there
                    if same:
                        return i
                else:
                    rc_unlock(&self.mutex)
                    Py_DECREF(other)
                    rc_lock(&self.mutex)
                    begin = True
                    continue
            at = (at + 1) & self.table.mask

    cdef inline bint make_space(self) noexcept:
        """Room in the arrays for one entry more; False without memory."""
        cdef uint64_t more
        cdef Entry *entries
        if self.free == NIL and self.touched == self.allocated:
            more = 8 if self.allocated == 0 else <uint64_t>self.allocated * 2
            if more > self.limit:
                more = self.limit
            entries = <Entry *>PyMem_RawRealloc(self.entries, more * sizeof(Entry))
            if entries == NULL:
                return False
            self.entries = entries
            if rc_rarely(self.hooked) and not self.more_room(<uint32_t>more):
                return False
            self.allocated = <uint32_t>more
        if not has_place(&self.table, self.n):
            self.version += 1
            return grow(&self.table)
        return True

    cdef inline void insert(self, PyObject *key, PyObject *value, Py_hash_t h, size_t size, int queue,
                            uint8_t uses, int64_t expires, int64_t now) noexcept:
        cdef uint32_t i = self.free
        cdef Entry *e
        if i != NIL:
            self.free = self.entries[i].after
        else:
            i = self.touched
            self.touched += 1
        e = &self.entries[i]
        Py_INCREF(key)
        Py_INCREF(value)
        e.key = key
        e.value = value
        e.hash = h
        e.size = size
        e.uses = uses
        e.expires = 0
        self.used += size
        self.n += 1
        self.version += 1
        enter(&self.table, tag_of(h), i)
        self.append(i, queue)
        if expires:
            self.time(i, expires, now)

    cdef inline void replace(self, uint32_t i, PyObject *value, size_t size, int64_t expires, int64_t now,
                      Dead *dead) noexcept:
        """Another value for a key that is there. Counts as a use of the entry."""
        cdef Entry *e = &self.entries[i]
        add_dead(dead, NULL, e.value, 0)
        Py_INCREF(value)
        e.value = value
        self.used = self.used - e.size + size
        e.size = size
        if e.uses < 3:
            e.uses += 1
        if e.expires:
            self.untime(i)
        if expires:
            self.time(i, expires, now)

    cdef inline void take(self, uint32_t i, Dead *dead, int why) noexcept:
        """Take an entry out of all tables. ``bury`` drops the references to its key and value later."""
        cdef Entry *e = &self.entries[i]
        if rc_rarely(self.hooked):
            self.taken(i)
        leave(&self.table, tag_of(e.hash), i)
        self.unlink(i)
        if e.expires:
            self.untime(i)
        if why == EVICTED:
            self.evictions += 1
        elif why == EXPIRED:
            self.expirations += 1
        add_dead(dead, e.key, e.value, why)
        self.used -= e.size
        self.n -= 1
        self.version += 1
        e.key = NULL
        e.value = NULL
        e.after = self.free
        self.free = i

    cdef void forget(self) noexcept:
        """Make the store empty; the caller frees the entries."""
        cdef int q
        empty_table(&self.table)
        empty_table(&self.recall_table)
        PyMem_RawFree(self.ring)
        PyMem_RawFree(self.wheel)
        self.entries = NULL
        self.ring = NULL
        self.wheel = NULL
        self.allocated = self.touched = self.n = self.timed = self.oldest = self.newest = 0
        self.free = self.cursor = NIL
        self.used = 0
        self.soon = 0
        self.share = FIRST_SHARE
        for q in range(2):
            self.head[q] = self.tail[q] = NIL
            self.count[q] = self.ghosts[q] = 0
        self.version += 1

    # -- the queues

    cdef inline void append(self, uint32_t i, int queue) noexcept:
        cdef Entry *e = &self.entries[i]
        e.queue = <uint8_t>queue
        e.before = self.tail[queue]
        e.after = NIL
        if e.before == NIL:
            self.head[queue] = i
        else:
            self.entries[e.before].after = i
        self.tail[queue] = i
        self.count[queue] += 1

    cdef inline void unlink(self, uint32_t i) noexcept:
        cdef Entry *e = &self.entries[i]
        if e.before == NIL:
            self.head[e.queue] = e.after
        else:
            self.entries[e.before].after = e.after
        if e.after == NIL:
            self.tail[e.queue] = e.before
        else:
            self.entries[e.after].before = e.before
        self.count[e.queue] -= 1

    cdef inline bint lacks_room(self, size_t size) noexcept:
        return self.n >= self.limit or (self.most and self.used + size > self.most)

    cdef inline bint small_is_long(self) noexcept:
        return self.count[SMALL] >= self.share * self.n

    cdef inline void evict(self, Dead *dead) noexcept:
        """Take one entry out; see ``store`` for the policy."""
        cdef int steps = 0
        cdef int proven = PROVEN if self.share < LONG else 1
        cdef uint32_t i
        cdef Entry *e
        while True:
            if self.count[SMALL] and (self.small_is_long() or not self.count[MAIN]):
                i = self.head[SMALL]
                e = &self.entries[i]
                if e.uses >= proven:
                    self.unlink(i)
                    e.uses = 0
                    self.append(i, MAIN)
                    continue
                self.remember(e.hash, SMALL)
            else:
                i = self.head[MAIN]
                e = &self.entries[i]
                if e.uses and steps < STEPS:
                    steps += 1
                    e.uses -= 1
                    self.unlink(i)
                    self.append(i, MAIN)
                    continue
                self.remember(e.hash, MAIN)
            self.take(i, dead, EVICTED)
            return

    cdef inline void settle(self) noexcept:
        """While there is room, an entry that overflows small is kept in main."""
        cdef uint32_t i
        if self.count[SMALL] > 1 and self.count[SMALL] > self.share * self.n:
            i = self.head[SMALL]
            self.unlink(i)
            self.entries[i].uses = 0
            self.append(i, MAIN)

    # -- the ghosts

    cdef inline void remember(self, Py_hash_t h, int queue) noexcept:
        """Make a ghost: an entry of this hash was evicted from ``queue``. There are as many ghosts as entries."""
        cdef uint64_t mark = (<uint64_t>h * GOLDEN) & ~<uint64_t>3
        cdef uint32_t tag = <uint32_t>(mark >> 32)
        cdef uint32_t at, position
        cdef Place *place
        while self.newest - self.oldest >= self.n:
            position = self.oldest & self.ring_mask
            self.oldest += 1
            if self.ring[position]:
                self.lay(position)
        if self.ring == NULL or self.newest - self.oldest > self.ring_mask:
            if not self.grow_ring():
                return
        if not has_place(&self.recall_table, self.newest - self.oldest) and not grow(&self.recall_table):
            return
        at = tag >> self.recall_table.shift
        while True:
            place = &self.recall_table.places[at]
            position = place.item
            if position == NIL:
                break
            if place.tag == tag and self.ring[position] & ~<uint64_t>3 == mark:     # another key of this hash
                self.ghosts[self.ring[position] & 1] -= 1
                self.ring[position] = 0
                break
            at = (at + 1) & self.recall_table.mask
        position = self.newest & self.ring_mask
        self.newest += 1
        self.ring[position] = mark | 2 | <uint64_t>queue
        place.tag = tag
        place.item = position
        self.ghosts[queue] += 1

    cdef inline bint recall(self, Py_hash_t h) noexcept:
        """Whether this hash has a ghost. The ghost is forgotten, and the shares of the queues adapt."""
        cdef uint32_t position
        cdef double step
        if self.newest == self.oldest:
            return False
        position = self.ghost((<uint64_t>h * GOLDEN) & ~<uint64_t>3)
        if position == NIL:
            return False
        if self.ring[position] & 1:
            step = <double>self.ghosts[SMALL] / self.ghosts[MAIN]
            self.share -= PACE * max(step, 1.0) / max(self.n, 1)
            self.share = max(self.share, LEAST_SHARE)
        else:
            step = <double>self.ghosts[MAIN] / self.ghosts[SMALL]
            self.share += PACE * max(step, 1.0) / max(self.n, 1)
            self.share = min(self.share, MOST_SHARE)
        self.lay(position)
        return True

    cdef inline uint32_t ghost(self, uint64_t mark) noexcept:
        """The position of this mark in the ring, or NIL."""
        cdef uint32_t tag = <uint32_t>(mark >> 32)
        cdef uint32_t at = tag >> self.recall_table.shift
        cdef uint32_t position
        while True:
            position = self.recall_table.places[at].item
            if position == NIL:
                return NIL
            if self.recall_table.places[at].tag == tag and self.ring[position] & ~<uint64_t>3 == mark:
                return position
            at = (at + 1) & self.recall_table.mask

    cdef inline void lay(self, uint32_t position) noexcept:
        """Forget a ghost. Its position in the ring stays, empty, until the ring comes round to it."""
        cdef uint64_t mark = self.ring[position]
        self.ghosts[mark & 1] -= 1
        self.ring[position] = 0
        leave(&self.recall_table, <uint32_t>(mark >> 32), position)

    cdef bint grow_ring(self) noexcept:
        cdef uint64_t size = 8 if self.ring == NULL else (<uint64_t>self.ring_mask + 1) * 2
        cdef uint32_t k = 0
        cdef uint64_t mark
        cdef uint64_t *ring
        while size < self.n:
            size *= 2
        ring = <uint64_t *>PyMem_RawCalloc(size, sizeof(uint64_t))
        if ring == NULL:
            return False
        if self.recall_table.places != NULL:    # the positions change
            memset(self.recall_table.places, 0xFF, (<size_t>self.recall_table.mask + 1) * sizeof(Place))
        while self.oldest != self.newest:
            mark = self.ring[self.oldest & self.ring_mask]
            self.oldest += 1
            if mark:
                ring[k] = mark
                enter(&self.recall_table, <uint32_t>(mark >> 32), k)
            k += 1
        PyMem_RawFree(self.ring)
        self.ring = ring
        self.oldest = 0
        self.newest = k
        self.ring_mask = <uint32_t>(size - 1)
        return True

    # -- the wheel

    cdef inline bint make_wheel(self) noexcept:
        if self.wheel == NULL:
            self.wheel = <uint32_t *>PyMem_RawMalloc(WHEEL * sizeof(uint32_t))
            if self.wheel == NULL:
                return False
            memset(self.wheel, 0xFF, WHEEL * sizeof(uint32_t))
        return True

    cdef inline void time(self, uint32_t i, int64_t expires, int64_t now) noexcept:
        cdef Entry *e = &self.entries[i]
        cdef uint32_t slot = (expires >> TICK) & (WHEEL - 1)
        if self.timed == 0:
            self.tick = (now >> TICK) - 1
        self.timed += 1
        if expires < self.soon:
            self.soon = expires
        e.expires = expires
        e.sooner = NIL
        e.later = self.wheel[slot]
        if e.later != NIL:
            self.entries[e.later].sooner = i
        self.wheel[slot] = i

    cdef inline void untime(self, uint32_t i) noexcept:
        cdef Entry *e = &self.entries[i]
        if self.cursor == i:
            self.cursor = e.later
        if e.sooner == NIL:
            self.wheel[(e.expires >> TICK) & (WHEEL - 1)] = e.later
        else:
            self.entries[e.sooner].later = e.later
        if e.later != NIL:
            self.entries[e.later].sooner = e.sooner
        e.expires = 0
        self.timed -= 1

    cdef inline bint advance(self, int64_t now, Dead *dead, int slots) noexcept:
        """Take out a bounded number of expired entries, from the slots that are over. True: there are more."""
        cdef int64_t last = (now >> TICK) - 1
        cdef int looks = LOOKS
        cdef uint32_t i
        if self.tick < last - WHEEL:
            self.tick = last - WHEEL
        while True:
            while self.cursor != NIL:
                if looks == 0 or dead.n >= BATCH - SPARE:
                    return True
                looks -= 1
                i = self.cursor
                self.cursor = self.entries[i].later
                if self.entries[i].expires <= now:      # else the entry belongs to a later turn of the wheel
                    self.take(i, dead, EXPIRED)
            if self.tick >= last or not self.timed:
                return False
            if slots == 0:
                return True
            slots -= 1
            self.tick += 1
            self.open_slot(self.tick)

    cdef void take_expired(self, int64_t now, Dead *dead) noexcept:
        """Before an entry has to leave: take out what has expired in the slot that is not over, in a bounded time."""
        cdef int64_t least
        cdef int looks = STEPS
        cdef uint32_t i, later
        if now < self.soon:
            return
        least = ((now >> TICK) + 1) << TICK
        i = self.wheel[(now >> TICK) & (WHEEL - 1)]
        while i != NIL:
            if looks == 0 or dead.n >= BATCH - SPARE:
                least = now + (looks == 0)      # not once more before the clock moves; there are expired ones: at once
                break
            looks -= 1
            later = self.entries[i].later
            if self.entries[i].expires <= now:
                self.take(i, dead, EXPIRED)
            elif self.entries[i].expires < least:
                least = self.entries[i].expires
            i = later
        self.soon = least

    cdef inline void open_slot(self, int64_t tick) noexcept:
        self.cursor = self.wheel[tick & (WHEEL - 1)]


cdef void drop_all(Entry *entries, uint32_t touched) noexcept:
    cdef uint32_t i
    for i in range(touched):
        if entries[i].key != NULL:
            Py_DECREF(entries[i].value)
            Py_DECREF(entries[i].key)
    PyMem_RawFree(entries)


cdef int64_t nanoseconds(ttl) except -1:
    """A ttl in nanoseconds; 0: for ever."""
    cdef double seconds
    if type(ttl) is not int and type(ttl) is not float and hasattr(ttl, "total_seconds"):
        ttl = ttl.total_seconds()
    seconds = ttl
    if not seconds >= 0:
        raise ConfigError(f"ttl={ttl!r}: seconds from now, 0 for ever")
    if seconds == 0 or seconds >= FOREVER:
        return 0
    return max(<int64_t>1, <int64_t>(seconds * 1e9))


# -- for the garbage collector: it sees the keys and values, so a value that refers to its store is no leak

cdef traverseproc base_traverse
cdef inquiry base_clear


cdef int traverse(PyObject *self, visitproc visit, void *arg) noexcept:
    cdef Entry *entries = (<Store>self).entries
    cdef uint32_t i, touched = (<Store>self).touched
    cdef int stop
    for i in range(touched):
        if entries[i].key != NULL:
            stop = visit(entries[i].key, arg)
            if stop == 0:
                stop = visit(entries[i].value, arg)
            if stop:
                return stop
    return base_traverse(self, visit, arg)


cdef int clear_refs(PyObject *self) noexcept:
    (<Store>self).empty()
    return base_clear(self)


base_traverse = (<PyTypeObject *>Store).tp_traverse
base_clear = (<PyTypeObject *>Store).tp_clear
(<PyTypeObject *>Store).tp_traverse = traverse
(<PyTypeObject *>Store).tp_clear = clear_refs
