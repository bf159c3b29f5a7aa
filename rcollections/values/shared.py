"""``SharedErrors``: the exceptions that a failed computation leaves for callers that wait in other processes.

Only types that are declared travel: exception texts may hold secrets. Their arguments have to be plain, no pickle is
made. Where there is a signing key, the bytes are signed for the key and the token of the computation, and no others
are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DecodeError, EncodeError
from .classes import registered_errors
from .exceptions import dump_error, load_declared
from .interruptions import pass_on
from .packing import pack
from .signing import SHARED, place
from .unpacking import unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from .signing import Keyring

__all__ = ["SharedErrors"]


class SharedErrors:
    """Writes and reads them. ``declared`` are the types of one function, beside those that are registered."""

    def __init__(self, keyring: Callable[[], Keyring | None], declared: tuple[type[Exception], ...] = ()) -> None:
        self._keyring = keyring
        self._declared = declared

    def dump(self, error: BaseException, key: str, token: bytes) -> bytes | None:
        """The bytes; None of an exception whose type is not declared, or that would not come back as it is."""
        if not isinstance(error, (*self._declared, *registered_errors())):
            return None
        keys = self._keyring()

        def written(content: object, name: bytes) -> bytes:
            data = pack(content)
            return data if keys is None else keys.sign(data, place(key, name + token, SHARED))

        try:
            return dump_error(error, written)
        except EncodeError:
            return None

    def load(self, data: bytes, key: str, token: bytes) -> BaseException | None:
        """The exception; None, and nothing of it was run, if this process does not declare its type."""
        keys = self._keyring()

        def read(content: bytes, name: bytes) -> object:
            inner = content if keys is None else keys.verified(content, place(key, name + token, SHARED))
            if inner is None:
                raise DecodeError("a shared exception is not signed by any of our keys")
            try:
                return unpack(inner)
            except DecodeError:
                raise
            except Exception as error:
                pass_on(error)
                raise DecodeError("a shared exception cannot be read") from error

        return load_declared(data, read, (*self._declared, *registered_errors()))
