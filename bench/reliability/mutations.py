"""Hostile and damaged files made of valid ones."""

import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["BOMB_BYTES", "CANARY", "mutate"]

CANARY = "canary"
"""Name of the file that hostile code writes if it runs."""
BOMB_BYTES = 4 << 30
_PICKLE = b"cposix\nsystem\n(S'touch " + CANARY.encode() + b"'\ntR."
_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**31, 2**63, 2**70, -(2**70), 1e308, 0.5, "", "x" * 10**6, "../../../outside", "/etc/passwd"),
    *("os:system", "builtins.eval", "training", "_modules", "\x00", "\ud800", [], {}, [[]] * 1000, {"a": {"a": {}}}),
    *([10**9] * 3, [float("nan")], float("inf"), ["image"] * 10_000),
)
_TEXTS: tuple[bytes, ...] = (
    *(b"", b"{", b"null", b"[]", b"{}", b"9" * 10**6, b"[" * 200_000, b'{"a":' * 100_000, b"\xff\xfe{}", b"NaN"),
    *(b"\xef\xbb\xbf{}", b'"' + b"x" * (20 << 20) + b'"', b"[" + b"[]," * 10**6 + b"[]]", b"\x00" * 10**6),
)


def mutate(path: Path, rng: np.random.Generator) -> str:
    """Put a hostile file in the place of a valid one; what was done, in words."""
    kinds: Mapping[str, Callable[[bytes, np.random.Generator], bytes]] = _kinds(path)
    if rng.random() < 0.04:
        return _linked(path, rng)
    kind = str(rng.choice(list(kinds)))
    path.write_bytes(kinds[kind](path.read_bytes(), rng))
    return kind


def _kinds(path: Path) -> dict[str, Callable[[bytes, np.random.Generator], bytes]]:
    always = {"bytes": _bytes, "cut": _cut, "repeated": _repeated, "code": lambda content, rng: _PICKLE}
    if path.suffix == ".json":
        return {**always, "value": _value, "values": _value, "text": _text}
    if path.suffix == ".safetensors":
        return {**always, "header": _header, "claim": _claim}
    if path.suffix in (".npz", ".pt", ".dt"):
        return {**always, "member": _member, "bomb": _bomb, "code inside": _code_inside, "array header": _array_header}
    if path.suffix == ".csv":
        return {**always, "text": _text, "cell": _cell}
    return {**always, "instruction": _instruction}


def _bytes(content: bytes, rng: np.random.Generator) -> bytes:
    """One to eight bytes changed, half of them near an end."""
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        near = min(len(changed), 400)
        place = int(rng.choice([rng.integers(len(changed)), rng.integers(near), len(changed) - 1 - rng.integers(near)]))
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(len(content)))]


def _repeated(content: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(len(content)))
    return content[:start] + content[start : start + 100] * int(rng.integers(2, 1000)) + content[start:]


def _text(content: bytes, rng: np.random.Generator) -> bytes:
    return _TEXTS[int(rng.integers(len(_TEXTS)))]


def _instruction(content: bytes, rng: np.random.Generator) -> bytes:
    """Instructions of a pickle put in some places."""
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(min(len(changed), 2000)))
        changed[place:place] = bytes([int(rng.choice(list(b"(.01NRQabcdghijlopqrstu}]){\x80\x81\x85\x93\x94")))])
    return bytes(changed)


def _value(content: bytes, rng: np.random.Generator) -> bytes:
    """One value somewhere in the JSON replaced, one removed, or one added."""
    tree = json.loads(content)
    inner = [node for node in _nodes(tree) if isinstance(node, dict | list) and node]
    node = inner[int(rng.integers(len(inner)))]
    place = list(node)[int(rng.integers(len(node)))] if isinstance(node, dict) else int(rng.integers(len(node)))
    other = _VALUES[int(rng.integers(len(_VALUES)))]
    match int(rng.integers(6)):
        case 0:
            del node[place]
        case 1 if isinstance(node, dict):
            node[str(other)] = node[place]
        case _:
            node[place] = other
    return json.dumps(tree).encode()


def _nodes(tree: Any) -> list[Any]:
    inside = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return [tree, *(node for entry in inside for node in _nodes(entry))]


def _header(content: bytes, rng: np.random.Generator) -> bytes:
    """The header of tensors with another value."""
    size = struct.unpack("<Q", content[:8])[0]
    header = _value(content[8 : 8 + size], rng)
    return struct.pack("<Q", len(header)) + header + content[8 + size :]


def _claim(content: bytes, rng: np.random.Generator) -> bytes:
    """A length of the header, a type or a shape that is not so."""
    size = struct.unpack("<Q", content[:8])[0]
    if rng.random() < 0.3:
        return struct.pack("<Q", int(rng.choice([0, 1, 2**31, 2**40, 2**62]))) + content[8:]
    header = json.loads(content[8 : 8 + size])
    name = str(rng.choice([key for key in header if key != "__metadata__"]))
    header[name] |= [
        {"shape": [10**9, 10**9]},
        {"shape": [0] * 100},
        {"shape": [-1]},
        {"dtype": "F8_E4M3"},
        {"dtype": "BF16"},
        {"dtype": "F64"},
        {"data_offsets": [0, 2**62]},
        {"data_offsets": [8, 0]},
    ][int(rng.integers(8))]
    made = json.dumps(header).encode()
    return struct.pack("<Q", len(made)) + made + content[8 + size :]


def _members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _archive(members: Mapping[str, bytes], rng: np.random.Generator) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", int(rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))) as archive:
        for name, inside in members.items():
            archive.writestr(name, inside)
    return content.getvalue()


def _member(content: bytes, rng: np.random.Generator) -> bytes:
    """One file of the archive changed, left out, or under another name."""
    members = _members(content)
    name = str(rng.choice(list(members)))
    inside = members.pop(name)
    match int(rng.integers(4)):
        case 0:
            pass
        case 1:
            members["../outside"] = inside
        case _:
            members[name] = _bytes(inside, rng) if inside else b"x"
    return _archive(members, rng)


def _code_inside(content: bytes, rng: np.random.Generator) -> bytes:
    """A pickle that runs a command in the place of a file of the archive, as an array of objects if one is meant."""
    members = _members(content)
    name = next((one for one in members if one.endswith("data.pkl")), str(rng.choice(list(members))))
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    members[name] = _PICKLE if name.endswith("data.pkl") else head.getvalue() + _PICKLE
    return _archive(members, rng)


def _array_header(content: bytes, rng: np.random.Generator) -> bytes:
    """An array that claims another shape or type than its bytes have."""
    members = _members(content)
    names = [name for name in members if name.endswith(".npy")]
    if not names:
        return _member(content, rng)
    head = io.BytesIO()
    shape = [(2**40,), (2**31, 2**31), (0, 2**62), (5 * 10**9,)][int(rng.integers(4))]
    descr = str(rng.choice(["<f4", "|u1", "<U100000000", "|V2000000000", "<c16"]))
    np.lib.format.write_array_header_1_0(head, {"descr": descr, "fortran_order": False, "shape": shape})
    members[str(rng.choice(names))] = head.getvalue() + bytes(1000)
    return _archive(members, rng)


def _bomb(content: bytes, rng: np.random.Generator) -> bytes:
    """A file of the archive that holds some kilobytes and unpacks to four gigabytes of zeros."""
    members = _members(content)
    name = str(rng.choice(list(members)))
    start = members.pop(name)[:128] if rng.random() < 0.5 else b""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = head + block * (BOMB_BYTES >> 20) + packer.flush()
    made = bytearray(_archive({**members, name: b"?" * 64}, rng))
    info = zipfile.ZipFile(io.BytesIO(bytes(made))).getinfo(name)
    return _spliced(bytes(made), info, packed)


def _spliced(archive: bytes, info: zipfile.ZipInfo, packed: bytes) -> bytes:
    """The archive with other packed bytes in the last of its files, and sizes that fit them."""
    start = info.header_offset + 30 + len(info.filename.encode())
    local = bytearray(archive[info.header_offset : start])
    sizes = struct.pack("<II", len(packed), min(BOMB_BYTES, 2**32 - 1))
    local[8:10], local[18:26] = struct.pack("<H", zipfile.ZIP_DEFLATED), sizes
    directory_start = archive.index(b"PK\x01\x02")
    directory = bytearray(archive[directory_start:])
    entry = directory.rindex(b"PK\x01\x02")
    directory[entry + 10 : entry + 12], directory[entry + 20 : entry + 28] = struct.pack("<H", 8), sizes
    moved = len(packed) - info.compress_size
    end = directory.rindex(b"PK\x05\x06")
    directory[end + 16 : end + 20] = struct.pack("<I", directory_start + moved)
    return archive[: info.header_offset] + bytes(local) + packed + bytes(directory)


def _cell(content: bytes, rng: np.random.Generator) -> bytes:
    """One value of the table replaced."""
    rows = [line.split(b",") for line in content.splitlines()]
    row = rows[int(rng.integers(len(rows)))]
    others = (b"", b"nan", b"inf", b"-1", b"1e400", b"9" * 5000, b"x", b"\xff", b'"', b"99999999999")
    row[int(rng.integers(len(row)))] = others[int(rng.integers(len(others)))]
    return b"\n".join(b",".join(row) for row in rows) + b"\n"


def _linked(path: Path, rng: np.random.Generator) -> str:
    """A link or a pipe in the place of the file."""
    path.unlink()
    match int(rng.integers(5)):
        case 0:
            path.symlink_to("/dev/zero")
            return "link to /dev/zero"
        case 1:
            path.symlink_to(path)
            return "link to itself"
        case 2:
            path.symlink_to(path.parent)
            return "link to its folder"
        case 3:
            path.symlink_to("/etc/hostname")
            return "link to another file"
    os.mkfifo(path)
    return "pipe"
