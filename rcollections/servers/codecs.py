"""``Codecs``: the codec of values for each serializer, under the limits of one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..values import Codec
from ..values.shared import SharedErrors

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..values.signing import Keyring
    from ..wire.dsn.dsn import Dsn

__all__ = ["Codecs"]


class Codecs:
    """Makes one codec per serializer; for a serializer that is not hashable, a new codec each time."""

    def __init__(self, dsn: Dsn, keyring: Callable[[], Keyring | None]) -> None:
        self._dsn = dsn
        self._keyring = keyring
        self._made: dict[tuple[object, bool], Codec] = {}

    def __call__(self, serializer: object, signed: bool = False) -> Codec:
        """The codec for a class with this ``serializer``, and with ``signed`` or without."""
        try:
            return self._made[serializer, signed]
        except KeyError:
            codec = self._made[serializer, signed] = self._make(serializer, signed)
            return codec
        except TypeError:  # an unhashable serializer object
            return self._make(serializer, signed)

    def _make(self, serializer: Any, signed: bool) -> Codec:
        dsn = self._dsn
        return Codec(
            serializer,
            compress_above=dsn.compress_above,
            max_value=dsn.max_value,
            keyring=self._keyring,
            signed=signed,
        )

    def shared(self, declared: tuple[type[Exception], ...] = ()) -> SharedErrors:
        """What carries exceptions to callers that wait in other processes; ``declared`` beside those registered."""
        return SharedErrors(self._keyring, declared)

    @property
    def has_key(self) -> bool:
        """Whether there is a signing key."""
        return self._keyring() is not None
