"""Readers of foreign pickles: they give back what was stored and never run what a file asks for."""

import collections
import io
import os
import pickle
import struct
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anysense.representations.data.readers.torch_file import read_torch
from anysense.representations.data.readers.unpickle import read_pickle

ARRAYS = {
    "float32": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "float64": np.linspace(-1, 1, 5),
    "big_endian": np.arange(3, dtype=">f8"),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(12, dtype=np.int64)[::3],
    "empty": np.empty((0, 4), np.float32),
    "bytes": np.array([[b"a", b"bcd"]]),
    "text": np.array(["x", "yz"]),
    "flags": np.array([True, False]),
    "scalar_array": np.array(3.0),
}


@pytest.fixture
def store(tmp_path):
    """Function (content or bytes) -> path of a file with it."""

    def write(content, protocol=None):
        path = tmp_path / "data.pkl"
        path.write_bytes(content if protocol is None else pickle.dumps(content, protocol))
        return path

    return write


class Loaded:
    """Pickles to a call of ``function(*arguments)``."""

    def __init__(self, function, *arguments, state=None):
        self.call = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.call


def fake_class(monkeypatch, module="datasets.affect", name="Affectdataset"):
    """A class in a module that exists only while files are written."""
    made = types.ModuleType(module)
    cls = type(name, (), {"__module__": module, "__setstate__": lambda self, state: pytest.fail("state was run")})
    setattr(made, name, cls)
    monkeypatch.setitem(sys.modules, module.partition(".")[0], made)
    monkeypatch.setitem(sys.modules, module, made)
    return cls


def instance(cls, **attributes):
    made = cls()
    made.__dict__.update(attributes)
    return made


def same(got, wanted):
    assert got.dtype == wanted.dtype
    assert got.shape == wanted.shape
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_plain_data_survive_every_protocol(store, protocol):
    plain = {"a": [1, -(2**70), 2.5, None, True, "ü"], "b": (b"\x00\xff", b""), 3: {"c": []}}
    scalars = [np.float32(1.5), np.int64(7)]
    got = read_pickle(store({"arrays": ARRAYS, "plain": plain, "scalars": scalars}, protocol))
    assert got["plain"] == plain
    assert got["scalars"] == [1.5, 7]
    for name, array in ARRAYS.items():
        same(got["arrays"][name], array)


def test_ordered_dictionaries_and_shared_values_are_plain(store):
    array = np.arange(3.0)
    got = read_pickle(store(collections.OrderedDict(a=array, b=array), 2))
    assert type(got) is dict
    assert got["a"] is got["b"]


def test_arrays_of_objects_are_flat_lists(store):
    ids = np.array([["v1", b"0.5", 1], ["v2", b"0.7", None]], dtype=object)
    assert read_pickle(store(ids, 4)) == list(ids.flat)


def python2_array(values):
    """A protocol-2 array as Python 2 wrote it: bytes as (long) strings, old module names, no encodings."""
    data = np.ascontiguousarray(values, "<f4").tobytes()
    shape = b"(" + b"".join(b"K" + bytes([n]) for n in values.shape) + b"t"
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01"
        + shape
        + b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89T" + struct.pack("<i", len(data)) + data + b"tb"
    )


def test_pickles_of_python_2_have_texts_as_keys_and_bytes_as_values(store):
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    content = b"\x80\x02}(U\x05train}U\x04text" + python2_array(values) + b"sU\x02idU\x03\xe9\x00vu."
    got = read_pickle(store(content))
    same(got["train"]["text"], values)
    assert got["id"] == b"\xe9\x00v"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 5), st.integers(0, 2**31))
def test_a_cut_or_altered_file_is_refused_or_harmless(store, protocol, seed):
    rng = np.random.default_rng(seed)
    whole = pickle.dumps({"a": np.arange(20.0), "b": [1, "x"]}, protocol)
    with pytest.raises(ValueError, match=r"cut off, damaged or something else|Nothing of it was run|empty file"):
        read_pickle(store(whole[: rng.integers(len(whole) - 1)]))
    altered = bytearray(whole)
    altered[rng.integers(len(whole))] = rng.integers(256)
    try:
        read_pickle(store(bytes(altered)))
    except ValueError as error:
        assert "`" in str(error)  # noqa: PT017


HOSTILE = {
    "os.system": Loaded(os.system, "touch {marker}"),
    "builtins.eval": Loaded(eval, "open('{marker}', 'w')"),
    "builtins.exec": Loaded(exec, "open('{marker}', 'w')"),
    "builtins.getattr": Loaded(getattr, "x", "upper"),
    "numpy.load": Loaded(np.load, "{marker}"),
    "numpy.fromfile": Loaded(np.fromfile, "{marker}"),
    "numpy.memmap": Loaded(np.memmap, "{marker}", "u1", "w+", 0, (4,)),
    "torch.load": Loaded(torch.load, "{marker}"),
    "subprocess.check_output": b"\x80\x02csubprocess\ncheck_output\n]U\x05touchaU\x08{marker}a\x85R.",
    "posix.system": b"cposix\nsystem\n(S'touch {marker}'\ntR.",
    "__builtin__.eval": b"c__builtin__\neval\n(S'1'\ntR.",
    "numpy.testing._private.utils.runstring": b"cnumpy.testing._private.utils\nrunstring\n(S'1'\n}tR.",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("read", [read_pickle, read_torch])
def test_hostile_calls_are_refused_by_name_and_not_run(store, tmp_path, monkeypatch, name, read):
    marker = tmp_path / "marker"
    monkeypatch.chdir(tmp_path)
    hostile = HOSTILE[name]
    if isinstance(hostile, Loaded):
        arguments = [a.format(marker=marker) if isinstance(a, str) else a for a in hostile.call[1]]
        hostile = pickle.dumps({"train": Loaded(hostile.call[0], *arguments)})
    path = store(hostile)
    if read is read_torch:
        path = torch_zip(tmp_path / "a.dt", hostile)
    called = name.rpartition(".")[2]
    with pytest.raises(ValueError, match=rf"it holds (the name|a call of) `[\w.]+\.{called}`. Nothing of it was run"):
        read(path)
    assert not marker.exists()


def torch_zip(path, pickled, compression=zipfile.ZIP_STORED, **parts):
    """An archive as torch writes them."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("a/data.pkl", pickled)
        for name, content in parts.items():
            archive.writestr(f"a/{name.replace('__', '/')}", content)
    return path


F4, O8 = (b"cnumpy\ndtype\n(S'" + code + b"'\ntR(I3\nS'<'\nNNNtb" for code in (b"f4", b"O8"))
ARRAY_START = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"cnumpy\ndtype\n(S'V8'\nI0\nI1\ntR.", "the array type 'V8'"),
        (b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR(I4\nS'|'\nN(S'a'\nt}I8\nI1\nI0\ntb.", "an array type with fields"),
        (ARRAY_START + b"(I1\n(I-1\nt" + F4 + b"I00\nS'abcd'\ntb.", "an array with a wrong shape"),
        (ARRAY_START + b"(I1\n(I9\nt" + F4 + b"I00\nS'abcd'\ntb.", r"shape \(9,\) whose content does not fit"),
        (ARRAY_START + b"(I1\n(I1\nt" + O8 + b"I00\nS'abcdefgh'\ntb.", "whose content does not fit"),
        (ARRAY_START + b"(I1\n(I1\ntS'f4'\nI00\nS'abcd'\ntb.", "an array without type"),
        (b"cnumpy.core.multiarray\n_reconstruct\n(I1\n(I0\ntS'b'\ntR.", "no numpy.ndarray"),
        (b"cnumpy.core.multiarray\nscalar\n(" + O8 + b"S'abcdefgh'\ntR.", "a number of unknown type"),
        (b"cnumpy\nndarray\n(I3\ntR.", "a call of `numpy.ndarray`"),
        (b"cnumpy\ndtype\n(N}S'__call__'\nI1\nstb.", "a tuple as the state of a Name"),
        (b"]}b.", "a dict as the state of a list"),
        (b"}N\x85b.", "a tuple as the state of a dict"),
        (b"ccopy_reg\n_reconstructor\n(c__builtin__\nobject\nc__builtin__\nobject\nNtR.", "the name `copy_reg._re"),
        (b"(S'a'\nios\nsystem\n.", "not its format"),
        (b"\x80\x02NQ.", "a value outside of the pickle"),
        (b"}(]I1\nu.", "a list in place of a short text"),
        (b"\x80\x04\x8f.", "not its format"),
        (b"\x82\x01.", "not its format"),
        (b"c_codecs\nencode\n(Vx\nVrot13\ntR.", "a call of `_codecs.encode`"),
        (
            b"c_codecs\nencode\np0\n(V" + b"x" * 500 + b"\nVlatin1\ntp1\n" + b"g0\ng1\nR" * 3 + b"N.",
            "something else than its own bytes",
        ),
        (b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b"abc.", "it ends too early"),
        (b"\x80\x05\x8e" + struct.pack("<Q", 2**40) + b"abc.", "it ends too early"),
        (b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"abc.", "not its format"),
        (b"<!DOCTYPE html><html>quota exceeded</html>", "a web page"),
        (b"", "an empty file"),
        (b"PK\x03\x04 and so on", "an archive, which has to be unpacked first"),
    ],
)
def test_tricks_with_admitted_names_are_refused(store, content, says):
    with pytest.raises(ValueError, match=f"must be a pickle of arrays.*{says}"):
        read_pickle(store(content))


def test_classes_are_refused_in_pickles(store, monkeypatch):
    cls = fake_class(monkeypatch)
    with pytest.raises(ValueError, match=r"holds the name `datasets.affect.Affectdataset`"):
        read_pickle(store(instance(cls, text=1), 2))


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing.pkl` does not exist or is not a file; expected a pickle"):
        read_pickle(tmp_path / "nothing.pkl")
    with pytest.raises(FileNotFoundError, match=r"expected a file of torch.save"):
        read_torch(tmp_path)


def saved(path: Path, content, legacy):
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


@pytest.mark.parametrize("legacy", [False, True])
def test_a_saved_object_is_read_without_its_class(tmp_path, monkeypatch, legacy):
    big = torch.arange(60.0).reshape(3, 4, 5)
    attributes = {
        "text": big,
        "part": big[1:, ::2].transpose(1, 2),
        "labels": torch.tensor([[[1.0]], [[-3.0]]], dtype=torch.float64),
        "numbers": torch.arange(4),
        "empty": torch.empty(0, 3),
        "meta": np.array([[b"v", b"1", b"2"]]),
        "data": "mosei",
        "n_modalities": 3,
    }
    path = saved(tmp_path / "a.dt", instance(fake_class(monkeypatch), **attributes), legacy)
    monkeypatch.delitem(sys.modules, "datasets.affect")
    got = read_torch(path)
    assert type(got) is dict
    assert "datasets.affect" not in sys.modules
    for name, value in attributes.items():
        if isinstance(value, torch.Tensor):
            same(got[name], value.numpy())
        else:
            assert np.array_equal(got[name], value)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_dictionary_of_tensors_needs_no_object(tmp_path, legacy):
    got = read_torch(saved(tmp_path / "a.pt", {"a": torch.ones(2), "b": torch.zeros(1, dtype=torch.bool)}, legacy))
    same(got["a"], np.ones(2, np.float32))
    same(got["b"], np.zeros(1, bool))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_objects_of_the_protocols_of_torch(tmp_path, monkeypatch, protocol):
    path = torch_zip(tmp_path / "a.dt", pickle.dumps(instance(fake_class(monkeypatch), a=[1]), protocol))
    assert read_torch(path) == {"a": [1]}


def test_classes_are_neither_called_nor_given_arguments(tmp_path, monkeypatch):
    first, second = fake_class(monkeypatch), fake_class(monkeypatch, "other", "Second")
    stored = [instance(first, a=1), instance(second, b=1)]
    assert read_torch(saved(tmp_path / "a.dt", stored, legacy=False)) == [{"a": 1}, {"b": 1}]
    for call in (Loaded(first), Loaded(first, "x")):
        with pytest.raises(ValueError, match=r"a call of `datasets.affect.Affectdataset`"):
            read_torch(torch_zip(tmp_path / "a.dt", pickle.dumps(call)))
    with pytest.raises(ValueError, match="an object made with arguments"):
        read_torch(torch_zip(tmp_path / "a.dt", b"\x80\x02cmine\nSet\nK\x01\x85\x81."))
    with pytest.raises(ValueError, match=r"a int as the state of a dict"):
        read_torch(torch_zip(tmp_path / "a.dt", b"\x80\x02cmine\nSet\n)\x81K\x01b."))


@pytest.mark.parametrize("legacy", [False, True])
def test_every_cut_of_a_torch_file_is_refused(tmp_path, monkeypatch, legacy):
    path = saved(tmp_path / "a.dt", instance(fake_class(monkeypatch), text=torch.ones(30)), legacy)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 37):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"must be a file of torch.save"):
            read_torch(path)


def storage(size, shape, strides, offset=0, key="0"):
    """Pickle of a tensor with any announcement."""
    buffer = io.BytesIO()

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return ("storage", torch.FloatStorage, key, "cpu", size) if value == "here" else None

    Pickler(buffer, 2).dump(Loaded(torch._utils._rebuild_tensor_v2, "here", offset, shape, strides, False, {}))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("pickled", "says"),
    [
        (storage(4, (2, 2), (2, 1)), None),
        (storage(5, (2, 2), (2, 1)), "numbers of 20 bytes announced, 16 bytes found"),
        (storage(4, (2, 3), (2, 1)), r"a tensor of shape \(2, 3\) lies outside of its storage"),
        (storage(4, (2, 2), (3, 1)), "lies outside of its storage"),
        (storage(4, (2, 2), (2, 1), offset=1), "lies outside of its storage"),
        (storage(4, (2, 2), (2, 1), offset=-1), "an array with a wrong shape"),
        (storage(4, (10**9, 10**9), (0, 0)), "lies outside of its storage"),
        (storage(4, (2, 2), (-1, 1)), "an array with a wrong shape"),
        (storage(-4, (2, 2), (2, 1)), "a part of a storage"),
        (storage(4, (2, 2), (2, 1), key="7"), "no item named 'a/data/7'|not its format"),
    ],
)
def test_tensors_must_fit_their_storage(tmp_path, pickled, says):
    path = torch_zip(tmp_path / "a.dt", pickled, data__0=np.arange(4, dtype="<f4").tobytes())
    if says is None:
        same(read_torch(path), np.arange(4, dtype=np.float32).reshape(2, 2))
        return
    with pytest.raises(ValueError, match=f"must be a file of torch.save.*({says})"):
        read_torch(path)


def test_archives_that_torch_never_writes_are_refused(tmp_path):
    path, zeros = tmp_path / "a.dt", bytes(10**6)
    with pytest.raises(ValueError, match="a compressed part"):
        read_torch(torch_zip(path, storage(250_000, (250_000,), (1,)), zipfile.ZIP_DEFLATED, data__0=zeros))
    with pytest.raises(ValueError, match="byte order"):
        read_torch(torch_zip(path, b"N.", byteorder=b"big"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other", b"N.")
    with pytest.raises(ValueError, match="a zip archive, but not one of torch"):
        read_torch(path)
    path.write_bytes(pickle.dumps({"a": np.ones(3)}))
    with pytest.raises(ValueError, match="not of torch"):
        read_torch(path)
