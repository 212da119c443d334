"""Settings of every test: no window, few threads, and files in temporary folders only."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

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


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Install a package for one test: its name, entry points by group and name, and source by module."""
    before = set(sys.modules)

    def add(name: str, points: Mapping[str, Mapping[str, str]], modules: Mapping[str, str]) -> Path:
        folder = tmp_path / "installed" / name
        about = folder / f"{name}-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [
            f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
            for group, entries in points.items()
        ]
        (about / "entry_points.txt").write_text("\n".join(lines))
        for module, source in modules.items():
            (folder / f"{module}.py").write_text(source)
        monkeypatch.syspath_prepend(str(folder))
        return folder

    yield add
    for module in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A small hub on this machine, which huggingface_hub asks during one test, with an empty cache and a token."""
    pytest.importorskip("huggingface_hub")
    from huggingface_hub import constants

    from tests.hub_server import TOKEN, HubServer

    server = HubServer()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    values = {"ENDPOINT": server.url, "HF_HUB_CACHE": str(tmp_path / "hub-cache"), "HF_HUB_DISABLE_XET": True}
    values["HUGGINGFACE_CO_URL_TEMPLATE"] = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    for name, value in values.items():
        monkeypatch.setattr(constants, name, value)
    yield server
    server.close()
