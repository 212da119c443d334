"""Every notebook runs from top to bottom as it stands, in one fresh process and an empty folder, with tiny settings."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
SMALL = {
    "evaluate": ["--preset", "smoke", "--episodes", "2", "--steps", "10"],
    "pretrain": ["--preset", "smoke", "--samples", "200", "--epochs", "1"],
    "train": ["--preset", "smoke", "--total-steps", "600"],
}
"""Options of commands that make them small; others of the same name in the notebook are left out."""
INSTALL = '%pip install -q "{package}[video]"'
PROGRAM = """
import sys, types
from pathlib import Path

shown = []
module = types.ModuleType("IPython.display")
module.Video = lambda place, embed: shown.append(place) or (embed and Path(place).read_bytes())
module.display = lambda content: print("displayed", len(content) > 1000)
sys.modules["IPython.display"] = module
from anysense.runs.cli import main
"""
"""In the place of what only a notebook has."""


def cells(path, kind="code"):
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


def as_program(source):
    """A cell as plain Python: commands of the shell become calls in this process, with small settings."""
    lines = []
    for line in source.splitlines():
        if line.startswith("!anysense "):
            _, command, *options = shlex.split(line)
            small = SMALL[command]
            for name in small[::2]:
                if name in options:
                    place = options.index(name)
                    del options[place : place + 2]
            lines.append(f"assert main({[command, *options, *small]}) == 0")
        elif not line.startswith("%pip install "):
            lines.append(line)
    return "\n".join(lines).replace(
        "RecordVideoWithSound(env,", "RecordVideoWithSound(gymnasium.wrappers.TimeLimit(env, 8),"
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs(path, tmp_path):
    pytest.importorskip("av")
    first, *rest = ["".join(cell["source"]) for cell in cells(path)]
    assert first.splitlines()[-1] == INSTALL
    code = "\n".join([PROGRAM, *map(as_program, rest), "assert len(shown) == 3"])
    environment = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("displayed True") == 3
    assert "average reward on sound alone: -" in done.stdout
    assert (tmp_path / "out" / "evaluate" / "002" / "clips" / "sound.mp4").is_file()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_the_first_cell_installs_what_is_there(path, tmp_path, monkeypatch):
    (tmp_path / "anysense" / "docs" / "notebooks").mkdir(parents=True)
    project = tmp_path / "anysense"

    def installed(folder):
        monkeypatch.chdir(folder)
        found = {}
        exec("".join(cells(path)[0]["source"]).replace(INSTALL, ""), found)
        return str(found["package"])

    assert installed(tmp_path) == "anysense"
    for name in ("pyproject.toml", "anysense/__init__.py"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).touch()
    assert installed(tmp_path) == installed(project / "docs" / "notebooks") == str(project)
    wheels = [project / "dist" / "anysense-0.1.0-py3-none-any.whl", tmp_path / "anysense-0.2.0-py3-none-any.whl"]
    wheels[0].parent.mkdir()
    wheels[0].touch()
    assert installed(tmp_path) == installed(project / "docs" / "notebooks") == str(wheels[0])
    wheels[1].touch()
    assert installed(tmp_path) == str(wheels[1])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_has_no_outputs_and_is_linked(path):
    assert cells(path)
    for cell in cells(path):
        assert (cell["outputs"], cell["execution_count"]) == ([], None)
    place = path.relative_to(ROOT).as_posix()
    assert f"]({place})" in (ROOT / "README.md").read_text()
    assert f"]({place.removeprefix('docs/')})" in (ROOT / "docs" / "tutorial.md").read_text()
    identities = [cell["id"] for kind in ("code", "markdown") for cell in cells(path, kind)]
    assert len(set(identities)) == len(identities)
