"""Every Python block of the guides runs, in order, as one program per document."""

import re
from pathlib import Path

import pytest

from anysense.representations.benchmarks import catalogue as benchmarks
from anysense.representations.networks import catalogue as networks
from anysense.runs.cli import COMMANDS

DOCS = Path(__file__).parents[1] / "docs"
GUIDES = sorted(path.name for path in DOCS.glob("*.md"))


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / name).read_text(), re.MULTILINE | re.DOTALL)


def run(name: str) -> dict[str, object]:
    names: dict[str, object] = {"__name__": "guide"}
    for number, code in enumerate(blocks(name, "python")):
        exec(compile(code, f"{name}, block {number}", "exec"), names)
    return names


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(benchmarks, "_registered", {})
    monkeypatch.setattr(networks, "_registered", {})


def test_guide_to_representations(tmp_path):
    names = run("representations.md")
    assert names["latents"].shape == (300, 64)
    assert names["imagined"].shape == (300, 3, 16, 16)
    assert (tmp_path / "out" / "hand" / "representation" / "representation.json").is_file()


def test_guide_to_benchmarks(tmp_path):
    assert run("benchmarks.md")["code"] == 0
    report = (tmp_path / "out" / "classify" / "001" / "results" / "report.md").read_text()
    assert "| complete |" in report


@pytest.mark.parametrize("name", GUIDES)
def test_commands_exist(name):
    for line in "".join(blocks(name, "sh")).splitlines():
        program, *words = line.split("#")[0].split()
        if program == "anysense":
            assert words[0] in COMMANDS
