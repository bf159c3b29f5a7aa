# cython: language_level=3
"""What the ear of a server and the tiers that hold its values share: numbers in C memory, moved and read without a lock.

Each key has a *word*, found by a keyed hash of its name; a word moves when the key changes. A value counts as long as
the words of its token stand. Behind one connection there may be several servers, the *nodes*, each heard by an ear of
its own. The words of keys are common to all. Each node has an *epoch*, which moves when everything of this node changed,
and a *proof*, the last proven instant. A value depends on the nodes that answered for it: bit ``i`` of its number is
node ``i``. It counts if the proof of each of them does, and if none of their epochs has moved, which their sum shows,
as epochs only grow. Who looks up loads the proofs first, then the epochs, then words: whatever a proof speaks for was
moved before (Q8).

The last four bits of a proof are the number of the ear in charge. So one exchange of 64 bits looks at who is in
charge and publishes.
"""

from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    #ifndef RC_WORDS
    #define RC_WORDS
    #include <stdint.h>
    #include <stdlib.h>
    #include <string.h>

    /* Atomics that are atomic with the GIL too, for a thread that runs without it. */
    #if defined(__GNUC__)
    #define rc_load(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #define rc_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
    #define rc_moved(p, v) __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL)
    #define rc_swap(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
    static inline int rc_exchange(int64_t *p, int64_t was, int64_t v) {
        return __atomic_compare_exchange_n(p, &was, v, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    }
    #elif defined(Py_GIL_DISABLED)  /* Python's own, for other compilers; the ear is a thread of Python there */
    #define rc_load(p) _Py_atomic_load_int64_acquire((int64_t *)(p))
    #define rc_store(p, v) _Py_atomic_store_int64_release((int64_t *)(p), (v))
    #define rc_moved(p, v) _Py_atomic_add_int64((int64_t *)(p), (v))
    #define rc_swap(p, v) _Py_atomic_exchange_int64((int64_t *)(p), (v))
    static inline int rc_exchange(int64_t *p, int64_t was, int64_t v) {
        return _Py_atomic_compare_exchange_int64(p, &was, v);
    }
    #else
    #define rc_load(p) (*(p))
    #define rc_store(p, v) ((void)(*(p) = (v)))
    static inline int64_t rc_moved(int64_t *p, int64_t v) { int64_t was = *p; *p += v; return was; }
    static inline int64_t rc_swap(int64_t *p, int64_t v) { int64_t was = *p; *p = v; return was; }
    static inline int rc_exchange(int64_t *p, int64_t was, int64_t v) {
        if (*p != was) return 0;
        *p = v;
        return 1;
    }
    #endif

    #define RC_NOTHING (-((int64_t)1 << 61))    /* an instant before all others: nothing is proven */
    #define SLEPT 100000000     /* ns by which the clocks may part before we say that the machine slept */
    #define RC_CHARGE ((int64_t)15)             /* the bits of the proof that tell which ear is in charge */
    #define RC_NODES 64

    typedef struct {
        int64_t epoch;
        int64_t proof;          /* the proven instant, in ns of the clock that only goes forward, and who is in charge */
        int64_t wall;           /* the same instant on the wall clock, or an earlier one */
        int64_t drift;          /* how far the clocks were apart at the last proof; RC_NOTHING: there was none */
    } rc_node;

    typedef struct {
        int64_t refs;
        uint64_t k0, k1;        /* the key of the hash */
        uint64_t mask;          /* the number of words, - 1 */
        int64_t *words;
        int64_t staleness;      /* of the tier that wants the least, in ns; read by ears */
        char apart[64];         /* what is written for each message lies on another cache line than what hits read */
        int64_t told;           /* keys that were announced */
        char apart_too[64];
        rc_node nodes[RC_NODES];
        char apart_again[64];
    } rc_words;

    static inline rc_words *rc_words_new(uint64_t count, uint64_t k0, uint64_t k1) {
        rc_words *w = (rc_words *)calloc(1, sizeof(rc_words));
        int i;
        if (w == NULL) return NULL;
        w->words = (int64_t *)calloc(count, sizeof(int64_t));   /* pages come with the first use */
        if (w->words == NULL) {
            free(w);
            return NULL;
        }
        w->refs = 1;
        w->k0 = k0;
        w->k1 = k1;
        w->mask = count - 1;
        for (i = 0; i < RC_NODES; i++) w->nodes[i].proof = w->nodes[i].wall = w->nodes[i].drift = RC_NOTHING;
        w->staleness = 1000000000;
        return w;
    }

    static inline void rc_words_keep(rc_words *w) { rc_moved(&w->refs, 1); }

    static inline void rc_words_free(rc_words *w) {
        if (w != NULL && rc_moved(&w->refs, -1) == 1) {
            free(w->words);
            free(w);
        }
    }

    /* SipHash-1-3 of a name: who does not know the key cannot choose names that share a word. */
    #define RC_TURN(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
    #define RC_ROUND do { \
        v0 += v1; v1 = RC_TURN(v1, 13); v1 ^= v0; v0 = RC_TURN(v0, 32); \
        v2 += v3; v3 = RC_TURN(v3, 16); v3 ^= v2; \
        v0 += v3; v3 = RC_TURN(v3, 21); v3 ^= v0; \
        v2 += v1; v1 = RC_TURN(v1, 17); v1 ^= v2; v2 = RC_TURN(v2, 32); \
    } while (0)
    static inline uint64_t rc_name(const rc_words *w, const char *name, size_t n) {
        uint64_t v0 = w->k0 ^ 0x736f6d6570736575u, v1 = w->k1 ^ 0x646f72616e646f6du;
        uint64_t v2 = w->k0 ^ 0x6c7967656e657261u, v3 = w->k1 ^ 0x7465646279746573u;
        uint64_t m, last = (uint64_t)n << 56;
        const char *end = name + (n & ~(size_t)7);
        size_t i;
        for (; name != end; name += 8) {
            memcpy(&m, name, 8);
            v3 ^= m;
            RC_ROUND;
            v0 ^= m;
        }
        for (i = 0; i < (n & 7); i++) last |= (uint64_t)(unsigned char)name[i] << (8 * i);
        v3 ^= last;
        RC_ROUND;
        v0 ^= last;
        v2 ^= 0xff;
        RC_ROUND;
        RC_ROUND;
        RC_ROUND;
        last = v0 ^ v1 ^ v2 ^ v3;
        return last ? last : 1;     /* 0 is the number of no key */
    }

    static inline void rc_move(rc_words *w, uint64_t name) { rc_moved(&w->words[name & w->mask], 1); }
    static inline int64_t rc_word(rc_words *w, uint64_t name) { return rc_load(&w->words[name & w->mask]); }
    static inline void rc_void(rc_words *w, int node) { rc_moved(&w->nodes[node].epoch, 1); }
    static inline int64_t rc_charge(rc_words *w, int node) { return rc_load(&w->nodes[node].proof) & RC_CHARGE; }
    static inline int64_t rc_proven(rc_words *w, int node) { return rc_load(&w->nodes[node].proof) & ~RC_CHARGE; }

    /* The epochs of these nodes together. */
    static inline int64_t rc_epoch(rc_words *w, uint64_t nodes) {
        int64_t sum = 0;
        int i;
        if (nodes == 1) return rc_load(&w->nodes[0].epoch);
        for (i = 0; nodes; i++, nodes >>= 1)
            if (nodes & 1) sum += rc_load(&w->nodes[i].epoch);
        return sum;
    }

    /* Whether these instants are less than ``reach`` behind what is proven of each of these nodes. */
    static inline int rc_served(rc_words *w, uint64_t nodes, int64_t reach, int64_t now, int64_t wall) {
        rc_node *node = w->nodes;
        if (nodes == 1) return now < (rc_load(&node->proof) & ~RC_CHARGE) + reach && wall < rc_load(&node->wall) + reach;
        for (; nodes; node++, nodes >>= 1) {
            if (!(nodes & 1)) continue;
            if (now >= (rc_load(&node->proof) & ~RC_CHARGE) + reach || wall >= rc_load(&node->wall) + reach) return 0;
        }
        return 1;
    }

    /* All changes that this node acknowledged before this instant have been heard, says the ear ``charge`` (-1:
       whoever is in charge). Whether it is in charge. A proof never goes back. */
    static inline int rc_publish(rc_words *w, int node, int64_t charge, int64_t now, int64_t wall) {
        rc_node *n = &w->nodes[node];
        int64_t was, drift = wall - now;
        for (;;) {
            was = rc_load(&n->proof);
            if (charge >= 0 && (was & RC_CHARGE) != charge) return 0;
            if ((now | RC_CHARGE) <= (was | RC_CHARGE)) return 1;
            if (rc_load(&n->drift) != RC_NOTHING && drift - rc_load(&n->drift) > SLEPT)
                rc_void(w, node);       /* the machine slept, and who should have told us may have slept too */
            rc_store(&n->drift, drift);
            if (rc_exchange(&n->proof, was, (now & ~RC_CHARGE) | (was & RC_CHARGE))) break;
        }
        rc_store(&n->wall, wall);       /* after the proof: until then the older, stricter one counts */
        return 1;
    }

    /* Changes of this node may be missed from now on: first nothing counts any more, then nothing is proven.
       ``charge``: only if this ear is in charge; -1: in any case. */
    static inline void rc_end(rc_words *w, int node, int64_t charge) {
        rc_node *n = &w->nodes[node];
        int64_t was;
        do {
            was = rc_load(&n->proof);
            if (charge >= 0 && (was & RC_CHARGE) != charge) return;
            rc_void(w, node);
        } while (!rc_exchange(&n->proof, was, RC_NOTHING | (was & RC_CHARGE)));
        rc_store(&n->drift, RC_NOTHING);
    }

    /* From now on this ear is in charge of this node; what was proven stays proven. */
    static inline void rc_lead(rc_words *w, int node, int64_t charge) {
        int64_t *proof = &w->nodes[node].proof, was;
        do was = rc_load(proof);
        while (!rc_exchange(proof, was, (was & ~RC_CHARGE) | charge));
    }
    #endif
    """
    ctypedef struct rc_node:
        int64_t epoch, proof, wall, drift
    ctypedef struct rc_words:
        uint64_t mask
        int64_t *words
        int64_t staleness, told
        rc_node *nodes
    const int64_t RC_NOTHING
    const int64_t RC_CHARGE
    const int RC_NODES
    rc_words *rc_words_new(uint64_t count, uint64_t k0, uint64_t k1) noexcept nogil
    void rc_words_keep(rc_words *) noexcept nogil
    void rc_words_free(rc_words *) noexcept nogil
    uint64_t rc_name(const rc_words *, const char *name, size_t n) noexcept nogil
    void rc_move(rc_words *, uint64_t name) noexcept nogil
    int64_t rc_word(rc_words *, uint64_t name) noexcept nogil
    void rc_void(rc_words *, int node) noexcept nogil
    int64_t rc_epoch(rc_words *, uint64_t nodes) noexcept nogil
    int rc_served(rc_words *, uint64_t nodes, int64_t reach, int64_t now, int64_t wall) noexcept nogil
    int64_t rc_charge(rc_words *, int node) noexcept nogil
    int64_t rc_proven(rc_words *, int node) noexcept nogil
    int rc_publish(rc_words *, int node, int64_t charge, int64_t now, int64_t wall) noexcept nogil
    void rc_end(rc_words *, int node, int64_t charge) noexcept nogil
    void rc_lead(rc_words *, int node, int64_t charge) noexcept nogil
    int64_t rc_load(int64_t *) noexcept nogil
    void rc_store(int64_t *, int64_t) noexcept nogil
    int64_t rc_moved(int64_t *, int64_t) noexcept nogil
    int64_t rc_swap(int64_t *, int64_t) noexcept nogil


cdef class Words:
    cdef rc_words *words
    cdef dict numbers       # of each ear that runs: the number that it publishes under
    cdef dict last          # of each node: the number that was given last
