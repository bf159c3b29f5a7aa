# cython: language_level=3
"""The declarations of ``_store.pyx``, for the tier that is built upon the store."""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from *:
    """
    #ifndef RC_STORE
    #define RC_STORE
    #include <string.h>
    #include <time.h>
    #ifdef _WIN32
    #include <windows.h>
    #endif

    /* Nanoseconds of a clock that never goes back. Coarse: read in 3 ns, late by a few milliseconds at most. */
    static inline int64_t rc_now(void) {
    #if defined(_WIN32)
        return (int64_t)GetTickCount64() * 1000000;
    #else
        struct timespec t;
    #if defined(CLOCK_MONOTONIC_COARSE)
        clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    #else
        clock_gettime(CLOCK_MONOTONIC, &t);
    #endif
        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    #endif
    }

    #define NIL 0xFFFFFFFFu     /* no entry */
    #define GOLDEN 0x9E3779B97F4A7C15u

    #ifdef __GNUC__
    #define rc_rarely(x) __builtin_expect(!!(x), 0)
    #else
    #define rc_rarely(x) (x)
    #endif

    #ifdef Py_GIL_DISABLED
    typedef PyMutex rc_mutex;
    #define rc_lock(m) PyMutex_Lock(m)
    #define rc_unlock(m) PyMutex_Unlock(m)
    #elif defined(RC_WATCHED)   /* for a test: with the GIL, a thread that finds the lock taken would wait for itself */
    typedef char rc_mutex;
    static inline void rc_lock(rc_mutex *m) {
        if (*m) Py_FatalError("locked twice");
        *m = 1;
    }
    static inline void rc_unlock(rc_mutex *m) {
        if (!*m) Py_FatalError("unlocked twice");
        *m = 0;
    }
    #else
    typedef char rc_mutex;
    #define rc_lock(m) ((void)(m))
    #define rc_unlock(m) ((void)(m))
    #endif

    /* Numbers that are read without the lock, all of them int64_t. With the GIL no thread comes between. */
    #ifndef Py_GIL_DISABLED
    #define rc_read(p) (*(p))
    #define rc_write(p, v) ((void)(*(p) = (v)))
    #define rc_add(p, v) ((void)(*(p) += (v)))
    #elif defined(__GNUC__)
    #define rc_read(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #define rc_write(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
    #define rc_add(p, v) ((void)__atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL))
    #else       /* Python's own atomics, for other compilers */
    #define rc_read(p) _Py_atomic_load_int64_acquire(p)
    #define rc_write(p, v) _Py_atomic_store_int64_release((p), (v))
    #define rc_add(p, v) ((void)_Py_atomic_add_int64((p), (v)))
    #endif

    /* The hash of an object; without a call where a str has computed its hash already. */
    static inline Py_hash_t rc_hash(PyObject *o) {
        if (PyUnicode_CheckExact(o)) {
            Py_hash_t h = ((PyASCIIObject *)o)->hash;
            if (h != -1) return h;
        }
        return PyObject_Hash(o);
    }

    /* 1 same, 0 different, -1 not two plain str: the caller asks ``__eq__``. Runs no code of the user. */
    static inline int rc_same(PyObject *a, PyObject *b) {
        Py_ssize_t n;
        if (!PyUnicode_CheckExact(a) || !PyUnicode_CheckExact(b)) return -1;
        n = PyUnicode_GET_LENGTH(a);
        if (n != PyUnicode_GET_LENGTH(b) || PyUnicode_KIND(a) != PyUnicode_KIND(b)) return 0;
        return memcmp(PyUnicode_DATA(a), PyUnicode_DATA(b), n * PyUnicode_KIND(a)) == 0;
    }
    #endif
    """
    ctypedef struct PyObject:
        pass
    ctypedef struct rc_mutex:
        pass
    const uint32_t NIL
    const uint64_t GOLDEN
    bint rc_rarely(bint) noexcept nogil
    int64_t rc_now() noexcept nogil
    void rc_lock(rc_mutex *) noexcept
    void rc_unlock(rc_mutex *) noexcept
    int64_t rc_read(int64_t *) noexcept
    void rc_write(int64_t *, int64_t) noexcept
    void rc_add(int64_t *, int64_t) noexcept
    Py_hash_t rc_hash(PyObject *) except -1
    int rc_same(PyObject *, PyObject *) noexcept
    void Py_INCREF(PyObject *) noexcept
    void Py_DECREF(PyObject *) noexcept
    int PyObject_RichCompareBool(PyObject *, PyObject *, int) except -1
    int Py_EQ
    ctypedef int (*visitproc)(PyObject *, void *) noexcept
    ctypedef int (*traverseproc)(PyObject *, visitproc, void *) noexcept
    ctypedef int (*inquiry)(PyObject *) noexcept
    ctypedef struct PyTypeObject:
        traverseproc tp_traverse
        inquiry tp_clear

cdef enum:
    SMALL = 0
    MAIN = 1
    EVICTED = 1
    EXPIRED = 2
    BATCH = 32          # entries that one step takes out at most before it unlocks to let them go
    SPARE = 4           # so many of BATCH are not for expired entries, since a put has to take out some itself
    LOOKS = 64          # entries of the wheel that a step looks at
    WHEEL = 512         # slots of the wheel
    TICK = 30           # a slot is 2**30 ns
    SLOTS = 64          # slots that a put passes
    STEPS = 512         # how often the hand of main spares an entry in one eviction
    PROVEN = 2          # uses in small that make an entry move to main; 1 where small is long

cdef struct Entry:
    PyObject *key
    PyObject *value
    Py_hash_t hash
    int64_t expires         # in ns of the clock; 0: never
    uint8_t uses            # hits since it came into its queue, up to 3
    uint8_t queue
    uint32_t before, after  # its neighbours in its queue; of a free entry ``after`` is the next free entry
    uint32_t sooner, later  # its neighbours in its slot of the wheel
    size_t size

cdef struct Place:
    uint32_t tag
    uint32_t item           # NIL: free

cdef struct Table:          # open addressing; 32 bits of a mixed hash beside a number
    Place *places           # NULL: empty
    uint32_t mask           # the number of places, - 1
    int shift               # 32 - the bits of ``mask``

cdef struct Dead:
    Py_ssize_t n
    PyObject *key[BATCH]
    PyObject *value[BATCH]
    int why[BATCH]


cdef class Store:
    cdef Entry *entries
    cdef Table table            # of the entries
    cdef uint32_t allocated     # entries that there is memory for
    cdef uint32_t touched       # entries that were in use at some time
    cdef uint32_t free          # the first of the entries that are free again
    cdef uint32_t limit         # entries allowed
    cdef uint32_t n
    cdef bint touch_on_read
    cdef bint foreign_clock
    cdef bint hooked            # a tier wants its hooks to be called
    cdef rc_mutex mutex
    cdef uint64_t version       # of the table: ``find`` begins again when the table changed meanwhile
    cdef uint64_t hits, misses, evictions, expirations
    cdef size_t used, most      # bytes; most 0: no limit
    # the queues
    cdef uint32_t head[2]
    cdef uint32_t tail[2]
    cdef uint32_t count[2]
    cdef double share           # the share of the entries that small gets
    # the ghosts: a ring of the hashes of evicted entries, and a table of positions in this ring
    cdef uint64_t *ring
    cdef uint32_t ring_mask
    cdef uint32_t oldest, newest
    cdef Table recall_table
    cdef uint32_t ghosts[2]
    # the wheel
    cdef uint32_t *wheel
    cdef int64_t tick           # the last slot that was opened
    cdef uint32_t cursor        # the entry of this slot to look at next
    cdef uint32_t timed
    cdef int64_t soon           # no entry of the slot that is not over expires before this instant
    cdef int64_t usual_ttl
    cdef object clock, sizer, callback
    cdef object __weakref__

    # hooks of the tier: the store calls them locked, if ``hooked``
    cdef int64_t seek(self, PyObject *key, Py_hash_t h) noexcept
    cdef bint refuses(self, void *note) noexcept
    cdef void placed(self, uint32_t i, void *note) noexcept
    cdef void taken(self, uint32_t i) noexcept
    cdef bint more_room(self, uint32_t entries) noexcept
    cdef void take_out(self, uint32_t i, Dead *dead, int why) noexcept

    # ``inline`` must stand here as well, else Cython calls a method through the table of methods. Another module may
    # call any of these methods, always through the table.
    cdef void empty(self) noexcept
    cdef Entry *take_all(self, uint32_t *touched) noexcept
    cdef void let_go(self, Entry *entries, uint32_t touched) noexcept
    @cython.final
    cdef inline int64_t now(self) except? -1
    cdef int end_expired(self, int64_t i) except -1
    @cython.final
    cdef bint holds(self, key) except -1
    @cython.final
    cdef bint remove(self, key, int why) except -1
    cdef int store(self, PyObject *key, PyObject *value, Py_hash_t h, size_t size, int64_t expires, int64_t now,
                   void *note, bint anew) except -1
    @cython.final
    cdef bint put_value(self, key, value, ttl, size, bint anew) except -1
    @cython.final
    cdef void take_expired(self, int64_t now, Dead *dead) noexcept
    cdef int bury(self, Dead *dead) except -1
    @cython.final
    cdef void tell(self, key, value, why) noexcept
    @cython.final
    cdef inline int64_t find(self, PyObject *key, Py_hash_t h) except -2
    @cython.final
    cdef int64_t find_asking(self, PyObject *key, Py_hash_t h) except -2
    @cython.final
    cdef inline bint make_space(self) noexcept
    @cython.final
    cdef inline void insert(self, PyObject *key, PyObject *value, Py_hash_t h, size_t size, int queue, uint8_t uses,
                            int64_t expires, int64_t now) noexcept
    @cython.final
    cdef inline void replace(self, uint32_t i, PyObject *value, size_t size, int64_t expires, int64_t now,
                             Dead *dead) noexcept
    @cython.final
    cdef inline void take(self, uint32_t i, Dead *dead, int why) noexcept
    cdef void forget(self) noexcept
    @cython.final
    cdef inline void append(self, uint32_t i, int queue) noexcept
    @cython.final
    cdef inline void unlink(self, uint32_t i) noexcept
    @cython.final
    cdef inline bint lacks_room(self, size_t size) noexcept
    @cython.final
    cdef inline bint small_is_long(self) noexcept
    @cython.final
    cdef inline void evict(self, Dead *dead) noexcept
    @cython.final
    cdef inline void settle(self) noexcept
    @cython.final
    cdef inline void remember(self, Py_hash_t h, int queue) noexcept
    @cython.final
    cdef inline bint recall(self, Py_hash_t h) noexcept
    @cython.final
    cdef inline uint32_t ghost(self, uint64_t mark) noexcept
    @cython.final
    cdef inline void lay(self, uint32_t position) noexcept
    @cython.final
    cdef bint grow_ring(self) noexcept
    @cython.final
    cdef inline bint make_wheel(self) noexcept
    @cython.final
    cdef inline void time(self, uint32_t i, int64_t expires, int64_t now) noexcept
    @cython.final
    cdef inline void untime(self, uint32_t i) noexcept
    @cython.final
    cdef inline bint advance(self, int64_t now, Dead *dead, int slots) noexcept
    @cython.final
    cdef inline void open_slot(self, int64_t tick) noexcept


cdef inline uint32_t tag_of(Py_hash_t h) noexcept:
    return <uint32_t>((<uint64_t>h * GOLDEN) >> 32)


cdef bint grow(Table *t) noexcept
cdef void empty_table(Table *t) noexcept


cdef inline void enter(Table *t, uint32_t tag, uint32_t item) noexcept:
    cdef uint32_t at = tag >> t.shift
    while t.places[at].item != NIL:
        at = (at + 1) & t.mask
    t.places[at].tag = tag
    t.places[at].item = item


cdef inline void leave(Table *t, uint32_t tag, uint32_t item) noexcept:
    cdef uint32_t at = tag >> t.shift
    cdef uint32_t next, home
    while t.places[at].item != item:
        at = (at + 1) & t.mask
    next = at
    while True:     # the hole moves on until it stops no search
        next = (next + 1) & t.mask
        if t.places[next].item == NIL:
            break
        home = t.places[next].tag >> t.shift
        if ((next - home) & t.mask) >= ((next - at) & t.mask):
            t.places[at] = t.places[next]
            at = next
    t.places[at].item = NIL


cdef inline bint has_place(Table *t, uint32_t items) noexcept:
    """Whether there is a place for one more; at most half of the places are taken."""
    return t.places != NULL and items <= t.mask >> 1
