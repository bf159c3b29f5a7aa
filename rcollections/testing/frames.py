"""The bytes on the wire, cut into frames of RESP: a frame is one command or one reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["command_name", "frame_end", "whole_frames"]


def frame_end(data: bytes | bytearray, start: int = 0) -> int | None:
    """The end of the RESP frame (or inline command) that begins at ``start``; None: the frame is not complete."""
    line_end = data.find(b"\r\n", start)
    if line_end < 0:
        return None
    kind, end = data[start : start + 1], line_end + 2
    if kind in (b"$", b"!", b"="):
        size = int(data[start + 1 : line_end])
        end = end if size < 0 else end + size + 2
        return end if end <= len(data) else None
    if kind in (b"*", b"~", b">", b"%", b"|"):
        parts = int(data[start + 1 : line_end]) * (2 if kind in (b"%", b"|") else 1)
        for _ in range(parts + (kind == b"|")):  # attributes stand before the reply that they belong to
            inner = frame_end(data, end)
            if inner is None:
                return None
            end = inner
    return end


def command_name(frame: bytes) -> str:
    """The name of the command that this frame asks for, in capitals."""
    parts = frame.split(b"\r\n", 3)
    name = parts[2] if frame[:1] == b"*" and len(parts) > 2 else frame.partition(b" ")[0].strip()
    return name.decode("ascii", "replace").upper()


def whole_frames(data: bytearray) -> Iterator[bytes]:
    """Take one frame after the other from the front of ``data``; an incomplete frame stays there."""
    while data and (end := frame_end(data)) is not None:
        frame = bytes(data[:end])
        del data[:end]
        yield frame
