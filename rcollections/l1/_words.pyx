# cython: language_level=3, freethreading_compatible=True
# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: binding=False, embedsignature=True
"""The words of one server for the compiled ear and the compiled tiers. ``_words.pxd`` explains them."""

from os import urandom

cdef enum:
    LEAST = 65536
    MOST = 1 << 24      # 128 MB, of which only the pages in use are real memory
    EACH = 64           # words for each entry that may be held
    NUMBERS = 15        # ears that can be told apart; number 0 is that of ears in Python


cdef class Words:
    """``entries``: how many values may be held."""

    def __cinit__(self, entries=10_000):
        cdef uint64_t count = LEAST
        cdef uint64_t wanted = <uint64_t>min(max(0, entries * EACH), MOST)
        cdef bytes secret = urandom(16)
        while count < wanted:
            count *= 2
        self.words = rc_words_new(
            count, int.from_bytes(secret[:8], "little"), int.from_bytes(secret[8:], "little"))
        if self.words == NULL:
            raise MemoryError
        self.numbers = {}
        self.last = {}

    def __dealloc__(self):
        rc_words_free(self.words)

    def want(self, double staleness):
        """The seconds that values may be old, of the tier that wants the fewest: ears go by it."""
        rc_store(&self.words.staleness, <int64_t>(staleness * 1e9))

    def enlist(self, ear, int node=0):
        """The number that this ear publishes its proofs under, as long as it is in charge of this node."""
        self.last[node] = found = self.last.get(node, 0) % NUMBERS + 1
        self.numbers[id(ear)] = found
        return found

    def leave(self, ear):
        """This ear hears no more."""
        self.numbers.pop(id(ear), None)

    def lead(self, ear, int node=0):
        """From now on this ear is in charge: proofs of others do not count. An ear in Python proves by the tiers."""
        rc_lead(self.words, node, self.numbers.get(id(ear), 0))

    def end(self, int node=0):
        """Changes of this node may be missed: what was read from it before counts no more, and nothing is proven."""
        rc_end(self.words, node, -1)

    # -- for tests

    def __sizeof__(self):
        return object.__sizeof__(self) + sizeof(rc_words) + (self.words.mask + 1) * sizeof(int64_t)

    def __len__(self):
        return self.words.mask + 1

    def number(self, bytes name not None):
        """The number of a key."""
        return rc_name(self.words, name, len(name))

    def move(self, bytes name not None):
        """This key changed."""
        rc_move(self.words, rc_name(self.words, name, len(name)))

    def word(self, bytes name not None):
        """How often the word of this key has moved."""
        return rc_word(self.words, rc_name(self.words, name, len(name)))

    def publish(self, int charge, int64_t now, int64_t wall, int node=0):
        """As an ear does it; whether this ear is in charge."""
        return bool(rc_publish(self.words, node, charge, now, wall))

    @property
    def epoch(self):
        """How often everything of the first node changed."""
        return rc_epoch(self.words, 1)

    @property
    def proven(self):
        """The proven instant of the first node, or None."""
        return self.proven_of(0)

    def proven_of(self, int node):
        """The proven instant of this node, or None."""
        cdef int64_t at = rc_proven(self.words, node)
        return None if at == RC_NOTHING else at
