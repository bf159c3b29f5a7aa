"""Values on the wire: exact, self-describing, and safe to read whatever program wrote the bytes.

``Codec`` for values, ``encode_field`` for fields and members (equal keys, equal bytes),
``encode_exact`` for arguments of functions, ``encode_raw`` for ``serialize=False``.
"""

from .classes import register
from .codec import Codec, encode_exact
from .fields import decode_field, encode_field
from .plain import ENTRY, decode_raw, encode_raw
from .serializers import Serializer

__all__ = [
    "ENTRY",
    "Codec",
    "Serializer",
    "decode_field",
    "decode_raw",
    "encode_exact",
    "encode_field",
    "encode_raw",
    "register",
]
