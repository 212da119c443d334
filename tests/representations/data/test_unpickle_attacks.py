"""Hostile and damaged files: refused with a clear error, in little time and memory, whatever they claim."""

import json
import os
import pickle
import re
import struct
import subprocess
import sys
import zipfile

import pytest

SECONDS, MEGABYTES = 20, 500
AGAIN = 100_000
PRIME = 2**61 - 1  # The hash of an integer is its remainder by this.
CHILD = """
import json, resource, sys, time
from pathlib import Path
from anysense.representations.data.readers.mhd import check_mhd_file
from anysense.representations.data.readers.torch_file import read_torch
from anysense.representations.data.readers.unpickle import read_pickle

def status(field):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(field)) << 10

limited = sys.platform == "linux"
if limited:
    limit = status("VmSize") + (int(sys.argv[1]) << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for line in sys.stdin:
    path = Path(line.strip())
    if limited:
        Path("/proc/self/clear_refs").write_text("5")  # Begin a new peak.
    before, start = status("VmRSS") if limited else 0, time.perf_counter()
    try:
        {".pkl": read_pickle, ".dt": read_torch, ".pt": check_mhd_file}[path.suffix](path)
        came = ["", ""]
    except Exception as error:
        came = [type(error).__name__, str(error)]
    took = time.perf_counter() - start
    peak = status("VmHWM") - before if limited else 0
    print(json.dumps([path.name, took, peak >> 20, *came]), flush=True)
"""


def number(value):
    content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


def binary(content):
    return b"B" + struct.pack("<I", len(content)) + content


def text(content):
    return b"X" + struct.pack("<I", len(content)) + content.encode()


def name(full):
    return b"c%s\n%s\n" % tuple(part.encode() for part in full.rsplit(".", 1))


def call(full, *arguments):
    return name(full) + b"(" + b"".join(arguments) + b"tR"


def repeated(full, *arguments, then=b"", times=AGAIN):
    """The same call many times, which costs six bytes each."""
    return name(full) + b"q\x00(" + b"".join(arguments) + b"tq\x01" + (b"h\x00h\x01R" + then) * times + b"."


def dtype(code):
    return call("numpy.dtype", text(code), b"K\x00", b"K\x01") + b"(K\x03" + text("<") + b"NNNtb"


RECONSTRUCT, SCALAR = "numpy.core.multiarray._reconstruct", "numpy.core.multiarray.scalar"
EMPTY = call(RECONSTRUCT, name("numpy.ndarray"), b"N", b"N")


def array(code, shape, content):
    return EMPTY + b"(K\x01(" + b"".join(map(number, shape)) + b"t" + dtype(code) + b"\x89" + content + b"tb"


BLOB = binary(bytes(4_000_000))
LETTERS = array("S1", (4_000_000,), BLOB)
PICKLES = {
    "integer keys of one hash": (b"}(" + b"".join(number(k * PRIME) + b"N" for k in range(40_000)) + b"u.", "10000 k"),
    "few integer keys of one hash": (
        b"}(" + b"".join(number(k * PRIME) + b"N" for k in range(9_000)) + b"u.",
        "int in",
    ),
    "keys that share bits": (b"}(" + b"".join(number(k << 40) + b"N" for k in range(9_000)) + b"u.", None),
    "long keys": (binary(b"k" * 10**6) + b"q\x00" + b"}h\x00Ns" * AGAIN + b".", "a bytes in place of a short text"),
    "numbers of values of one hash": (b"N" + b"".join(b"p%d\n" % (k * PRIME) for k in range(40_000)) + b".", "number"),
    **{f"8 MB of {code.decode()}": (code * 8_000_000, "instructions") for code in (b"}", b"]", b"(")},
    "deep lists": (b"]" * AGAIN + b"a" * (AGAIN - 1) + b".", None),
    "deep tuples": (b")" + b"\x85" * AGAIN + b".", None),
    "deep dictionaries": (b"}K\x01" * 9_000 + b"N" + b"s" * 9_000 + b".", None),
    "deep arrays": (
        (EMPTY + b"(K\x01K\x01\x85" + dtype("O8") + b"\x89]") * 5_000 + b"N" + b"atb" * 5_000 + b".",
        None,
    ),
    "a list in itself": (b"]q\x00h\x00a.", None),
    "claim of bytes": (b"\x80\x05\x8e" + struct.pack("<Q", 2**62) + b"abc.", "ends too early"),
    "claim of text": (b"\x80\x05\x8d" + struct.pack("<Q", 2**40) + b"abc.", "ends too early"),
    "claim of a bytearray": (b"\x80\x05\x96" + struct.pack("<Q", 4 << 30) + b"abc.", "ends too early"),
    "claim of a frame": (b"\x80\x05\x95" + struct.pack("<Q", 2**62) + b"abc.", "not its format"),
    "claim of a number": (b"\x8b" + struct.pack("<i", 2**31 - 1) + b"abc.", "ends too early"),
    "claim of a string": (b"T" + struct.pack("<i", 2**31 - 1) + b"abc.", "ends too early"),
    "claim of minus one": (b"T" + struct.pack("<i", -1) + b"abc.", "negative"),
    "bytearray": (call("builtins.bytearray", number(4 << 30)) + b".", "the name `builtins.bytearray`"),
    "digits": (b"L" + b"9" * 8_000_000 + b"L\n.", "digits"),
    "shape": (array("f4", (2**47,) * 32, binary(b"abcd")) + b".", "does not fit"),
    "shape of long numbers": (array("f4", (2**1000,) * 32, binary(b"abcd")) + b".", "wrong shape"),
    "shape of nothing": (array("f4", (10**10,), binary(b"")) + b".", "does not fit"),
    "shape with nothing": (array("f4", (0, 2**47, 2**47), binary(b"")) + b".", "cut off, damaged"),
    "scalars of a long array": (repeated(SCALAR, dtype("u1"), BLOB), "does not fit"),
    "scalars of long texts": (repeated(SCALAR, dtype("S4000000"), BLOB), "a number of unknown type"),
    "arrays repeated": (
        repeated("numpy.core.numeric._frombuffer", BLOB, dtype("u1"), number(4_000_000) + b"\x85", text("C")),
        None,
    ),
    "encoded again": (repeated("_codecs.encode", text("x" * 10**6), text("latin1")), "than its own bytes"),
    "many arguments": (repeated("numpy.dtype", b"N" * AGAIN), "not its format"),
    "long arguments": (repeated("numpy.dtype", LETTERS, b"N", b"N"), "a ndarray in place of a short text"),
    "long states": (
        b"(" + b"N" * AGAIN + b"tq\x02" + repeated(RECONSTRUCT, name("numpy.ndarray"), b"NN", then=b"h\x02b"),
        "an array without type",
    ),
    "long dictionaries as states": (
        b"}(" + b"".join(number(k) + b"N" for k in range(9_000)) + b"uq\x02" + b"}h\x02b" * 1_000 + b".",
        "10000 keys",
    ),
    "fields": (dtype("f4,f4") + b".", "the array type 'f4,f4'"),
    "terminal codes": (b"c\x1b[2J\nx\n.", "a str in place of a short text"),
}


def torch_zip(path, pickled, **parts):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", pickled)
        archive.writestr("a/version", "3\n")
        for part, content in parts.items():
            archive.writestr(f"a/data/{part[1:]}", content)


def storage(kind, key, size):
    return b"(" + text("storage") + name(kind) + key + text("cpu") + number(size) + b"tQ"


def directory(count, shared=b"", offset=0):
    """An archive with nothing but a directory of ``count`` parts, all at ``offset`` in ``shared``."""
    sizes = struct.pack("<LLL", 0, len(shared), len(shared))
    entries = b"".join(
        b"PK\x01\x02" + bytes(12) + sizes + struct.pack("<HHHHHLL", 7, 0, 0, 0, 0, 0, offset) + b"%07d" % k
        for k in range(count)
    )
    end = b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, count % 65536, count % 65536, len(entries), len(shared), 0)
    return shared + entries + end


LONG = text("k" * 10**6)
TORCH = {
    "bytearray": (call("builtins.bytearray", number(4 << 30)) + b".", "a call of `builtins.bytearray`"),
    "claim of numbers": (storage("torch.FloatStorage", text("0"), 10**12) + b".", "more than the file holds"),
    "names repeated": (LONG + b"q\x00" + b"h\x00h\x00\x93" * AGAIN + b".", "a str in place of a short text"),
    "keys repeated": (
        b"("
        + text("storage")
        + name("torch.ByteStorage")
        + LONG
        + text("cpu")
        + b"K\x00tq\x00"
        + b"h\x00Q" * AGAIN
        + b".",
        "a str in place of a short text",
    ),
    "labels repeated": (
        LETTERS + b"q\x00(" + b"h\x00" + b"NNNNtq\x01" + b"h\x01Q" * AGAIN + b".",
        "in place of a short",
    ),
    "objects repeated": (
        name("a.B") + b"q\x00" + LETTERS + b"q\x01" + b"h\x00h\x01\x81" * AGAIN + b".",
        "an object made",
    ),
    "8 MB of objects": (name("a.B") + b"q\x00" + b"h\x00)\x81" * 2_000_000 + b".", "instructions"),
}


@pytest.fixture(scope="module")
def attacks(tmp_path_factory):
    """The files, and what each error has to say (None: the file may be read)."""
    folder, says = tmp_path_factory.mktemp("attacks"), {}
    for title, (content, expected) in PICKLES.items():
        (folder / f"{title}.pkl").write_bytes(content)
        says[f"{title}.pkl"] = expected
    for title, (content, expected) in TORCH.items():
        torch_zip(folder / f"{title}.dt", b"\x80\x02" + content)
        says[f"{title}.dt"] = expected
    header = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
    torch_zip(
        folder / "1.3 kB.pt", b"(" + TORCH["bytearray"][0][:-1] + b"t.", **{f"_{k}": b"0" * 100 for k in range(6)}
    )
    others = {
        "legacy claim.dt": (
            header + b"\x80\x02" + storage("torch.LongStorage", text("0"), 2**40) + b".",
            "more than the",
        ),
        "legacy bytearray.pt": (header + call("builtins.bytearray", number(4 << 30)), "a call of `builtins.bytearray`"),
        "many parts.dt": (directory(150_000, b"PK\x03\x04"), "a list of its parts of"),
        "parts over each other.dt": (directory(1_000, b"PK" + bytes(100_000)), "parts that are larger than the file"),
        "sparse.dt": (None, "cut off, damaged"),
        "sparse.pkl": (None, "cut off, damaged"),
    }
    for title, (content, expected) in others.items():
        (folder / title).write_bytes(content or b"")
        if content is None:
            os.truncate(folder / title, 64 << 30)
        says[title] = expected
    says["1.3 kB.pt"] = TORCH["bytearray"][1]
    return folder, says


def test_attacks_cost_little_time_and_memory(attacks):
    folder, says = attacks
    run = subprocess.run(
        [sys.executable, "-c", CHILD, str(MEGABYTES)],
        input="\n".join(str(folder / title) for title in says),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    results = {title: rest for title, *rest in map(json.loads, run.stdout.splitlines())}
    assert results.keys() == says.keys()
    for title, (seconds, megabytes, kind, message) in results.items():
        assert seconds < SECONDS, title
        assert megabytes < MEGABYTES, title
        assert kind == ("" if says[title] is None else "ValueError"), (title, message)
        if kind:
            assert re.search(f"^`{re.escape(str(folder / title))}` must be a .*{says[title]}.*again|mhd`.$", message), (
                message
            )
            assert message.isprintable()
            assert len(message) < 1_000
