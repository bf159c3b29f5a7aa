"""The hash slot of a key, as clusters of Redis and Valkey compute it."""

from __future__ import annotations

from binascii import crc_hqx

__all__ = ["SLOTS", "hash_slot"]

SLOTS = 16384


def hash_slot(key: bytes) -> int:
    """CRC16 of the hash tag (what stands in the first braces, unless nothing does), or else of the whole key."""
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return crc_hqx(key, 0) & (SLOTS - 1)
