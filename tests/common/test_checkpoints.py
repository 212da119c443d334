"""Checkpoints come back to the bit, or are refused by name."""

import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from anysense.common import checkpoints
from anysense.common.checkpoints import read_checkpoint, write_checkpoint
from anysense.common.errors import FileFormatError


def assert_equal(first, second, where=""):
    """Nested states are equal to the last bit, times apart."""
    assert type(first) is type(second), where
    if isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key in first:
            if "seconds" not in str(key) and key != "t":
                assert_equal(first[key], second[key], f"{where}/{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), where
        for index, pair in enumerate(zip(first, second, strict=True)):
            assert_equal(*pair, f"{where}/{index}")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), where
    elif isinstance(first, np.ndarray):
        np.testing.assert_array_equal(first, second, err_msg=where)
    else:
        assert first == second, where


@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**140), 2**140)
        | st.floats(allow_nan=False)
        | st.text(max_size=5)
        | arrays.arrays(
            st.sampled_from([np.uint8, np.float32, np.float64, np.int64, np.uint64, np.bool_]),
            arrays.array_shapes(min_dims=0, max_dims=2, max_side=3, min_side=0),
            elements={"allow_nan": False},
        ),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
            | st.tuples(inner)
        ),
        max_leaves=6,
    )
)
def test_a_file_loses_nothing(value):
    with tempfile.TemporaryDirectory() as folder:
        assert_equal(read_checkpoint(write_checkpoint(Path(folder) / "a.ckpt", value)), value)


STATE = {
    "weights": {0: torch.arange(6.0).view(2, 3), 1: torch.tensor(2.0, dtype=torch.bfloat16)},
    "mode": (float("inf"), -0.0, 2**100, None, "text", [np.float32(3.0).item()]),
    "array": np.arange(6, dtype=np.uint32).reshape(2, 3)[:, ::-1],
    "empty": np.zeros((0, 3)),
}


@pytest.fixture
def saved(tmp_path):
    return write_checkpoint(tmp_path / "deep" / "last.ckpt", STATE)


def test_everything_comes_back(saved):
    assert_equal(read_checkpoint(saved), STATE)
    assert np.isnan(read_checkpoint(write_checkpoint(saved, float("nan"))))
    assert [path.name for path in saved.parent.iterdir()] == ["last.ckpt"]


def test_every_flipped_bit_and_every_cut_is_refused_by_name(saved):
    content = saved.read_bytes()
    broken = [content[:length] for length in range(len(content))]
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        broken.append(bytes(changed))
    for one in [*broken, content + b"x"]:
        saved.write_bytes(one)
        with pytest.raises(FileFormatError, match=r"`.*last\.ckpt` is (damaged|not a checkpoint).*Remove it to start"):
            read_checkpoint(saved)


def test_files_of_torch_are_refused_without_a_look(saved):
    for legacy in (False, True):
        torch.save({"a": bytearray(9)}, saved, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(FileFormatError, match="is not a checkpoint of this release"):
            read_checkpoint(saved)
    saved.unlink()
    with pytest.raises(FileNotFoundError, match=r"`.*last\.ckpt` does not exist"):
        read_checkpoint(saved)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"tensor": {"dtype": "float32", "shape": [2**40]}},
            r"claims an array larger than its file, of shape",
        ),
        ({"tensor": {"dtype": "float32", "shape": [2**47] * 9999}}, "larger than its file"),
        ({"tensor": {"dtype": "float32", "shape": [0, 2**47, 2**47]}}, ""),
        ({"tensor": {"dtype": "float32", "shape": [-1]}}, r"`array\.shape\[0\]` must be an integer from 0"),
        ({"array": {"dtype": "bfloat16", "shape": [2]}}, "bfloat16|BFloat16"),
        ({"tensor": {"dtype": "object", "shape": [2]}}, r"`array\.dtype` must be"),
        ({"tensor": {"dtype": "uint8", "shape": [1]}}, "it holds more than it describes"),
        ({"keys": [[]], "values": [1]}, "must be an integer"),
        ({"keys": [2**61 - 1, 0], "values": [1, 1]}, "must be an integer from 0 to 2147483647"),
        ({"keys": ["a"], "values": []}, "zip"),
        ({"call": "os.system"}, "a value of an unknown kind"),
        ({"float": "1"}, "a value of an unknown kind"),
        ([[]] * 3 + [json.loads("[" * 40 + "]" * 40)] * 2, "it holds more than it describes"),
    ],
)
def test_what_a_file_claims_is_checked_even_if_its_checksum_is_right(values, message, saved):
    rest = json.dumps(values).encode() + b"\n" + bytes(8)
    saved.write_bytes(checkpoints._HEAD + hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)
    with pytest.raises(FileFormatError, match=rf"`.*last\.ckpt` is damaged: .*{message}"):
        read_checkpoint(saved)


@pytest.mark.parametrize("value", [object(), {1.5: 2}, torch.zeros(2, dtype=torch.complex64), np.array(["a"]), {3}])
def test_what_would_not_come_back_is_not_written(value, tmp_path):
    with pytest.raises(TypeError):
        write_checkpoint(tmp_path / "a.ckpt", {"value": value})
    assert list(tmp_path.iterdir()) == []
