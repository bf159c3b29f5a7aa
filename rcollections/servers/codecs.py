"""``Codecs``: the codec of values for each serializer, under the limits of one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..values import Codec

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
        self._made: dict[object, Codec] = {}

    def __call__(self, serializer: object) -> Codec:
        """The codec for a class with this ``serializer``."""
        try:
            return self._made[serializer]
        except KeyError:
            codec = self._made[serializer] = self._make(serializer)
            return codec
        except TypeError:  # an unhashable serializer object
            return self._make(serializer)

    def _make(self, serializer: Any) -> Codec:
        dsn = self._dsn
        return Codec(serializer, compress_above=dsn.compress_above, max_value=dsn.max_value, keyring=self._keyring)
