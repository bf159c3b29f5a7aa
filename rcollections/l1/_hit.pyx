# cython: language_level=3, freethreading_compatible=True
# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: binding=False, embedsignature=True
"""The decorated hit, compiled: one call from the caller to the value. ``hit.py`` explains the hit.

The vectorcall protocol (PEP 590) hands over the arguments as they lie on the caller's stack: no tuple, no dict.
Cython does not know this protocol, so ``set_slots`` sets the slots of the types by hand.
"""

from libc.stdint cimport int64_t, uint64_t

from ._store cimport PyObject, rc_add, rc_lock, rc_mutex, rc_now, rc_read, rc_unlock, rc_write
from ._tier cimport (
    Tier, counts_still, mix_call, rc_is_class, rc_kind, rc_mix_one, rc_wall, seek_call, seek_one, served,
)


from .calls import ABSENT as _ABSENT
from .calls import bypassed as _bypassed
from .calls import call_arguments as _call_arguments
from .calls import number as _number
from .calls import soon_of as _soon_of
from .packed import Packed as _Packed

cdef extern from "Python.h":
    """
    #if PY_VERSION_HEX < 0x030c0000 && !defined(Py_TPFLAGS_HAVE_VECTORCALL)
    #define Py_TPFLAGS_HAVE_VECTORCALL _Py_TPFLAGS_HAVE_VECTORCALL
    #endif
    static inline void rc_flag(PyObject *type) {
        ((PyTypeObject *)type)->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR;
        PyType_Modified((PyTypeObject *)type);
    }
    static inline void rc_offset(PyObject *type, Py_ssize_t offset) {
        ((PyTypeObject *)type)->tp_vectorcall_offset = offset;
    }
    static inline PyObject *rc_type_of(PyObject *o) { return (PyObject *)Py_TYPE(o); }
    static inline PyObject *rc_raised(void) { return NULL; }     /* the exception that is set */
    /* After an exception of calling a method: whether there is none, or None; then the exception is forgotten. */
    static int rc_lacks(PyObject *o, PyObject *name) {
        PyObject *kind, *error, *trace, *method;
        int lacks;
        if (!PyErr_ExceptionMatches(PyExc_TypeError) && !PyErr_ExceptionMatches(PyExc_AttributeError)) return 0;
        PyErr_Fetch(&kind, &error, &trace);
        method = PyObject_GetAttr(o, name);
        lacks = method == Py_None || (method == NULL && PyErr_ExceptionMatches(PyExc_AttributeError));
        PyErr_Clear();
        Py_XDECREF(method);
        if (!lacks) {
            PyErr_Restore(kind, error, trace);
            return 0;
        }
        Py_DECREF(kind);
        Py_XDECREF(error);
        Py_XDECREF(trace);
        return 1;
    }
    """
    void rc_flag(object) noexcept
    void rc_offset(object, Py_ssize_t) noexcept
    Py_ssize_t PyVectorcall_NARGS(size_t) noexcept
    object PyObject_Vectorcall(object, PyObject **, size_t, PyObject *)
    Py_ssize_t PyTuple_GET_SIZE(PyObject *) noexcept
    PyObject *rc_type_of(PyObject *) noexcept
    bint rc_lacks(PyObject *, object) noexcept
    object rc_raised()
    PyObject *PyObject_VectorcallMethod(object, PyObject **, size_t, PyObject *) noexcept
    void Py_DECREF(PyObject *) noexcept

cdef enum:
    PLAIN = 0
    SKIP = 1
    TOLD = 2
    READS = 1
    MOST = 12       # arguments that are looked up without a tuple, with the instance or its identity before them

# Every call of any thread reads these numbers, without a lock.
cdef int64_t generation = 0
cdef int64_t watched = False
cdef int64_t bypasses = 0
cdef object ABSENT = _ABSENT
cdef object PACKED = _Packed
cdef object BYPASSED = _bypassed
cdef str HOOK = "__cache_key__"
cdef object READS_OBJECT = READS


def renew():
    """Connections were configured: from now on no owner is armed."""
    rc_add(&generation, 1)


def watch(bint on):
    """Whether an observer wants every operation: then every call goes the long way, which tells the observers."""
    rc_write(&watched, on)


def bypass(int by):
    """One ``no_l1()`` block was opened (1) or closed (-1)."""
    rc_add(&bypasses, by)


cdef inline bint passed_by():
    """Whether this thread or task is in a ``no_l1()`` block."""
    return rc_read(&bypasses) != 0 and BYPASSED.get()


cdef class Owner:
    """One function, as the tier knows it."""

    cdef readonly object number
    cdef readonly object by_key     # the owner of values that are held under their key on the server
    cdef uint64_t id
    cdef public bint asynchronous
    cdef readonly object soon       # makes a held result awaitable
    cdef public int64_t hits
    cdef rc_mutex mutex             # for the next three attributes, which change together
    cdef Tier armed
    cdef int mode
    cdef int64_t generation

    def __init__(self, asynchronous=False, name=""):
        self.number = _number()
        self.by_key = self.number + 1
        self.id = self.number
        self.asynchronous = asynchronous
        self.soon = _soon_of(name)

    def arm(self, Tier tier, int mode):
        """From now on calls are looked up in this tier; None: in no tier."""
        cdef Tier old
        rc_lock(&self.mutex)
        old = self.armed        # freed after unlocking: this may be the last reference to the old tier
        self.armed = tier
        self.mode = mode
        self.generation = rc_read(&generation)
        rc_unlock(&self.mutex)

    @property
    def tier(self):
        """The tier to look into now, or None."""
        cdef int mode
        return armed(self, &mode)

    def arguments(self, tuple args not None, dict kwargs not None):
        """The arguments that the result of this call is held under, or None."""
        cdef int mode
        rc_lock(&self.mutex)
        mode = self.mode
        rc_unlock(&self.mutex)
        return _call_arguments(mode, args, kwargs)


cdef inline Tier armed(Owner owner, int *mode):
    """The tier to look into now, or None."""
    cdef Tier tier = None
    rc_lock(&owner.mutex)
    if owner.generation == rc_read(&generation):
        tier = owner.armed
        mode[0] = owner.mode
    rc_unlock(&owner.mutex)
    return None if tier is None or passed_by() else tier


cdef inline object taken(Tier tier, int64_t i, int64_t now, int64_t wall):
    """The end of a look-up: the value, or ABSENT. Called locked."""
    if i >= 0 and not served(tier, <unsigned int>i, now, wall):
        tier.misses += 1
        rc_unlock(&tier.mutex)
        return ABSENT
    if i < 0 or not counts_still(tier, <unsigned int>i, now):
        tier.gone(i, now)
        return ABSENT
    value = <object>tier.entries[i].value
    rc_unlock(&tier.mutex)
    return value.open() if type(value) is PACKED else value


cdef inline int64_t instant(Tier tier, int64_t *wall) except? -1:
    """The instant of a look-up, on both clocks."""
    if tier.foreign_clock or tier.foreign_wall:
        wall[0] = tier.wall_now()
        return tier.clock_now()
    wall[0] = rc_wall()
    return rc_now()


cdef object look_up(Owner owner, Tier tier, PyObject **args, Py_ssize_t n, PyObject *names, Py_ssize_t named,
                    Py_ssize_t classes):
    """The value that is held for ``n`` arguments, the last ``named`` of them given by name, or ABSENT.

    The first ``classes`` arguments may be classes. A call whose arguments are not compared here is not counted.
    """
    cdef uint64_t h
    cdef int kind
    cdef int64_t now, i, wall = 0
    cdef bint alone = n == 1 and names == NULL
    if alone:
        kind = rc_kind(args[0])
        if kind == 0 or kind >= 7:
            return ABSENT
        h = rc_mix_one(owner.id, args[0], kind)
    else:
        h = mix_call(owner.id, args, n, names, named, classes)
        if h == 0:
            return ABSENT
    now = instant(tier, &wall)
    rc_lock(&tier.mutex)
    if alone:
        i = seek_one(tier, h, args[0])
    else:
        i = seek_call(tier, h, <PyObject *>owner.number, args, n, names, named)
    return taken(tier, i, now, wall)


cdef object look_up_told(Owner owner, Tier tier, PyObject **args, Py_ssize_t n, PyObject *names, Py_ssize_t named):
    """``look_up`` for a method: the instance tells its identity by ``__cache_key__``; a class is its own identity."""
    cdef PyObject *given[MOST + 2]
    cdef Py_ssize_t k
    cdef PyObject *told
    cdef object own
    if rc_is_class(args[0]):
        own = <object>args[0]
    else:
        if getattr(<object>rc_type_of(args[0]), HOOK, None) is None:
            return ABSENT
        told = PyObject_VectorcallMethod(HOOK, args, 1, NULL)
        if told == NULL:    # None is no hook, nor is that of a metaclass
            return ABSENT if rc_lacks(args[0], HOOK) else rc_raised()
        own = <object>told
        Py_DECREF(told)
        if rc_is_class(told):
            return ABSENT
    given[0] = rc_type_of(args[0])
    given[1] = <PyObject *>own
    for k in range(1, n):
        given[k + 1] = args[k]
    return look_up(owner, tier, given, n + 1, names, named, 2)


cdef class Hit:
    """A callable that looks into the tier before it calls ``_call``."""

    cdef void *quick
    cdef public Owner _owner    # ``_owner`` and ``first`` are set before another thread sees the object, and stay
    cdef object first           # the instance of a bound method, else ABSENT

    def __cinit__(self, *args, **kwargs):
        self.quick = <void *>called
        self.first = ABSENT

    def _set_first(self, first):
        """The instance of a bound method; ``_bound`` of the face holds it too, for the twin in Python."""
        self.first = first

    def __call__(self, *args, **kwargs):
        cdef PyObject *given[MOST]
        cdef Py_ssize_t k, n = len(args)
        if kwargs or n > MOST:
            return found_or_called(self, args, kwargs)
        for k in range(n):
            given[k] = <PyObject *>args[k]
        return called(self, given, <size_t>n, NULL)


cdef object found_or_called(Hit self, tuple args, dict kwargs):
    """The way of a call that comes without vectorcall, or with too many arguments."""
    cdef Owner owner = self._owner
    cdef Tier tier
    cdef int mode
    if owner is not None and not rc_read(&watched):
        tier = armed(owner, &mode)
        if tier is not None:
            held = _call_arguments(mode, args if self.first is ABSENT else (self.first, *args), kwargs)
            if held is not None:
                value = tier.held(owner.number, held, ABSENT)
                if value is not ABSENT:
                    rc_add(&owner.hits, 1)
                    return owner.soon(value) if owner.asynchronous else value
    return self._call(*args, **kwargs)


cdef object called_with_many(Hit self, PyObject **args, Py_ssize_t n, PyObject *names, Py_ssize_t named):
    cdef Py_ssize_t k
    positional = []
    kwargs = {}
    for k in range(n - named):
        positional.append(<object>args[k])
    for k in range(named):
        kwargs[(<tuple>names)[k]] = <object>args[n - named + k]
    return found_or_called(self, tuple(positional), kwargs)


cdef object called(object me, PyObject **args, size_t flagged, PyObject *names):
    cdef Hit self = <Hit>me
    cdef Owner owner = self._owner
    cdef Tier tier
    cdef PyObject *given[MOST]
    cdef PyObject **all_args = args
    cdef Py_ssize_t n, named = 0, k
    cdef int mode
    cdef bint current
    cdef object value
    if owner is not None:
        rc_lock(&owner.mutex)   # does what ``armed`` does, without one more reference to hand on
        tier = owner.armed
        mode = owner.mode
        current = owner.generation == rc_read(&generation)
        rc_unlock(&owner.mutex)
        if tier is not None and current and not rc_read(&watched) and (
                rc_read(&bypasses) == 0 or not BYPASSED.get()):
            if names != NULL:
                named = PyTuple_GET_SIZE(names)
                if named == 0:
                    names = NULL
            n = PyVectorcall_NARGS(flagged) + named
            if n >= MOST and (self.first is not ABSENT or mode == TOLD):
                return called_with_many(self, args, n, names, named)
            if self.first is not ABSENT:
                given[0] = <PyObject *>self.first
                for k in range(n):
                    given[k + 1] = args[k]
                all_args = given
                n += 1
            if mode == PLAIN:
                value = look_up(owner, tier, all_args, n, names, named, 0)
            elif n - named < 1:
                value = ABSENT
            elif mode == SKIP:
                value = look_up(owner, tier, all_args + 1, n - 1, names, named, 0)
            else:
                value = look_up_told(owner, tier, all_args, n, names, named)
            if value is not ABSENT:
                rc_add(&owner.hits, 1)
                return owner.soon(value) if owner.asynchronous else value
    return handed_on(self, args, flagged, names)


cdef inline object handed_on(Hit self, PyObject **args, size_t flagged, PyObject *names):
    return PyObject_Vectorcall(self._call, args, flagged, names)


def enable(cls):
    """Make calls of this class's objects quick. The class must not define ``__call__``.

    Its objects are method descriptors too: ``obj.method(x)`` is then a call with ``obj`` as first argument, and
    Python makes no bound method.
    """
    if not issubclass(cls, Hit) or "__call__" in cls.__dict__:
        raise TypeError(f"{cls.__name__} has a __call__ of its own")
    rc_flag(cls)


cdef class Near:
    """Reads of one key's collection, as the tier holds them."""

    cdef readonly Tier tier
    cdef str key
    cdef int64_t generation

    def __init__(self, Tier tier not None, str key not None):
        self.tier = tier
        self.key = key
        self.generation = rc_read(&generation)

    @property
    def usable(self):
        """Whether a read may look into the tier at all."""
        return self.generation == rc_read(&generation) and not passed_by()

    def part(self, str name not None, part):
        """The value that is held for a field or member under this name, or ABSENT."""
        cdef PyObject *given[3]
        cdef int64_t now, i, wall = 0
        cdef uint64_t h
        cdef Tier tier = self.tier
        if rc_read(&watched) or self.generation != rc_read(&generation) or passed_by():
            return ABSENT
        if type(part) is not str and type(part) is not int:
            return ABSENT
        now = instant(tier, &wall)
        given[0] = <PyObject *>self.key
        given[1] = <PyObject *>name
        given[2] = <PyObject *>part
        h = mix_call(READS, given, 3, NULL, 0, 0)
        rc_lock(&tier.mutex)
        i = seek_call(tier, h, <PyObject *>READS_OBJECT, given, 3, NULL, 0)
        return taken(tier, i, now, wall)

    def reply(self, tuple words not None):
        """The reply that is held for this step, or ABSENT."""
        return self.tier.held(READS, words, ABSENT)


cdef void set_slots():
    cdef Hit hit = Hit.__new__(Hit)
    rc_offset(Hit, <char *>&hit.quick - <char *><PyObject *>hit)


set_slots()
