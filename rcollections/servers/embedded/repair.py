"""Repairs the files of an embedded server that does not start on them, as after a power loss.

The server keeps a base (a snapshot), behind it one or more append-only files with the writes since then, and a
manifest that lists them. What is kept is always a beginning of the writes: where one cannot be read, that one and all
later writes are set aside, and a transaction is kept whole or not at all. A damaged file is never changed: it gets
another name, ``….damaged``, and a copy of its good part takes its place.
"""

from __future__ import annotations

import logging
import mmap
import os
import re
import shutil
from contextlib import suppress
from typing import NamedTuple

__all__ = ["good_part", "repair", "repair_manifest"]

log = logging.getLogger("rcollections")

# What the server writes to its log before it ends because of its files; nothing else is a reason to touch them.
_DAMAGE = re.compile(
    r"reading the append only file|AOF manifest|AOF file .* length\. stat: No such file|AOF file .* doesn't exist"
    r"|RDB|loading DB|DB from file|crashed by signal",
)
_OTHER = re.compile(r"permission denied|no space left|cannot allocate|read-only file|too many open", re.IGNORECASE)
_UNKNOWN = re.compile(r"reading the append only file.*nknown command '([^']*)'|nknown command '([^']*)' reading")
_BASE = re.compile(r"\.base\.|RDB|loading DB|DB from file")
_WORD = re.compile(rb"[a-z][a-z0-9._-]*")
_NAME = re.compile(r"^(?P<stem>.+)\.(?P<seq>\d+)\.(?P<kind>base|incr)\.(?:rdb|aof)$")
_LINE = 32  # bytes in which the head of a command or of an argument ends
_COPY = 1 << 20


class _File(NamedTuple):
    """One file of the server: its path, its number, and whether it is a base."""

    path: str
    seq: int
    base: bool


def repair(directory: str, said: str) -> bool:
    """Repair the files in ``directory``; the server has ended, and ``said`` is its log. Whether anything was changed.

    The last resort is to set all files aside.
    """
    said = "\n".join(line for line in said.splitlines() if " # " in line)  # its warnings
    if not _DAMAGE.search(said) or _OTHER.search(said):
        return False
    manifest, found = _files(directory)
    told: list[str] = []
    _keep_beginning(directory, manifest, found, said, told)
    if not told and _BASE.search(said):
        _without_base(directory, manifest, found, told)
    if not told:
        told = [f"{_aside(each.path)}: nothing of it can be read" for each in found]
        if manifest is not None:
            _aside(manifest)
    return _warned(directory, told)


def repair_manifest(directory: str) -> None:
    """Make the manifest anew if it is missing beside other files: the server would write over them."""
    manifest, found = _files(directory)
    if found and manifest is None:
        told: list[str] = []
        _keep_beginning(directory, manifest, found, "", told)
        _warned(directory, told)


def _files(directory: str) -> tuple[str | None, list[_File]]:
    """The manifest, and the files that hold data."""
    try:
        files = sorted(os.scandir(_folder(directory)), key=lambda each: each.name)
    except OSError:
        return None, []
    found = [_File(each.path, int(m["seq"]), m["kind"] == "base") for each in files if (m := _NAME.match(each.name))]
    return next((each.path for each in files if each.name.endswith(".manifest")), None), found


def _folder(directory: str) -> str:
    return os.path.join(directory, "appendonlydir")


def _warned(directory: str, told: list[str]) -> bool:
    if told:
        log.warning(
            "the files of the embedded server in %s were damaged, as after a power loss: it starts with what could be"
            " read; %s", directory, "; ".join(told),
        )  # fmt: skip
    return bool(told)


def _keep_beginning(directory: str, manifest: str | None, found: list[_File], said: str, told: list[str]) -> None:
    """Keep the writes up to the first one that cannot be read, and write a manifest of what there is then."""
    listed = _listed(manifest)
    bases = sorted((each for each in found if each.base), key=lambda each: each.seq)
    writes = sorted((each for each in found if not each.base), key=lambda each: each.seq)
    if listed:
        names = {os.path.basename(each.path) for each in found}
        lost = [name for name in listed if name not in names]
        if any(".base." in name for name in lost) and not _first_base(lost):
            return  # what was written behind a base that is gone is no beginning
        bases = [each for each in bases if os.path.basename(each.path) in listed]
        writes = [each for each in writes if os.path.basename(each.path) in listed]
        gone = [int(m["seq"]) for name in lost if (m := _NAME.match(name)) and m["kind"] == "incr"]
        if gone:
            told.append(f"{', '.join(lost)} is missing")
            later = [each for each in writes if each.seq > min(gone)]
            told += [f"{_aside(each.path)}: its writes came later" for each in later]
            writes = [each for each in writes if each.seq < min(gone)]
    else:
        if manifest is not None:
            _aside(manifest)
        told.append("their list, the manifest, was empty or missing, and was made anew")
        if len(bases) > 1:  # the server was about to remove the files before its last snapshot
            bases, writes = bases[-1:], writes[-1:]
    unknown = _UNKNOWN.search(said)
    kept: list[_File] = []
    cut = False
    for each in writes:
        if cut:
            told.append(f"{_aside(each.path)}: its writes came later")
            continue
        size = os.path.getsize(each.path)
        good = good_part(each.path, unknown[1] or unknown[2] if unknown else None)
        kept.append(each)
        if good < size:
            told.append(_cut(each.path, good, size))
            cut = True
    if told:
        _write_manifest(directory, manifest, bases + kept)


def _without_base(directory: str, manifest: str | None, found: list[_File], told: list[str]) -> None:
    """The base cannot be read: without the first one, which is empty, the writes are all there; else nothing is."""
    bases = [each for each in found if each.base]
    if len(bases) == 1 and bases[0].seq == 1:
        told.append(f"{_aside(bases[0].path)}: an empty snapshot, the writes behind it are kept")
        _write_manifest(directory, manifest, [each for each in found if not each.base])


def good_part(path: str, unknown: str | None = None) -> int:
    """How many bytes at the beginning of an append-only file are whole commands, up to one called ``unknown``."""
    size = os.path.getsize(path)
    if not size:
        return 0
    refused = None if unknown is None else unknown.lower().encode("utf-8", "surrogateescape")
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at, before, transaction = 0, 0, -1
        while at < size:
            if data[at : at + 1] == b"#":  # a comment of the server: a timestamp
                end = data.find(b"\r\n", at, at + 4 * _LINE)
                if end < 0:
                    break
                at = end + 2
                continue
            name, end = _command(data, at, size)
            if end < 0 or name == refused:
                if data[at : at + 1] == b"$":  # an argument of the command before, which has lost its number of them
                    at = before
                break
            if name == b"multi":
                transaction = at
            elif name == b"exec":
                transaction = -1
            before, at = at, end
        return min(at, transaction) if transaction >= 0 else at


def _command(data: mmap.mmap, at: int, size: int) -> tuple[bytes, int]:
    """The name of the command at this offset, in small letters, and the offset behind it; -1: it is not whole."""
    count, at = _number(data, at, b"*")
    name = b""
    if count < 1:
        return name, -1
    for n in range(count):
        length, at = _number(data, at, b"$")
        end = at + length
        if length < 0 or end + 2 > size or data[end : end + 2] != b"\r\n":
            return name, -1
        if n == 0:
            name = data[at : min(end, at + 64)].lower()
            if not _WORD.fullmatch(name):
                return name, -1
        at = end + 2
    return name, at


def _number(data: mmap.mmap, at: int, sign: bytes) -> tuple[int, int]:
    end = data.find(b"\r\n", at, at + _LINE)
    digits = data[at + 1 : end]
    if end < 0 or data[at : at + 1] != sign or not digits.isdigit():
        return -1, at
    return int(digits), end + 2


# -- files -----------------------------------------------------------------------------------------------------


def _listed(manifest: str | None) -> list[str]:
    """The names of the files that count, as the manifest has them; [] if it cannot be read as a whole."""
    if manifest is None:
        return []
    with open(manifest, encoding="utf-8", errors="replace") as file:
        lines = [line.split() for line in file.read().splitlines() if line.strip() and not line.startswith("#")]
    if any(len(line) < 6 or line[0] != "file" or not _NAME.match(line[1]) for line in lines):
        return []
    return [line[1] for line in lines if line[5] != "h"]


def _first_base(lost: list[str]) -> bool:
    return all(m["seq"] == "1" for name in lost if (m := _NAME.match(name)) and m["kind"] == "base")


def _aside(path: str) -> str:
    """Give the file another name; gives that name."""
    name, n = f"{path}.damaged", 1
    while os.path.exists(name):
        n += 1
        name = f"{path}.damaged{n}"
    os.rename(path, name)
    return os.path.basename(name)


def _cut(path: str, good: int, size: int) -> str:
    short = f"{path}.good"
    with open(path, "rb") as whole, open(short, "wb") as file:
        left = good
        while left and (piece := whole.read(min(left, _COPY))):
            file.write(piece)
            left -= len(piece)
        file.flush()
        os.fsync(file.fileno())
    shutil.copymode(path, short)
    name = _aside(path)
    os.rename(short, path)
    return f"{name}: its first {good} of {size} bytes are kept"


def _write_manifest(directory: str, manifest: str | None, files: list[_File]) -> None:
    names = [(os.path.basename(each.path), each.base) for each in files]
    matched = [(m, base) for name, base in names if (m := _NAME.match(name))]
    lines = [f"file {m[0]} seq {m['seq']} type {'b' if base else 'i'}\n" for m, base in matched]
    path = manifest or os.path.join(_folder(directory), "appendonly.aof.manifest")
    with suppress(FileNotFoundError):
        os.unlink(path)
    if not lines:
        return
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
