# cython: language_level=3, freethreading_compatible=True
# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: binding=False, embedsignature=True
"""The quick try of a link, compiled: one ``send``, one ``recv``, and the replies of the usual types.

Both calls are made without the GIL on a blocking socket, whose timeout the kernel knows. A signal that interrupts a
call runs its handlers at once, and the wait goes on for the time that is left. Whatever is not usual is left to Python:
a part of a reply, an error, a type of RESP3, a message that was pushed, more bytes than were asked for. Then all bytes
that came go to the reader of hiredis, and the link goes on there. So this parser never has to stop in the middle.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EINTR, ETIMEDOUT, errno
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, strerror

from .failures import Broken, Late, is_silence
from .links.marks import GONE as _GONE
from .links.marks import INCOMPLETE as _INCOMPLETE

cdef object GONE = _GONE
cdef object INCOMPLETE = _INCOMPLETE

cdef extern from *:
    """
    #include <poll.h>
    #include <sys/socket.h>
    #include <sys/time.h>
    #include <time.h>

    #ifdef MSG_NOSIGNAL
    #define RC_QUIETLY MSG_NOSIGNAL
    #else
    #define RC_QUIETLY 0
    #endif

    static double rc_now(void) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    }

    /* The kernel's own timeout, of a blocking socket. */
    static int rc_bound(int fd, double seconds) {
        struct timeval t;
        t.tv_sec = (time_t)seconds;
        t.tv_usec = (suseconds_t)((seconds - (double)t.tv_sec) * 1e6);
        if (t.tv_sec == 0 && t.tv_usec == 0) t.tv_usec = 1;
    #ifdef SO_NOSIGPIPE
        int on = 1;
        setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
    #endif
        return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
    }

    /* Whether the socket is ready within that time: 1, 0, or -1 for an error. Never later than the time. */
    static int rc_ready(int fd, short what, double seconds) {
        struct pollfd p;
        p.fd = fd;
        p.events = what;
        p.revents = 0;
        if (seconds > 1e6) seconds = 1e6;
        return poll(&p, 1, (int)(seconds * 1e3));
    }
    """
    ssize_t recv(int, void *, size_t, int) noexcept nogil
    ssize_t send(int, const void *, size_t, int) noexcept nogil
    double rc_now() noexcept nogil
    int rc_bound(int, double) noexcept nogil
    int rc_ready(int, short, double) noexcept nogil
    const int POLLIN, POLLOUT, MSG_PEEK, MSG_DONTWAIT, RC_QUIETLY

cdef enum:
    ROOM = 65536  # bytes that are read at once
    DEEPEST = 7   # lists in one another


cdef class Line:
    """A connected socket that blocks, with the kernel's timeout. ``feed`` takes the bytes that are left to hiredis."""

    cdef int _fd
    cdef double _timeout
    cdef char *_room
    cdef object _feed
    cdef public bint odd  # whether the reader of hiredis holds bytes, so that all others go there too
    cdef public Py_ssize_t came  # bytes that the last try has left to hiredis

    def __cinit__(self, int fd, double timeout, object feed):
        self._fd = fd
        self._timeout = timeout
        self._feed = feed
        self.odd = False
        self.came = 0
        self._room = <char *>malloc(ROOM)
        if self._room == NULL:
            raise MemoryError
        if rc_bound(fd, timeout):
            raise OSError(errno, strerror(errno).decode("utf-8", "replace"))

    def __dealloc__(self):
        free(self._room)

    def shut(self):
        """The socket is closed: its number may be another's."""
        self._fd = -1

    def quiet(self):
        """Whether no byte has come, and the connection has not ended."""
        return is_quiet(self._fd)

    def ask(self, bytes data, int count, double wait, double timeout, bint look):
        """The quick try: see ``Link.ask``."""
        cdef const char *words = PyBytes_AS_STRING(data)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef Py_ssize_t sent, came = -1
        cdef int failed, fd = self._fd
        cdef bint whole = wait >= self._timeout
        cdef double until = rc_now() + wait
        if look and (self.odd or not is_quiet(fd)):
            return GONE
        self.came = 0
        with nogil:
            sent = send(fd, words, size, RC_QUIETLY)
            failed = errno
            if sent == size and whole:
                came = recv(fd, self._room, ROOM, 0)
                failed = errno
        if sent != size:
            self._send_rest(words, size, sent, failed, until, is_silence(wait, timeout))
        if came < 0:
            if sent == size and whole and failed != EINTR:
                return self._missed(failed)
            came = self._wait(until)
            if came < 0:
                return INCOMPLETE
        if came == 0:
            raise Broken("Connection closed by server.")
        return self._read(came, count)

    def put(self, bytes data, double wait, double timeout):
        """Send few bytes, whose replies ``get`` reads: see ``Link.put``."""
        cdef const char *words = PyBytes_AS_STRING(data)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef Py_ssize_t sent
        cdef int failed, fd = self._fd
        with nogil:
            sent = send(fd, words, size, RC_QUIETLY)
            failed = errno
        if sent != size:
            self._send_rest(words, size, sent, failed, rc_now() + wait, is_silence(wait, timeout))

    def get(self, int count, double wait):
        """Read once what ``put`` has asked for: see ``Link.get``."""
        cdef Py_ssize_t came = -1
        cdef int failed, fd = self._fd
        self.came = 0
        if wait >= self._timeout:
            with nogil:
                came = recv(fd, self._room, ROOM, 0)
                failed = errno
            if came < 0 and failed != EINTR:
                return self._missed(failed)
        if came < 0:
            came = self._wait(rc_now() + wait)
            if came < 0:
                return INCOMPLETE
        if came == 0:
            raise Broken("Connection closed by server.")
        return self._read(came, count)

    cdef object _missed(self, int failed):
        """What follows from an error of ``recv``: in time nothing came, or the connection is lost."""
        if is_later(failed) or failed == ETIMEDOUT:
            return INCOMPLETE
        raise OSError(failed, strerror(failed).decode("utf-8", "replace"))

    cdef int _send_rest(
        self, const char *words, Py_ssize_t size, Py_ssize_t sent, int failed, double until, bint silent
    ) except -1:
        """Send on, where not all bytes were taken at once."""
        cdef Py_ssize_t done = 0
        cdef double left
        cdef int fd = self._fd
        while True:
            if sent > 0:
                done += sent
                if done == size:
                    return 0
            elif sent < 0 and failed != EINTR and not is_later(failed):
                raise OSError(failed, strerror(failed).decode("utf-8", "replace"))
            PyErr_CheckSignals()
            left = until - rc_now()
            if left <= 0:
                raise Late(silent)
            with nogil:
                sent = 0
                if rc_ready(fd, POLLOUT, left) > 0:
                    sent = send(fd, words + done, size - done, RC_QUIETLY | MSG_DONTWAIT)
                    failed = errno

    cdef Py_ssize_t _wait(self, double until) except -2:
        """Read once, by that instant; -1: nothing came, or less than a millisecond is left."""
        cdef Py_ssize_t came = -1
        cdef double left
        cdef int ready, failed, fd = self._fd
        while True:
            PyErr_CheckSignals()
            left = until - rc_now()
            if left <= 0:
                return -1
            with nogil:
                ready = rc_ready(fd, POLLIN, left)
                failed = errno
                if ready > 0:
                    came = recv(fd, self._room, ROOM, MSG_DONTWAIT)
                    failed = errno
            if came >= 0:
                return came
            if ready == 0:
                return -1
            if failed != EINTR and not is_later(failed):
                self._missed(failed)
                return -1

    cdef object _read(self, Py_ssize_t came, int count):
        """The reply, of several the list; INCOMPLETE, and all bytes are left to hiredis, where these are not usual."""
        cdef Py_ssize_t at = 0
        cdef int n
        cdef object reply
        cdef list replies
        if not self.odd:
            if count == 1:
                reply = self._reply(&at, came, 0)
                if at == came:
                    return reply
            else:
                replies = []
                for n in range(count):
                    replies.append(self._reply(&at, came, 0))
                    if at < 0:
                        break
                if at == came:
                    return replies
            self.odd = True
        self.came = came
        self._feed(self._room[:came])
        return INCOMPLETE

    cdef object _reply(self, Py_ssize_t *at, Py_ssize_t end, int depth):
        """The reply that begins there, and ``at`` behind it; -1 there for what is not whole, or not usual."""
        cdef char *room = self._room
        cdef Py_ssize_t here = at[0], n
        cdef char *line
        cdef char *stop
        cdef char kind
        cdef long long number
        cdef list items
        at[0] = -1
        if here < 0 or here >= end:
            return None
        kind = room[here]
        line = room + here + 1
        stop = <char *>memchr(line, 13, end - here - 1)
        if stop == NULL or stop + 1 >= room + end or stop[1] != 10:
            return None
        here = stop + 2 - room
        if kind == 43:  # +
            at[0] = here
            return PyBytes_FromStringAndSize(line, stop - line)
        if kind == 95:  # _
            if stop == line:
                at[0] = here
            return None
        if kind != 36 and kind != 58 and kind != 42:  # $ : *
            return None
        if not digits(line, stop, &number):
            return None
        if kind == 58:
            at[0] = here
            return number
        if number < 0:
            if number == -1:
                at[0] = here
            return None
        if kind == 36:
            if number > end - here - 2 or room[here + number] != 13 or room[here + number + 1] != 10:
                return None
            at[0] = here + number + 2
            return PyBytes_FromStringAndSize(room + here, number)
        if number > end - here or depth >= DEEPEST:
            return None
        items = []
        for n in range(number):
            items.append(self._reply(&here, end, depth + 1))
            if here < 0:
                return None
        at[0] = here
        return items


cdef inline bint is_quiet(int fd) noexcept nogil:
    cdef char c = 0
    return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 and errno == EAGAIN


cdef inline bint is_later(int failed) noexcept nogil:
    return failed == EAGAIN


cdef inline bint digits(char *line, char *stop, long long *number) noexcept nogil:
    """Whether this is a number of at most 18 digits, and which."""
    cdef bint minus = line < stop and line[0] == 45
    cdef long long found = 0
    if minus:
        line += 1
    if line == stop or stop - line > 18:
        return False
    while line < stop:
        if line[0] < 48 or line[0] > 57:
            return False
        found = found * 10 + (line[0] - 48)
        line += 1
    number[0] = -found if minus else found
    return True
