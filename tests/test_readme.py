"""Every code block of the README runs: Python as it stands, shell commands with the preset for trying things."""

import re
import shlex
from pathlib import Path

import pytest

from anysense.runs.cli import COMMANDS, main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
SHELL = [line.split("#")[0].strip() for language, code in BLOCKS if language == "sh" for line in code.splitlines()]
TARGETS = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

TINY = {"20_000": "256"}
"""What is made smaller, so that a block runs in seconds."""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder in which a user has pretrained and trained once."""
    folder = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["pretrain", "--preset", "smoke"]) == 0
        assert main(["train", "--preset", "smoke", "--total-steps", "400"]) == 0
        yield folder


def test_only_known_kinds_of_blocks():
    assert {language for language, _ in BLOCKS} == {"python", "sh"}
    assert len(PYTHON) >= 3


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_python_blocks_run(number, workplace, monkeypatch):
    code = PYTHON[number]
    for text, smaller in TINY.items():
        code = code.replace(text, smaller)
    names: dict[str, object] = {}
    exec(compile(code, f"README.md, block {number}", "exec"), names)
    if "action" in names:
        assert names["action"].shape == (1,)


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith("anysense")])
def test_commands_run(line, workplace, capsys):
    assert main([*shlex.split(line)[1:], "--preset", "smoke"]) == 0


@pytest.mark.parametrize("line", [line for line in SHELL if not line.startswith("anysense")])
def test_make_targets_exist(line):
    program, target = line.split()
    assert program == "make"
    assert target in TARGETS


def test_every_command_is_in_the_table():
    listed = re.findall(r"^\| `anysense (\w+)` \|", README, re.MULTILINE)
    assert listed == list(COMMANDS)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target
