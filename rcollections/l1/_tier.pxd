# cython: language_level=3
"""The tier in C, and the look-up that a decorated hit makes without a call."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from ._store cimport (
    GOLDEN, NIL, Dead, Entry, Py_EQ, PyObject, PyObject_RichCompareBool, Store, Table,
    rc_hash, rc_lock, rc_now, rc_read, rc_same, rc_unlock, rc_write, tag_of,
)
from ._words cimport RC_CHARGE, RC_NODES, RC_NOTHING, Words, rc_epoch, rc_load, rc_proven, rc_served, rc_word, rc_words

cdef extern from *:
    """
    #ifndef RC_TIER
    #define RC_TIER
    /* The wall clock, read as cheaply as the monotonic clock; see rc_now. */
    static inline int64_t rc_wall(void) {
    #if defined(_WIN32)
        FILETIME f;
        GetSystemTimeAsFileTime(&f);
        return (int64_t)((((uint64_t)f.dwHighDateTime << 32) | f.dwLowDateTime) - 116444736000000000ULL) * 100;
    #else
        struct timespec t;
    #if defined(CLOCK_REALTIME_COARSE)
        clock_gettime(CLOCK_REALTIME_COARSE, &t);
    #else
        clock_gettime(CLOCK_REALTIME, &t);
    #endif
        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    #endif
    }

    /* How far behind the cheap clocks may be. */
    static inline int64_t rc_coarse(void) {
    #if defined(_WIN32)
        return 16000000;
    #elif defined(CLOCK_MONOTONIC_COARSE)
        struct timespec t;
        clock_getres(CLOCK_MONOTONIC_COARSE, &t);
        return 2 * ((int64_t)t.tv_sec * 1000000000 + t.tv_nsec);  /* virtual CPUs that are busy miss a tick */
    #else
        return 0;
    #endif
    }

    /* The kind of an argument, if it can be compared without running code of the user; 0: another kind. */
    static inline int rc_kind(PyObject *o) {
        if (PyLong_CheckExact(o)) return 1;
        if (PyUnicode_CheckExact(o)) return 2;
        if (o == Py_None) return 3;
        if (o == Py_True || o == Py_False) return 4;
        if (PyFloat_CheckExact(o)) return 5;
        if (PyBytes_CheckExact(o)) return 6;
        if (PyTuple_CheckExact(o)) return 7;    /* names of keywords; a tuple as an argument is not compared */
        if (PyType_Check(o)) return 8;
        return 0;
    }

    /* Whether all names of keywords are plain text: a subclass of str may have a hash of its own, code of the user. */
    static inline int rc_are_names(PyObject *names) {
        Py_ssize_t i;
        for (i = 0; i < PyTuple_GET_SIZE(names); i++)
            if (!PyUnicode_CheckExact(PyTuple_GET_ITEM(names, i))) return 0;
        return 1;
    }

    static inline uint64_t rc_number(PyObject *o, int kind) {
        uint64_t h;
        Py_ssize_t i;
        switch (kind) {
        case 7:
            h = 7;
            for (i = 0; i < PyTuple_GET_SIZE(o); i++)
                h = (h ^ (uint64_t)rc_hash(PyTuple_GET_ITEM(o, i))) * GOLDEN;
            return h;
        case 5:     /* by its bits, as a float is compared: the hash of a nan is the hash of its object */
            memcpy(&h, &((PyFloatObject *)o)->ob_fval, sizeof h);
            return h ^ (h >> 29);
        case 3: case 4: case 8:
            return (uint64_t)(uintptr_t)o >> 4;
        default:
            return (uint64_t)rc_hash(o);
        }
    }

    /* One argument alone: no two owners or kinds give one number for equal arguments. */
    static inline uint64_t rc_mix_one(uint64_t owner, PyObject *o, int kind) {
        return rc_number(o, kind) * 0xD6E8FEB86659FD93u + (owner * 16 + kind) * GOLDEN;
    }

    static inline uint64_t rc_mix(uint64_t h, PyObject *o, int kind) {
        h = (h ^ (rc_number(o, kind) + (uint64_t)kind * 0xA24BAED4963EE407u)) * 0xD6E8FEB86659FD93u;
        return h ^ (h >> 29);
    }

    /* Whether two arguments are equal in type and value, without running code of the user. */
    static int rc_exact(PyObject *a, PyObject *b) {
        Py_ssize_t i;
        if (a == b) return 1;
        if (Py_TYPE(a) != Py_TYPE(b)) return 0;
        if (PyUnicode_CheckExact(a)) return rc_same(a, b) == 1;
        if (PyLong_CheckExact(a)) return PyObject_RichCompareBool(a, b, Py_EQ) == 1;
        if (PyFloat_CheckExact(a))
            return memcmp(&((PyFloatObject *)a)->ob_fval, &((PyFloatObject *)b)->ob_fval, sizeof(double)) == 0;
        if (PyBytes_CheckExact(a))
            return PyBytes_GET_SIZE(a) == PyBytes_GET_SIZE(b) &&
                   memcmp(PyBytes_AS_STRING(a), PyBytes_AS_STRING(b), PyBytes_GET_SIZE(a)) == 0;
        if (PyTuple_CheckExact(a)) {
            if (PyTuple_GET_SIZE(a) != PyTuple_GET_SIZE(b)) return 0;
            for (i = 0; i < PyTuple_GET_SIZE(a); i++)
                if (!rc_exact(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i))) return 0;
            return 1;
        }
        return 0;
    }

    /* Whether a held key, (owner, argument...), is the key of this call. */
    static inline int rc_is_call(PyObject *key, PyObject *owner, PyObject *const *args, Py_ssize_t n, PyObject *names,
                                 Py_ssize_t named) {
        Py_ssize_t i, at = 1;
        if (!PyTuple_CheckExact(key) || PyTuple_GET_SIZE(key) != 1 + n + (names != NULL)) return 0;
        if (!rc_exact(PyTuple_GET_ITEM(key, 0), owner)) return 0;
        for (i = 0; i < n; i++) {
            if (names != NULL && i == n - named && !rc_exact(PyTuple_GET_ITEM(key, at++), names)) return 0;
            if (!rc_exact(PyTuple_GET_ITEM(key, at++), args[i])) return 0;
        }
        return 1;
    }
    #endif
    """
    int64_t rc_wall() noexcept nogil
    int64_t rc_coarse() noexcept nogil
    int rc_kind(PyObject *) noexcept
    bint rc_are_names(PyObject *) noexcept
    bint rc_is_class "PyType_Check" (PyObject *) noexcept
    uint64_t rc_mix_one(uint64_t, PyObject *, int) noexcept
    uint64_t rc_mix(uint64_t, PyObject *, int) noexcept
    int rc_exact(PyObject *, PyObject *) noexcept
    int rc_is_call(PyObject *, PyObject *, PyObject **, Py_ssize_t, PyObject *, Py_ssize_t) noexcept
    Py_ssize_t PyTuple_GET_SIZE(PyObject *) noexcept

cdef struct Mark:           # a watched key: its number, its word when the token was taken, and its slot
    uint64_t name
    int64_t word
    int32_t slot

cdef struct Link:           # beside each entry: the keys that it depends on, as they were when its token was taken
    uint64_t origin         # the number of its key on the server; 0: none
    uint64_t nodes          # that answered for it: bits
    int64_t epoch, word     # of the words; those of its nodes and of its origin
    uint32_t before, after  # its neighbours of the same origin
    uint32_t watched
    int32_t slot            # of its origin
    Mark *marks

cdef class Token:
    cdef uint64_t own_epoch, origin
    cdef readonly uint64_t nodes
    cdef int64_t epoch, word
    cdef uint32_t watched
    cdef int32_t slot
    cdef Mark *marks

cdef class Tier(Store):
    cdef Link *links
    cdef uint32_t linked        # links that there is memory for
    cdef Table origins          # the first entry of each origin
    cdef uint32_t origin_count
    cdef rc_words *words
    cdef Words shared               # whose numbers ``words`` are
    cdef list formerly              # other threads may still look at these
    cdef bint follows               # they are those of a listener
    cdef uint64_t epoch             # of this tier alone: what was read before it moved is not held
    # the next three numbers are read without the lock, and written with it
    cdef int64_t hears              # the nodes whose changes are heard: bits
    cdef int64_t local
    cdef int64_t reach              # serve so many ns behind the proven instant; NEVER unless ``hears``
    cdef bint foreign_wall
    cdef bint linkless
    cdef int64_t staleness, coarse, cut, told
    cdef int64_t drift[64]
    cdef uint64_t drifts            # nodes whose drift is known
    cdef uint64_t fills, refused, invalidations
    cdef object wall_clock

    cdef bint proven(self, uint64_t nodes) except -1
    cdef int64_t wall_of_look(self) except -1
    cdef bint is_void(self, Token token) noexcept
    cdef bint counted_void(self, Token token) noexcept
    cdef bint counted_fill(self, Token token, bint refused) noexcept
    cdef void link(self, uint32_t i, Token token) noexcept
    cdef uint32_t first(self, uint64_t origin) noexcept
    cdef int drop(self, object key, bint told) except -1
    cdef int drop_all(self, uint64_t origin, bint void) except -1
    cdef int sweep(self, uint64_t nodes, uint8_t *slots) except -1
    cdef void set_reach(self) noexcept
    cdef void missed(self) noexcept
    cdef object gone(self, int64_t i, int64_t now)
    cdef void forget_links(self) noexcept


cdef inline bint served(Tier t, uint32_t i, int64_t now, int64_t wall) noexcept:
    """Whether this entry may be served: what its nodes have proven is loaded before anything that it speaks for (Q8)."""
    return rc_served(t.words, t.links[i].nodes, rc_read(&t.reach), now, wall)


cdef inline bint stands(Tier t, Link *link) noexcept:
    """Whether nothing changed that this entry depends on. First the epoch, then the words."""
    cdef uint32_t k
    if rc_epoch(t.words, link.nodes) != link.epoch or rc_word(t.words, link.origin) != link.word:
        return False
    for k in range(link.watched):
        if rc_word(t.words, link.marks[k].name) != link.marks[k].word:
            return False
    return True


cdef inline int64_t seek_one(Tier t, uint64_t h, PyObject *arg) noexcept:
    """The entry of one argument alone, or -1. Locked."""
    cdef uint32_t tag, at, i
    if t.table.places == NULL:
        return -1
    tag = tag_of(<Py_hash_t>h)
    at = tag >> t.table.shift
    while True:
        i = t.table.places[at].item
        if i == NIL:
            return -1
        if t.table.places[at].tag == tag and t.entries[i].hash == <Py_hash_t>h and rc_exact(t.entries[i].key, arg):
            return i
        at = (at + 1) & t.table.mask


cdef inline int64_t seek_call(Tier t, uint64_t h, PyObject *owner, PyObject **args, Py_ssize_t n, PyObject *names,
                              Py_ssize_t named) noexcept:
    """The entry of a call, or -1. Locked."""
    cdef uint32_t tag, at, i
    if t.table.places == NULL:
        return -1
    tag = tag_of(<Py_hash_t>h)
    at = tag >> t.table.shift
    while True:
        i = t.table.places[at].item
        if i == NIL:
            return -1
        if t.table.places[at].tag == tag and t.entries[i].hash == <Py_hash_t>h:
            if rc_is_call(t.entries[i].key, owner, args, n, names, named):
                return i
        at = (at + 1) & t.table.mask


cdef inline uint64_t mix_call(uint64_t owner, PyObject **args, Py_ssize_t n, PyObject *names, Py_ssize_t named,
                              Py_ssize_t classes) noexcept:
    """The number of a call, or 0 if an argument is not compared here; the first ``classes`` may be classes."""
    cdef uint64_t h = owner * GOLDEN + <uint64_t>n
    cdef Py_ssize_t i
    cdef int kind
    for i in range(n):
        kind = rc_kind(args[i])
        if kind == 0 or kind == 7 or (kind == 8 and i >= classes):
            return 0
        if names != NULL and i == n - named:
            if not rc_are_names(names):
                return 0
            h = rc_mix(h, names, 7)
        h = rc_mix(h, args[i], kind)
    return h | 1


cdef inline bint counts_still(Tier t, uint32_t i, int64_t now) noexcept:
    """Whether this entry is neither expired nor void by a change of a key that it depends on; counts the hit."""
    cdef Entry *e = &t.entries[i]
    if (e.expires != 0 and e.expires <= now) or not stands(t, &t.links[i]):
        return False
    if e.uses < 3:
        e.uses += 1
    t.hits += 1
    return True
