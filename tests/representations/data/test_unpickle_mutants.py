"""Valid files with random changes: read as plain data, or refused with an error that names the file."""

import io
import pickle
import zipfile

import numpy as np
import pytest
import torch

from anysense.representations.data.readers.mhd import load_mhd
from anysense.representations.data.readers.torch_file import read_torch
from anysense.representations.data.readers.unpickle import Name, _Unbuilt, read_pickle

INSTRUCTIONS = list(b"(.01NRQabcdghijlopqrstu}]){\x80\x81\x85\x86\x87\x8c\x93\x94")
PLAIN = {"a": np.arange(20.0), "b": [1, "x", b"y", 2.5, None, 2**70], "c": np.array(["v", None], dtype=object)}


def stored(content, legacy=False):
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


TENSORS = {"text": torch.rand(5, 3)[:, ::2], "labels": torch.arange(5), "name": "mosei", "plain": PLAIN["a"]}
DIGITS = (
    torch.arange(2),
    *(torch.rand(2, *shape) for shape in ((1, 28, 28), (200,), (4, 32, 32))),
    *({"min": np.float32(-80), "max": 20.0},) * 2,
)


def changed(content, rng):
    """One to three changes of a random kind; half of them within 400 bytes of an end."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        reach = min(len(content), 400)
        places = (rng.integers(len(content)), rng.integers(len(content)), rng.integers(reach), -rng.integers(reach) - 1)
        start = int(rng.choice(places)) % len(content)
        stop = start + int(rng.integers(1, 9))
        match rng.integers(6):
            case 0:
                content[start] = rng.integers(256)
            case 1:
                content[start] ^= 1 << rng.integers(8)
            case 2:
                del content[start:stop]
            case 3:
                content[start:start] = content[start:stop]
            case 4:
                content[start:stop] = rng.bytes(stop - start)
            case 5:
                content[start:start] = bytes([rng.choice(INSTRUCTIONS)])
        content = content or bytearray(b".")
    return bytes(content)


def changed_archive(content, rng):
    """The same with the pickle within an archive, whose checksums are right again."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as whole, zipfile.ZipFile(buffer, "w") as archive:
        for part in whole.namelist():
            inside = whole.read(part)
            archive.writestr(part, changed(inside, rng) if part.endswith("data.pkl") else inside)
    return buffer.getvalue()


def assert_plain(value, depth=0):
    """What a file gave is data, or stands for a name or a type that cannot be called."""
    plain = {dict, list, tuple, np.ndarray, int, float, bool, complex, str, bytes, type(None), Name, _Unbuilt}
    assert type(value) in plain or isinstance(value, np.dtype)
    if isinstance(value, list | tuple | dict) and depth < 8:
        for part in value.values() if isinstance(value, dict) else value:
            assert_plain(part, depth + 1)


def read_digits(path):
    load_mhd(path.parent)


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
@pytest.mark.parametrize(
    ("read", "whole", "change"),
    [
        *((read_pickle, pickle.dumps(PLAIN, protocol), changed) for protocol in range(6)),
        (read_torch, stored(TENSORS), changed),
        (read_torch, stored(TENSORS), changed_archive),
        (read_torch, stored(TENSORS, legacy=True), changed),
        (read_digits, stored(DIGITS), changed_archive),
        (read_digits, stored(DIGITS, legacy=True), changed),
    ],
)
def test_mutants_are_read_or_refused(tmp_path, read, whole, change):
    (tmp_path / "mhd_test.pt").write_bytes(stored(DIGITS))
    path, rng, refused = tmp_path / "mhd_train.pt", np.random.default_rng(0), 0
    path.write_bytes(whole)
    assert_plain(read(path))
    for _ in range(60):
        path.write_bytes(change(whole, rng))
        try:
            assert_plain(read(path))
        except (ValueError, TypeError) as error:
            refused += 1
            if not str(error).startswith(f"`{path}`") or "weights_only" in str(error):
                raise
    assert refused > 20
