"""Compressed values: zstd where it is installed, else zlib, and bounds against bombs.

The size of the data is written in front. This size may not exceed ``LARGEST`` nor ``RATIO`` times the
compressed bytes, and the reader unpacks no byte beyond it. The writer keeps to the same bounds.
"""

from __future__ import annotations

import importlib
import sys
import zlib
from functools import cache
from typing import Any

from ..errors import DecodeError

__all__ = ["LARGEST", "RATIO", "compress", "decompress"]

LARGEST = 512 * 1024 * 1024
RATIO = 1100  # a little more than zlib can reach; data that zstd compresses better is left to zlib
LEVEL = 1
SIZE_BYTES = 4


def compress(data: bytes) -> bytes:
    """``data`` compressed and marked as such, or ``data`` itself where the compressed form is not shorter."""
    if len(data) > LARGEST:
        return data
    for kind, packed in _candidates(data):
        if len(data) <= RATIO * len(packed):
            made = b"\xc1" + kind + len(data).to_bytes(SIZE_BYTES, "big") + packed
            return made if len(made) < len(data) else data
    return data


def _candidates(data: bytes) -> Any:
    zstd = _zstd()
    if zstd is not None:
        yield b"Z", zstd.compress(data)
    yield b"z", zlib.compress(data, LEVEL)


def decompress(kind: int, payload: bytes) -> bytes:
    """The data behind the compressed bytes; ``DecodeError`` where they are damaged, forged or too large."""
    size, packed = int.from_bytes(payload[:SIZE_BYTES], "big"), payload[SIZE_BYTES:]
    if size > LARGEST or size > RATIO * len(packed):
        raise DecodeError("a compressed value claims a size that it cannot have")
    if kind == ord("z"):
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(packed, size + 1)
        whole = unpacker.eof and not unpacker.unused_data
    else:
        zstd = _zstd()
        if zstd is None:
            raise DecodeError("a value is compressed with zstd: pip install rcollections[zstd]")
        data, whole = zstd.decompress(packed, size)
    if not whole or len(data) != size:
        raise DecodeError("a compressed value is damaged")
    return data


@cache
def _zstd() -> Any:
    """The zstd of this process: the standard library's module, the package, or None."""
    if sys.version_info >= (3, 14):
        try:
            return _StandardZstd(importlib.import_module("compression.zstd"))
        except ImportError:  # a Python built without zstd
            pass
    try:
        return _PackageZstd(importlib.import_module("zstandard"))
    except ImportError:
        return None


class _StandardZstd:
    def __init__(self, module: Any) -> None:
        self.module = module

    def compress(self, data: bytes) -> bytes:
        packed: bytes = self.module.compress(data, LEVEL)
        return packed

    def decompress(self, packed: bytes, size: int) -> tuple[bytes, bool]:
        unpacker = self.module.ZstdDecompressor()
        data: bytes = unpacker.decompress(packed, size + 1)
        return data, unpacker.eof and not unpacker.unused_data


class _PackageZstd:
    def __init__(self, module: Any) -> None:
        self.module = module

    def compress(self, data: bytes) -> bytes:
        packed: bytes = self.module.ZstdCompressor(level=LEVEL).compress(data)
        return packed

    def decompress(self, packed: bytes, size: int) -> tuple[bytes, bool]:
        # The package allocates as many bytes as the frame claims: the claim must be the size that we checked.
        if self.module.frame_content_size(packed) != size:
            return b"", False
        unpacker = self.module.ZstdDecompressor()
        data: bytes = unpacker.decompress(packed, max_output_size=size, allow_extra_data=False)
        return data, True
