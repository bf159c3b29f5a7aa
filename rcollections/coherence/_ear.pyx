# cython: language_level=3, freethreading_compatible=True
# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: binding=False, embedsignature=True
"""The receiving loop of ears, compiled: a thread of C that never waits for the GIL or for a lock.

A ``Hub`` has one such thread for all its loops: it waits for all their connections at once. ``Loop`` takes over a
subscribed connection of RESP2. The thread reads, moves the words of the keys that are announced
(``l1/_words.pxd``), sends the numbered PINGs, and publishes the proof as ``proof.py`` would (Q1 to Q4). So a change
counts in this process while any other thread computes in Python. What needs Python goes into two bounded rings, from
which ``wait`` takes it: the numbers of keys whose values can go, and messages, confirmations, errors. Where the ring
of keys is full, the values go when somebody looks at them; where that of messages is full, waiting callers are told
that they may have missed one.

Beside the connection that listens the loop may have one for data (``answer``). Over it the loop writes which rounds of
settling it has applied, and sends a command with each PING whose answer shows that this server is the one which
answers readers, and that it knows of this ear. While an answer is due there, or that connection is missing, nothing is
proven (Z1, Q7).

The loop works on duplicates of descriptors, so nobody closes one that it waits on. Its memory outlives the object.
"""

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memchr, memcmp, memcpy, memmove, strlen

from ..l1._words cimport (
    Words, rc_end, rc_load, rc_move, rc_moved, rc_name, rc_publish, rc_store, rc_swap, rc_void, rc_words, rc_words_free,
    rc_words_keep,
)

cdef extern from *:
    """
    #include <fcntl.h>
    #include <poll.h>
    #include <pthread.h>
    #include <signal.h>
    #include <sys/socket.h>
    #include <time.h>
    #include <unistd.h>

    #ifdef MSG_NOSIGNAL
    #define RC_SEND (MSG_DONTWAIT | MSG_NOSIGNAL)
    #else
    #define RC_SEND MSG_DONTWAIT
    #endif

    static int64_t rc_clock(int wall) {
        struct timespec t;
        clock_gettime(wall ? CLOCK_REALTIME : CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    }

    static void rc_rest(long ns) {
        struct timespec t = {0, 0};
        t.tv_nsec = ns;
        nanosleep(&t, NULL);
    }

    static void rc_or(int64_t *p, int64_t v) { __atomic_fetch_or(p, v, __ATOMIC_ACQ_REL); }
    static void *rc_read_pointer(void **p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
    static void *rc_give(void **p, void *v) { return __atomic_exchange_n(p, v, __ATOMIC_ACQ_REL); }

    /* The first field but one of what is pushed is the next one. */
    #define rc_push(top, s) do { \
        (s)->next = __atomic_load_n((top), __ATOMIC_ACQUIRE); \
    } while (!__atomic_compare_exchange_n((top), (void **)&(s)->next, (s), 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))

    static int rc_duplicate(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 0); }

    static int rc_pair(int *fds) {
        int i;
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) return -1;
        for (i = 0; i < 2; i++) {
            fcntl(fds[i], F_SETFD, FD_CLOEXEC);
            fcntl(fds[i], F_SETFL, O_NONBLOCK);
        }
        return 0;
    }

    /* A thread that takes no signals: Python's own threads see to them. */
    static int rc_thread(void (*run)(void *), void *about) {
        sigset_t all, old;
        pthread_t thread;
        pthread_attr_t how;
        int failed;
        sigfillset(&all);
        pthread_attr_init(&how);
        pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        failed = pthread_create(&thread, &how, (void *(*)(void *))run, about);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        pthread_attr_destroy(&how);
        return failed;
    }
    """
    cdef struct pollfd:
        int fd
        short events, revents
    int poll(pollfd *, unsigned long, int) noexcept nogil
    void rc_push(void **top, State *s) noexcept nogil
    ssize_t recv(int, void *, size_t, int) noexcept nogil
    ssize_t send(int, const void *, size_t, int) noexcept nogil
    int close(int) noexcept nogil
    int getpid() noexcept nogil
    int rc_duplicate(int) noexcept nogil
    int rc_pair(int *) noexcept nogil
    int rc_thread(void (*)(void *) noexcept nogil, void *) noexcept nogil
    int64_t rc_clock(int) noexcept nogil
    void rc_or(int64_t *, int64_t) noexcept nogil
    void *rc_read_pointer(void **) noexcept nogil
    void *rc_give(void **, void *) noexcept nogil
    void rc_rest(long) noexcept nogil
    const int POLLIN, POLLOUT, MSG_DONTWAIT, RC_SEND

cdef enum:
    ROOM = 65536            # bytes that are read at once
    LONGEST = 1 << 20       # a longer key counts as if all keys changed; a longer message is one that was missed
    KEYS = 1 << 14          # numbers of keys that wait for a thread of Python
    NOTES = 1 << 18         # bytes of messages that wait for it
    SPARE = 1 << 12         # of these so many are for what must not be missed
    NAME = 4096             # bytes of the channel of a message
    DUE = 8                 # answers that may be due on the connection for data
    SOON = 20_000_000       # ns after which values that count no more go, where nothing else wakes a thread of Python
    REST = 250_000_000      # ns between two PINGs at most (Q6)
    # tokens of RESP2
    ARRAY = 1
    BULK = 2
    NUMBER = 3
    NOTHING = 4
    LINE = 5
    MISTAKE = 6
    HUGE = 7
    # kinds of messages
    OTHER = 0
    MESSAGE = 1
    PONG = 2
    # flags for the thread of Python
    FLUSHED = 1
    PROVED = 2
    MISSED = 4
    # what ends the loop
    STOPPED = 1
    CLOSED = 2
    SILENT = 3
    STRANGE = 4
    # what ends the connection for data
    LOST = -1
    WRONG = -2

cdef char *INVALIDATE = b"__redis__:invalidate"

cdef struct Token:
    int kind
    int64_t n               # its length, or the number that it is
    char *text

cdef struct Answers:        # how to answer rounds of settling; given to the loop whole
    int fd
    bint anew               # the ear has entered under a new id: what was asked before proves nothing
    size_t head_n, start_n, there_n
    char *head              # a command up to its last argument
    char *start             # of this argument: the number of the round follows
    char *there             # a command that is sent with each PING
    char text[1]            # all three

cdef struct Buffer:
    char *text
    size_t room, start, end

cdef struct State:
    int64_t refs
    State *next             # that came to the hub before this one
    rc_words *words
    int64_t number          # of this ear, for the proof
    int node                # that it hears
    bint proves
    int fd
    int own, its            # two ends: a byte wakes the loop or the thread of Python
    int64_t timeout         # ns
    int64_t stop, ended
    int64_t signalled       # the thread of Python has been woken and has not looked yet
    int64_t sending         # somebody sends a command over the connection that listens
    int64_t flags
    int64_t proven, proven_wall
    int64_t keys_in, keys_out, notes_in, notes_out
    uint64_t *keys
    char *notes
    void *answers           # Answers that the loop shall use from now on
    # the rest is the loop's alone
    int64_t asked, asked_wall, before, before_wall  # when PINGs were sent, as in proof.py; 0: none
    int64_t last, last_wall     # the instant that was proven last; 0: none under this id
    int64_t ping            # the number of the last PING
    bint pong, confirmed, erred
    int64_t due, lost_at, wake_at
    Buffer heard
    int left, index, kind   # of the message that is being read
    int64_t keys_left       # of the keys in it
    size_t skip             # bytes of something huge
    bint huge
    char word[16]
    size_t word_n, name_n
    char name[NAME]
    char *channel           # of the rounds
    size_t channel_n        # 0: nobody asks, and no connection for data is needed
    Answers *using
    Buffer data
    int64_t read_round, sent_round
    int expected, owed      # answers that are due; ``owed``: of those, what the next proof has to wait for
    int first               # where its descriptors stand among those that are waited for
    bint with_data

cdef struct Crew:           # what a hub and its thread share
    int64_t refs
    int own, its            # two ends: a byte wakes the thread
    int64_t count           # of loops; the thread begins with the first one, and ends with the last one
    void *came              # States that the thread shall take over
    # the rest is the thread's alone
    State **states
    int n, room
    pollfd *on


# -- rings, from the loop to Python


cdef void wake(State *s) noexcept nogil:
    if rc_swap(&s.signalled, 1) == 0:
        send(s.own, b".", 1, RC_SEND)


cdef void copy_in(State *s, int64_t at, const char *text, size_t n) noexcept nogil:
    cdef size_t place = <size_t>at & (NOTES - 1)
    cdef size_t first = min(n, NOTES - place)
    memcpy(s.notes + place, text, first)
    memcpy(s.notes, text + first, n - first)


cdef void copy_out(State *s, int64_t at, char *text, size_t n) noexcept nogil:
    cdef size_t place = <size_t>at & (NOTES - 1)
    cdef size_t first = min(n, NOTES - place)
    memcpy(text, s.notes + place, first)
    memcpy(text + first, s.notes, n - first)


cdef void note(State *s, char what, const char *one, uint32_t one_n, const char *two, uint32_t two_n,
               const char *three, uint32_t three_n) noexcept nogil:
    """A note for the thread of Python: a letter and three texts."""
    cdef uint32_t sizes[3]
    cdef int64_t at = s.notes_in
    cdef int64_t size = 1 + sizeof(sizes) + one_n + two_n + three_n
    cdef int64_t room = NOTES - (at - rc_load(&s.notes_out))
    sizes[0], sizes[1], sizes[2] = one_n, two_n, three_n
    if what == b'm' and size > room - SPARE:
        set_flag(s, MISSED)
        return
    if size > room:
        s.ended = STRANGE       # nobody has looked for so long that the connection is as good as lost
        return
    copy_in(s, at, &what, 1)
    copy_in(s, at + 1, <char *>sizes, sizeof(sizes))
    at += 1 + sizeof(sizes)
    copy_in(s, at, one, one_n)
    copy_in(s, at + one_n, two, two_n)
    copy_in(s, at + one_n + two_n, three, three_n)
    rc_store(&s.notes_in, at + one_n + two_n + three_n)
    wake(s)


cdef void set_flag(State *s, int64_t flag) noexcept nogil:
    rc_or(&s.flags, flag)
    wake(s)


# -- what is read


cdef bint has_room(Buffer *b) noexcept nogil:
    """Make room for the next bytes."""
    cdef char *more
    if b.start:
        memmove(b.text, b.text + b.start, b.end - b.start)
        b.end -= b.start
        b.start = 0
    if b.room - b.end < ROOM // 2:
        more = <char *>realloc(b.text, b.room + max(b.room, <size_t>ROOM))
        if more == NULL:
            return False
        b.text = more
        b.room += max(b.room, <size_t>ROOM)
    return True


cdef int next_token(Buffer *b, Token *t) noexcept nogil:
    """1: there is one; 0: more bytes are needed; -1: this is no RESP2."""
    cdef char *at = b.text + b.start
    cdef size_t n = b.end - b.start
    cdef char *end
    cdef size_t line
    cdef bint minus = False
    cdef size_t k
    if n == 0:
        return 0
    end = <char *>memchr(at, b'\n', n)
    if end == NULL:
        return 0 if n < ROOM else -1
    line = end - at + 1
    if line < 3 or (end - 1)[0] != b'\r':
        return -1
    t.text = at + 1
    t.n = <int64_t>line - 3
    if at[0] == b'-' or at[0] == b'+' or at[0] == b'_':
        t.kind = MISTAKE if at[0] == b'-' else LINE if at[0] == b'+' else NOTHING
        b.start += line
        return 1
    if at[0] != b'*' and at[0] != b'$' and at[0] != b':':
        return -1
    t.n = 0
    for k in range(1, line - 2):
        if at[k] == b'-' and k == 1:
            minus = True
        elif b'0' <= at[k] <= b'9' and k < 19:
            t.n = t.n * 10 + (at[k] - 48)
        else:
            return -1
    if minus:
        t.n = -t.n
    if at[0] == b':':
        t.kind = NUMBER
    elif t.n < 0:
        t.kind = NOTHING
    elif at[0] == b'*':
        t.kind = ARRAY
    elif t.n > LONGEST:
        t.kind = HUGE
    elif n < line + <size_t>t.n + 2:
        return 0
    else:
        t.kind = BULK
        t.text = at + line
        line += <size_t>t.n + 2
    b.start += line
    return 1


cdef void unsure(State *s) noexcept nogil:
    """An answer that is no PONG: changes may be missed from now on (Q4)."""
    s.asked = s.before = 0
    s.pong = s.confirmed = False
    s.erred = True
    rc_end(s.words, s.node, s.number)
    note(s, b'u', b"", 0, b"", 0, b"", 0)


cdef void announced(State *s, const char *name, size_t n) noexcept nogil:
    """This key changed: first its word moves, so that no value counts that was read before."""
    cdef uint64_t number = rc_name(s.words, name, n)
    cdef int64_t at = s.keys_in
    rc_move(s.words, number)
    rc_moved(&s.words.told, 1)
    if at - rc_load(&s.keys_out) < KEYS:
        s.keys[at & (KEYS - 1)] = number
        rc_store(&s.keys_in, at + 1)
        if at - rc_load(&s.keys_out) > KEYS // 2:
            wake(s)
        elif s.wake_at == 0:
            s.wake_at = rc_clock(0) + SOON


cdef void flushed(State *s) noexcept nogil:
    rc_void(s.words, s.node)
    set_flag(s, FLUSHED)


cdef void published(State *s, Token *t) noexcept nogil:
    """The last part of a message that is no invalidation."""
    cdef char digits[24]
    cdef int64_t number = 0, k
    if (s.kind == MESSAGE and s.channel_n and s.name_n == s.channel_n and not s.huge
            and memcmp(s.name, s.channel, s.name_n) == 0):
        if t.kind == BULK and 0 < t.n < 19:
            for k in range(t.n):
                if not (b'0' <= t.text[k] <= b'9'):
                    return
                number = number * 10 + (t.text[k] - 48)
            if number > s.read_round:
                s.read_round = number
        return
    if s.huge or t.kind == HUGE:
        set_flag(s, MISSED)
    elif t.kind == NUMBER:
        number = snprintf(digits, sizeof(digits), b"%lld", <long long>t.n)
        note(s, b'n', s.word, s.word_n, s.name, s.name_n, digits, <uint32_t>number)
    else:
        number = t.n if t.kind == BULK else 0
        note(s, b'm', s.word, s.word_n, s.name, s.name_n, t.text, <uint32_t>number)


cdef bint heard_part(State *s, Token *t) noexcept nogil:
    """One token of the connection that listens; False: nothing that we know."""
    cdef char number[24]
    if t.kind == HUGE:
        s.skip = <size_t>t.n + 2
    if s.keys_left:
        s.keys_left -= 1
        if t.kind == BULK:
            announced(s, t.text, <size_t>t.n)
        elif t.kind == HUGE:
            flushed(s)
        else:
            return False
        return True
    if s.left == 0:
        if t.kind == ARRAY:
            s.left, s.index, s.kind, s.huge = <int>min(t.n, <int64_t>9), 0, OTHER, False
            s.word_n = s.name_n = 0
            return 2 <= t.n <= 4
        unsure(s)
        return t.kind != HUGE
    if s.index == 0:
        if t.kind != BULK or t.n >= <int64_t>sizeof(s.word):
            return False
        memcpy(s.word, t.text, <size_t>t.n)
        s.word_n = <size_t>t.n
        if s.word_n == 7 and memcmp(s.word, b"message", 7) == 0:
            s.kind = MESSAGE
        elif s.word_n == 4 and memcmp(s.word, b"pong", 4) == 0:
            s.kind = PONG
        if s.kind == PONG and s.left != 2:
            return False
    elif s.index == 1:
        if t.kind == BULK and t.n <= NAME:
            memcpy(s.name, t.text, <size_t>t.n)
            s.name_n = <size_t>t.n
        elif t.kind == BULK or t.kind == HUGE:
            s.huge = True
        elif t.kind != NOTHING:
            return False
        if s.kind == PONG and s.asked:
            snprintf(number, sizeof(number), b"%lld", <long long>s.ping)
            if s.name_n == strlen(number) and memcmp(s.name, number, s.name_n) == 0:
                s.pong = True
                s.owed = s.expected
    elif s.index == 2:
        if s.kind == MESSAGE and s.name_n == strlen(INVALIDATE) and memcmp(s.name, INVALIDATE, s.name_n) == 0:
            if t.kind == ARRAY:
                s.keys_left = t.n
            elif t.kind == NOTHING:
                flushed(s)
            else:
                return False
        elif t.kind == ARRAY:
            return False
        else:
            published(s, t)
    s.index += 1
    s.left -= 1
    return True


cdef int receive(int fd, Buffer *b) noexcept nogil:
    """Read what has come: 1, or 0 for nothing, or -1 for the end."""
    cdef ssize_t n
    if not has_room(b):
        return -1
    n = recv(fd, b.text + b.end, b.room - b.end, MSG_DONTWAIT)
    if n == 0:
        return -1
    if n < 0:
        return 0 if errno == EAGAIN or errno == EINTR else -1
    b.end += <size_t>n
    return 1


cdef int hear(State *s) noexcept nogil:
    """Read once, and apply all that was read; what has to follow is proven after that (Q2)."""
    cdef Token t
    cdef size_t over
    cdef int got = receive(s.fd, &s.heard)
    if got <= 0:
        return got
    while True:
        if s.skip:
            over = min(s.skip, s.heard.end - s.heard.start)
            s.heard.start += over
            s.skip -= over
            if s.skip:
                return 1
        got = next_token(&s.heard, &t)
        if got <= 0:
            return 1 if got == 0 else -1
        if not heard_part(s, &t) or s.ended:
            return -1


cdef int hear_data(State *s) noexcept nogil:
    """Answers on the connection for data: each has to be 0. Gives LOST, or WRONG for any other answer."""
    cdef Token t
    cdef int got = receive(s.using.fd, &s.data)
    if got <= 0:
        return got
    while True:
        got = next_token(&s.data, &t)
        if got <= 0:
            return 1 if got == 0 else WRONG
        if s.expected == 0 or t.kind != NUMBER or t.n != 0:
            return WRONG
        s.expected -= 1
        s.owed = max(0, s.owed - 1)


# -- what is sent


cdef int send_all(int fd, const char *text, size_t n) noexcept nogil:
    """1: it is sent; 0: nothing is; -1: a part of it is, or the connection is lost."""
    cdef ssize_t sent = send(fd, text, n, RC_SEND)
    if sent == <ssize_t>n:
        return 1
    if sent < 0 and (errno == EAGAIN or errno == EINTR):
        return 0
    return -1


cdef int expect(State *s, const char *text, size_t n) noexcept nogil:
    """Send a command whose answer has to be 0."""
    cdef int sent = send_all(s.using.fd, text, n)
    if sent > 0:
        s.expected += 1
    return sent


cdef int send_ping(State *s, int64_t now) noexcept nogil:
    cdef char text[80]
    cdef char number[24]
    cdef int sent
    cdef int64_t wall = rc_clock(1)
    if rc_swap(&s.sending, 1):
        return 0
    snprintf(number, sizeof(number), b"%lld", <long long>(s.ping + 1))
    snprintf(text, sizeof(text), b"*2\r\n$4\r\nPING\r\n$%d\r\n%s\r\n", <int>strlen(number), number)
    sent = send_all(s.fd, text, strlen(text))
    rc_store(&s.sending, 0)
    if sent > 0:
        s.ping += 1
        s.asked, s.asked_wall = now, wall
        s.lost_at = now + max(2 * rc_load(&s.words.staleness), s.timeout)
        if s.using != NULL and expect(s, s.using.there, s.using.there_n) < 1:
            lose_data(s, LOST)
    return sent


cdef int send_round(State *s) noexcept nogil:
    """All that was read before is applied: say which round that was. One answer for all rounds of one read."""
    cdef Answers *using = s.using
    cdef char number[24]
    cdef char *text
    cdef size_t n
    cdef int sent
    if using == NULL or s.read_round <= s.sent_round or s.expected >= DUE:
        return 1
    text = <char *>malloc(using.head_n + using.start_n + 64)
    if text == NULL:
        return LOST
    snprintf(number, sizeof(number), b"%lld", <long long>s.read_round)
    memcpy(text, using.head, using.head_n)
    n = using.head_n
    n += <size_t>snprintf(text + n, 32, b"$%d\r\n", <int>(using.start_n + strlen(number)))
    memcpy(text + n, using.start, using.start_n)
    n += using.start_n
    n += <size_t>snprintf(text + n, 32, b"%s\r\n", number)
    sent = expect(s, text, n)
    free(text)
    if sent > 0:
        s.sent_round = s.read_round
    return LOST if sent < 1 else 1


cdef void drop_answers(Answers *a) noexcept nogil:
    if a != NULL:
        if a.fd >= 0:
            close(a.fd)
        free(a)


cdef void lose_data(State *s, int why) noexcept nogil:
    """Whoever opens connections is told. Where the server did not know this ear, what was heard counts no more (F4)."""
    drop_answers(s.using)
    s.using = NULL
    s.expected = s.owed = 0
    if why == WRONG:
        unsure(s)
        note(s, b'd', b"", 0, b"", 0, b"", 0)
    else:
        note(s, b'b', b"", 0, b"", 0, b"", 0)


cdef void begin_again(State *s) noexcept nogil:
    """What was asked so far proves nothing any more: the next two PONGs do."""
    s.asked = s.before = 0
    s.pong = False


cdef void use_answers(State *s) noexcept nogil:
    cdef Answers *new = <Answers *>rc_give(&s.answers, NULL)
    if new == NULL:
        return
    drop_answers(s.using)
    s.using = new
    s.expected = s.owed = 0
    s.data.start = s.data.end = 0
    s.sent_round = 0        # what the connection before had to send may not have arrived
    if new.anew:
        begin_again(s)
        s.last = s.last_wall = 0
    elif s.asked:           # its question went over the connection before
        if expect(s, new.there, new.there_n) < 1:
            lose_data(s, LOST)
            return
        s.owed = s.expected
    if send_round(s) < 0:
        lose_data(s, LOST)


# -- the loop


cdef bint lapsed(State *s) noexcept nogil:
    """Whether the proof before this one does not count any more: others may have taken this ear for gone (Z1)."""
    cdef int64_t staleness = rc_load(&s.words.staleness)
    if not s.channel_n or s.last == 0:
        return False
    return rc_clock(0) - s.last > staleness or rc_clock(1) - s.last_wall > staleness


cdef bint applied(State *s) noexcept nogil:
    """All that was read is applied: publish what that proves. Whether the next PING has to wait for its time."""
    cdef bint proved = False
    if not s.pong or s.owed or (s.channel_n and s.using == NULL):
        return False
    if s.before and lapsed(s):
        drop_answers(s.using)       # whoever opens connections enters anew, over another one
        s.using = NULL
        s.expected = s.owed = 0
        begin_again(s)
        note(s, b'l', b"", 0, b"", 0, b"", 0)
        return True
    if s.before:
        if not s.confirmed:
            s.confirmed = True
            note(s, b'c', b"", 0, b"", 0, b"", 0)
        if s.proves:
            rc_publish(s.words, s.node, s.number, s.before, s.before_wall)
        s.last, s.last_wall = s.before, s.before_wall
        rc_store(&s.proven_wall, s.before_wall)
        rc_store(&s.proven, s.before)
        set_flag(s, PROVED)
        proved = True
    s.before, s.before_wall = s.asked, s.asked_wall
    s.asked = 0
    s.pong = False
    return proved


cdef int64_t rest(State *s) noexcept nogil:
    return min(<int64_t>REST, rc_load(&s.words.staleness) // 4)


cdef int before_wait(State *s, int64_t now, int64_t *until) noexcept nogil:
    """Send what is due, and bring forward the end of the wait. Gives what ends the loop, or 0."""
    cdef int got
    if not s.asked and now >= s.due:
        got = send_ping(s, now)
        if got < 0:
            return CLOSED
        if got == 0:
            s.due = now + 1_000_000     # somebody else is sending
            if s.lost_at == 0:
                s.lost_at = now + s.timeout
            if now > s.lost_at + s.timeout:
                return SILENT
    if s.asked and now >= s.lost_at:
        return SILENT
    if s.wake_at and now >= s.wake_at:
        s.wake_at = 0
        wake(s)
    until[0] = min(until[0], s.lost_at) if s.asked else min(until[0], s.due)
    if s.wake_at:
        until[0] = min(until[0], s.wake_at)
    return 0


cdef int after_wait(State *s, short heard, short woken, short answered) noexcept nogil:
    """Do what there is to do, by what is readable now. Gives what ends the loop, or 0."""
    cdef int got
    cdef char dots[64]
    if rc_load(&s.stop):
        return STOPPED
    s.erred = False
    if rc_read_pointer(&s.answers) != NULL:
        use_answers(s)
        answered = 0
    if heard:
        if hear(s) < 0:
            return CLOSED
        if send_round(s) < 0:
            lose_data(s, LOST)
    if answered and s.using != NULL:
        got = hear_data(s)
        if got > 0:
            got = send_round(s)
        if got < 0:
            lose_data(s, got)
    if woken:
        if recv(s.own, dots, sizeof(dots), MSG_DONTWAIT) == 0:
            return STOPPED
    if applied(s) or s.erred:
        s.due = rc_clock(0) + rest(s)
    return <int>s.ended


cdef void finish(State *s, int ended) noexcept nogil:
    rc_end(s.words, s.node, s.number)       # nothing is heard any more
    rc_store(&s.ended, ended)
    rc_swap(&s.signalled, 0)
    wake(s)
    drop_answers(s.using)
    s.using = NULL
    close(s.fd)
    close(s.own)
    let_go(s)


cdef bint take_over(Crew *c) noexcept nogil:
    """Take over the loops that have come. False where there is no memory for them: they are tried again."""
    cdef State *s
    cdef State *after
    cdef void *more
    cdef int wanted = c.n
    s = <State *>rc_give(&c.came, NULL)
    after = s
    while after != NULL:
        wanted += 1
        after = after.next
    if wanted > c.room:
        more = realloc(c.states, (wanted + 8) * sizeof(State *))
        if more != NULL:
            c.states = <State **>more
            more = realloc(c.on, (1 + 3 * (wanted + 8)) * sizeof(pollfd))
        if more == NULL:
            while s != NULL:
                after = s.next
                rc_push(&c.came, s)
                s = after
            return False
        c.on = <pollfd *>more
        c.room = wanted + 8
    while s != NULL:
        c.states[c.n] = s
        c.n += 1
        s = s.next
    return True


cdef bint over(Crew *c, int k, int ended) noexcept nogil:
    """This loop has ended. Whether it was the last one: then another thread may serve the hub already."""
    cdef State *s = c.states[k]
    c.n -= 1
    c.states[k] = c.states[c.n]
    finish(s, ended)
    return rc_moved(&c.count, -1) == 1


cdef int watch(Crew *c, State *s, int n) noexcept nogil:
    """Add the descriptors of this loop to those that are waited for."""
    s.first = n
    s.with_data = s.using != NULL
    c.on[n].fd, c.on[n].events, c.on[n].revents = s.fd, POLLIN, 0
    c.on[n + 1].fd, c.on[n + 1].events, c.on[n + 1].revents = s.own, POLLIN, 0
    if not s.with_data:
        return n + 2
    c.on[n + 2].fd, c.on[n + 2].events, c.on[n + 2].revents = s.using.fd, POLLIN, 0
    return n + 3


cdef bint turn(Crew *c) noexcept nogil:
    """Wait for something to do, and do it. Whether there is anything to do after that."""
    cdef int64_t now = rc_clock(0)
    cdef int64_t until = now + 60 * <int64_t>1_000_000_000
    cdef State *s
    cdef int k, ended, n = 1
    cdef short answered
    cdef char dots[64]
    if not take_over(c):
        until = now + 1_000_000
    for k in range(c.n - 1, -1, -1):
        ended = before_wait(c.states[k], now, &until)
        if ended and over(c, k, ended):
            return False
    c.on[0].fd, c.on[0].events, c.on[0].revents = c.own, POLLIN, 0
    for k in range(c.n):
        n = watch(c, c.states[k], n)
    if poll(c.on, n, <int>max(<int64_t>0, (until - now + 999_999) // 1_000_000)) < 0:
        for k in range(n):
            c.on[k].revents = 0
        if errno != EINTR:
            rc_rest(1_000_000)
    if c.on[0].revents:
        recv(c.own, dots, sizeof(dots), MSG_DONTWAIT)
    for k in range(c.n - 1, -1, -1):
        s = c.states[k]
        n = s.first
        answered = c.on[n + 2].revents if s.with_data else <short>0
        ended = after_wait(s, c.on[n].revents, c.on[n + 1].revents, answered)
        if ended and over(c, k, ended):
            return False
    return True


cdef void run(void *about) noexcept nogil:
    """The thread."""
    cdef Crew *c = <Crew *>about
    if c.on == NULL:
        c.on = <pollfd *>malloc(25 * sizeof(pollfd))
        while c.on == NULL:
            rc_rest(1_000_000)
            c.on = <pollfd *>malloc(25 * sizeof(pollfd))
    while turn(c):
        pass
    leave_crew(c)


cdef void leave_crew(Crew *c) noexcept nogil:
    if rc_moved(&c.refs, -1) != 1:
        return
    close(c.own)
    close(c.its)
    free(c.states)
    free(c.on)
    free(c)


cdef void let_go(State *s) noexcept nogil:
    if rc_moved(&s.refs, -1) != 1:
        return
    drop_answers(<Answers *>s.answers)
    rc_words_free(s.words)
    free(s.heard.text)
    free(s.data.text)
    free(s.keys)
    free(s.notes)
    free(s.channel)
    free(s)


cdef class Hub:
    """The thread of loops: it begins with the first one, and ends with the last one."""

    cdef Crew *crew
    cdef int pid

    def __cinit__(self):
        cdef int ends[2]
        cdef Crew *c
        if rc_pair(ends):
            raise OSError(errno, "a listener needs two descriptors more")
        c = <Crew *>calloc(1, sizeof(Crew))
        if c == NULL:
            close(ends[0])
            close(ends[1])
            raise MemoryError
        c.refs = 1
        c.own, c.its = ends[0], ends[1]
        self.crew = c
        self.pid = getpid()

    def __dealloc__(self):
        cdef Crew *c = self.crew
        if c == NULL:
            return
        if self.pid != getpid() and rc_load(&c.refs) > 1:   # the thread is in the parent
            close(c.own)
            close(c.its)
            return
        leave_crew(c)

    cdef int take(self, State *s) except -1:
        """Serve this loop too. Called with the lock of Python, or by one thread at a time."""
        cdef Crew *c = self.crew
        cdef int64_t before = rc_moved(&c.count, 1)
        s.next = NULL
        rc_push(&c.came, s)
        if before:
            send(c.its, b".", 1, RC_SEND)
            return 0
        rc_moved(&c.refs, 1)
        if rc_thread(run, c):
            rc_moved(&c.refs, -1)
            rc_moved(&c.count, -1)
            rc_give(&c.came, NULL)
            raise RuntimeError("no thread can be started to listen")
        return 0

    def __len__(self):
        """How many loops it serves."""
        return rc_load(&self.crew.count)


cdef class Loop:
    """Hears on the connection ``fd``, which has been subscribed, and publishes under ``number`` (``Words.enlist``).

    ``timeout``: seconds that a PING may be without an answer, where twice the staleness is less. ``proves=False``:
    words move and what is wrong ends the proof, but who takes the notes decides what is proven, and publishes it.
    ``channel``: where rounds of settling are asked for. Then nothing is proven before ``answer`` was called. ``node``:
    which of the servers behind one connection this is. ``hub``: whose thread it shares; without one it gets its own.
    """

    cdef State *state
    cdef int out            # a descriptor to send by
    cdef bint running
    cdef int pid
    cdef Hub hub

    def __cinit__(self, Words words not None, int number, int fd, double timeout, bint proves=True, bytes channel=b"",
                  int node=0, Hub hub=None):
        cdef int ends[2]
        cdef State *s = <State *>calloc(1, sizeof(State))
        self.out = -1
        if s == NULL:
            raise MemoryError
        self.state = s
        s.refs = 1
        s.fd = s.own = s.its = -1
        s.words = words.words
        rc_words_keep(s.words)
        s.number = number
        s.node = node
        s.proves = proves
        s.timeout = <int64_t>(timeout * 1e9)
        s.keys = <uint64_t *>malloc(KEYS * sizeof(uint64_t))
        s.notes = <char *>malloc(NOTES)
        s.channel_n = len(channel)
        s.channel = <char *>malloc(s.channel_n + 1)
        if s.keys == NULL or s.notes == NULL or s.channel == NULL:
            raise MemoryError
        memcpy(s.channel, <char *>channel, s.channel_n)
        if rc_pair(ends):
            raise OSError(errno, "a listener needs two descriptors more")
        s.own, s.its = ends[0], ends[1]
        s.fd = rc_duplicate(fd)
        self.out = rc_duplicate(fd)
        if s.fd < 0 or self.out < 0:
            raise OSError(errno, "a listener needs two descriptors more")
        self.hub = Hub() if hub is None else hub
        s.refs = 2
        try:
            self.hub.take(s)
        except RuntimeError:
            s.refs = 1
            raise
        self.running = True
        self.pid = getpid()

    def __dealloc__(self):
        cdef State *s = self.state
        if s == NULL:
            return
        if not self.running:
            for fd in (s.fd, s.own):
                if fd >= 0:
                    close(fd)
        self.close()
        let_go(s)

    def wait(self, double seconds):
        """What came since the last look, after waiting at most ``seconds``: calls for the hearer, and why it ended.

        The calls are tuples of a word and its arguments. The reason is None while the loop runs.
        """
        cdef State *s = self.state
        cdef pollfd on
        cdef char dots[64]
        cdef int64_t flags, at, end, ended
        cdef int ms = <int>(seconds * 1000)
        if s.its < 0:
            return [], "stopped"
        on.fd, on.events, on.revents = s.its, POLLIN, 0
        with nogil:
            if poll(&on, 1, ms) > 0:
                recv(s.its, dots, sizeof(dots), MSG_DONTWAIT)
        rc_store(&s.signalled, 0)
        ended = rc_load(&s.ended)
        flags = rc_swap(&s.flags, 0)
        told = []
        if flags & FLUSHED:
            told.append(("flushed",))
        at, end = s.keys_out, rc_load(&s.keys_in)
        if at != end:
            told.append(("announced", [s.keys[k & (KEYS - 1)] for k in range(at, end)]))
            rc_store(&s.keys_out, end)
        self.take_notes(told)
        if flags & MISSED:
            told.append(("missed",))
        if flags & PROVED and not ended:
            told.append(("proved", (rc_load(&s.proven), rc_load(&s.proven_wall))))
        return told, REASONS[ended]

    cdef int take_notes(self, list told) except -1:
        cdef State *s = self.state
        cdef uint32_t sizes[3]
        cdef char what
        cdef int64_t at = s.notes_out, end = rc_load(&s.notes_in)
        cdef bytes text
        while at < end:
            copy_out(s, at, &what, 1)
            copy_out(s, at + 1, <char *>sizes, sizeof(sizes))
            at += 1 + sizeof(sizes)
            parts = []
            for k in range(3):
                text = bytes(sizes[k])
                copy_out(s, at, text, sizes[k])
                parts.append(text)
                at += sizes[k]
            rc_store(&s.notes_out, at)
            if what == b'c':
                told.append(("confirmed",))
            elif what == b'u':
                told.append(("unsure",))
            elif what == b'd':
                told.append(("unanswered",))
            elif what == b'b':
                told.append(("broken",))
            elif what == b'l':
                told.append(("lapsed",))
            else:
                if what == b'n':
                    parts[2] = int(parts[2])
                told.append(("published", parts))
        return 0

    def send(self, bytes data not None, double seconds):
        """Send a command; whole, between the loop's own. TimeoutError after so many seconds."""
        cdef State *s = self.state
        cdef const char *text = data
        cdef size_t n = len(data), done = 0
        cdef ssize_t sent
        cdef pollfd on
        cdef int failed = 0
        cdef int64_t until = rc_clock(0) + <int64_t>(seconds * 1e9)
        with nogil:
            while rc_swap(&s.sending, 1):
                if rc_clock(0) > until:
                    failed = 1
                    break
                rc_rest(200_000)
            if not failed:
                while done < n:
                    sent = send(self.out, text + done, n - done, RC_SEND) if self.out >= 0 else -1
                    if sent >= 0:
                        done += <size_t>sent
                    elif self.out < 0 or (errno != EAGAIN and errno != EINTR):
                        failed = 2
                        break
                    elif rc_clock(0) > until:
                        failed = 1
                        break
                    else:
                        on.fd, on.events, on.revents = self.out, POLLOUT, 0
                        poll(&on, 1, 20)
                rc_store(&s.sending, 0)
        if failed == 1:
            raise TimeoutError("timed out")
        if failed:
            raise ConnectionError("the listener's connection is closed")

    def answer(self, int fd, bytes head, bytes start, bytes there, bint anew=False):
        """Answer rounds of settling over the connection ``fd``, which the loop duplicates; instead of the one before.

        A message on the channel of rounds is the number of one. The answer is ``head``, a command up to its last
        argument, and this argument: ``start`` and the highest number that was read. ``there`` is a whole command that
        goes with each PING. The reply to both has to be 0; any other ends the proof ("unsure", then "unanswered").
        Where the connection breaks ("broken"), or the proof before has run out when the next one comes ("lapsed"),
        nothing is proven before the next call. ``anew``: what was heard before this call proves nothing.
        """
        cdef State *s = self.state
        cdef size_t n = len(head) + len(start) + len(there)
        cdef Answers *new
        cdef char *at
        cdef int own = rc_duplicate(fd)
        if own < 0:
            raise OSError(errno, "a listener needs one descriptor more")
        new = <Answers *>calloc(1, sizeof(Answers) + n)
        if new == NULL:
            close(own)
            raise MemoryError
        new.fd = own
        new.anew = anew
        at = new.text
        for text in (head, start, there):
            memcpy(at, <char *><bytes>text, len(<bytes>text))
            at += len(<bytes>text)
        new.head_n, new.start_n, new.there_n = len(head), len(start), len(there)
        new.head = new.text
        new.start = new.head + new.head_n
        new.there = new.start + new.start_n
        drop_answers(<Answers *>rc_give(&s.answers, new))
        if s.its >= 0:
            send(s.its, b".", 1, RC_SEND)

    def fileno(self):
        """Readable when ``wait`` has something to tell."""
        return self.state.its

    def stop(self):
        """Let the loop end with what it does next; ``wait`` tells so."""
        cdef State *s = self.state
        rc_store(&s.stop, 1)
        if s.its >= 0:
            send(s.its, b".", 1, RC_SEND)

    def close(self):
        """Let the loop end, without waiting for it; in the child of a fork, where no loop is, close the copies."""
        cdef State *s = self.state
        cdef int64_t tries = 0
        if self.running and self.pid != getpid():
            self.abandon()
            return
        rc_store(&s.stop, 1)
        if s.its >= 0:
            close(s.its)    # the loop finds the end of it
            s.its = -1
        while rc_swap(&s.sending, 1) and tries < 100:
            rc_rest(1_000_000)
            tries += 1
        if self.out >= 0:
            close(self.out)
            self.out = -1
        rc_store(&s.sending, 0)

    cdef void abandon(self) noexcept:
        cdef State *s = self.state
        self.running = False
        rc_store(&s.sending, 0)
        self.close()
        if rc_load(&s.ended) == 0:      # else the thread had closed them, and let go
            drop_answers(s.using)
            s.using = NULL
            close(s.fd)
            close(s.own)
            let_go(s)
        s.fd = s.own = -1


cdef tuple REASONS = (None, "stopped", "closed", "silent", "strange")
