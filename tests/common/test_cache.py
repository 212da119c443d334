import sys
import warnings

import pytest

from anysense.common import cache
from anysense.common.cache import cache_folder


@pytest.fixture(autouse=True)
def _forget():
    cache._instead.cache_clear()


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
