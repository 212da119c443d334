"""Packages that are compiled where they run: their code is kept where it can be."""

import importlib

import numba
import numba.core.caching
import pytest

from anysense.common.extras import import_extra


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """Neither the folder of the code nor that of the user can be written; the cache of anysense can."""
    for name in ("InTreeCacheLocator", "UserWideCacheLocator"):
        locator = getattr(numba.core.caching, name, None) or getattr(numba.core.caching, f"_{name}")
        monkeypatch.setattr(locator, "from_function", classmethod(lambda *arguments: None))
    monkeypatch.setattr(numba.core.config, "CACHE_DIR", "")
    monkeypatch.setenv("ANYSENSE_CACHE", str(tmp_path / "cache"))


def test_compiled_code_needs_no_folder_of_its_own(nowhere, install, tmp_path):
    source = "import numba\n\n@numba.njit(cache=True)\ndef twice(x):\n    return 2 * x\n"
    install("kit", {}, {"compiled_kit": source})
    with pytest.raises(RuntimeError, match="no locator available"):
        importlib.import_module("compiled_kit")
    assert import_extra("compiled_kit", "kit", "this test").twice(2) == 4
    assert list((tmp_path / "cache" / "numba").rglob("*.nbc"))
