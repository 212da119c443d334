import os
import pickle
import subprocess
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from anysense.common import cache
from anysense.common.cache import cache_folder, steady_caches
from anysense.envs.pendulum import optimal
from anysense.representations.data import storage
from anysense.representations.data.offline import store
from anysense.representations.data.readers.download import download
from anysense.representations.data.readers.sentiment import load_sentiment


@pytest.fixture(autouse=True)
def _forget():
    cache._instead.cache_clear()
    cache._temporary.cache_clear()


def test_the_variable_wins_and_the_folder_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("ANYSENSE_CACHE", str(tmp_path / "a" / "b"))
    assert cache_folder() == tmp_path / "a" / "b"
    assert cache_folder().is_dir()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the folder of Linux")
def test_the_folder_of_the_platform(tmp_path, monkeypatch):
    monkeypatch.delenv("ANYSENSE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "anysense"


def test_a_folder_that_cannot_be_made_is_replaced_with_one_warning(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ANYSENSE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(RuntimeWarning, match=r"`.*file/cache` cannot be made \(Not a directory\).*Set ANYSENSE_CACHE"):
        instead = cache_folder()
    assert instead.is_dir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache_folder() == instead


VARIABLES = ("NUMBA_CACHE_DIR", "MPLCONFIGDIR", "XDG_CACHE_HOME")


def test_libraries_get_folders_that_can_be_written(tmp_path, monkeypatch):
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "")  # Restored at the end, whatever is set meanwhile.
        monkeypatch.delenv(variable)
    monkeypatch.setenv("ANYSENSE_CACHE", str(tmp_path / "a"))
    monkeypatch.setenv("HOME", str(tmp_path))
    steady_caches()
    assert not any(variable in os.environ for variable in VARIABLES)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setenv("MPLCONFIGDIR", "chosen")
    steady_caches()
    assert [os.environ[variable] for variable in VARIABLES] == [f"{tmp_path}/a/numba", "chosen", f"{tmp_path}/a"]


UNKNOWN_USER = """
import os, sys, warnings
import anysense.common.cache as cache
del os.environ["HOME"], os.environ["ANYSENSE_CACHE"]
os.setuid(54321)
with warnings.catch_warnings(record=True) as seen:
    cache.steady_caches()
    assert cache.cache_folder().is_dir() and os.access(cache.cache_folder(), os.W_OK)
assert len(seen) == 1, seen
print(seen[0].message, os.environ["NUMBA_CACHE_DIR"])
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root becomes another user")
def test_a_user_without_a_home_folder(tmp_path):
    done = subprocess.run([sys.executable, "-c", UNKNOWN_USER], capture_output=True, text=True, check=False)
    assert "there is no home folder" in done.stdout, done.stderr
    assert done.stdout.strip().endswith("/numba")


def _converted(folder):
    features = {"text": 300, "audio": 5, "vision": 20}
    content = {
        split: {"labels": np.ones(1), **{name: np.ones((1, 50, size)) for name, size in features.items()}}
        for split in ("train", "valid", "test")
    }
    (folder / "mosi_data.pkl").write_bytes(pickle.dumps(content))
    load_sentiment("mosi", folder)


def _solved(folder):
    mesh = SimpleNamespace(angles=1, speeds=1, splits=[np.zeros(1, np.int32)])
    optimal._write_table(folder / "table.npz", "settings", mesh, np.zeros(1, np.float32))


WRITERS = {
    "mosi.safetensors": _converted,
    "digits.safetensors": lambda folder: store.write(folder / "digits.safetensors", store.Kept({}, {})),
    "table.npz": _solved,
    "data.npz": lambda folder: storage.write(folder / "data.npz", {"x": np.zeros(1)}, {}),
    "mhd_train.pt": lambda folder: download(folder / "mhd_train.pt", lambda file: file.write(b"x"), lambda path: None),
}


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
@pytest.mark.parametrize("name", WRITERS)
def test_what_is_kept_has_the_permissions_of_a_plain_open(name, mask, tmp_path):
    before = os.umask(mask)
    try:
        WRITERS[name](tmp_path)
        (tmp_path / "plain").write_text("")
    finally:
        os.umask(before)
    assert (tmp_path / name).stat().st_mode == (tmp_path / "plain").stat().st_mode
