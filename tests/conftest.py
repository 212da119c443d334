"""Settings of every test: no window, few threads, and files in temporary folders only."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ["COLUMNS"] = "120"  # width of help and error boxes


@pytest.fixture(scope="session", autouse=True)
def solved_tables(tmp_path_factory):
    """Keep the tables of the optimal controller for one session, so that they are solved once and nowhere else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANYSENSE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
