"""Every block of README and guides runs as a reader would run it: in an empty folder, in order, in fresh processes."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from anysense.runs.cli import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GUIDES = [page.name for page in PAGES if page.parent.name == "docs"]
TINY = {"20_000": "256"}
"""What is made smaller, so that a block runs in seconds."""


NEEDS = r"^<!-- needs: (\w+) -->\n"
"""Stands above a block that needs another package, which is a program of its own."""


def blocks(page: Path, language: str) -> list[str]:
    text = re.sub(rf"{NEEDS}```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def blocks_with_other_packages(page: Path) -> list[str]:
    """Those whose package is installed."""
    found = re.findall(rf"{NEEDS}```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [code for needed, code in found if importlib.util.find_spec(needed) is not None]


def execute(arguments: list[str], folder: Path) -> str:
    environment = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def anysense(line: str, folder: Path) -> str:
    return execute([sys.executable, "-m", "anysense.runs.cli", *shlex.split(line)[1:]], folder)


@pytest.fixture(scope="module")
def after_demo(tmp_path_factory):
    """The folder of a reader who has called ``make demo``."""
    folder = tmp_path_factory.mktemp("reader")
    output = anysense("anysense demo --preset smoke --no-video", folder)
    assert "Agent: out/demo/001/train/agent" in output
    return folder


README_PYTHON = blocks(ROOT / "README.md", "python")
README_SHELL = [line.split("#")[0].strip() for block in blocks(ROOT / "README.md", "sh") for line in block.splitlines()]


@pytest.mark.parametrize("number", range(len(README_PYTHON)))
def test_python_blocks_of_the_readme(number, after_demo):
    code = README_PYTHON[number]
    for text, smaller in TINY.items():
        code = code.replace(text, smaller)
    if "action = " in code:
        code += "\nassert action.shape == (1,)\n"
    execute([sys.executable, "-c", code], after_demo)


@pytest.mark.parametrize("line", [line for line in README_SHELL if line.startswith("anysense")])
def test_commands_of_the_readme(line, after_demo):
    short = "--steps 10" if "--video" in line else ""  # of the clips
    anysense(f"{line} --preset smoke {short}", after_demo)


def test_make_targets_of_the_readme():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in README_SHELL:
        if not line.startswith("anysense"):
            program, target = line.split()
            assert program == "make"
            assert target in targets


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("representations.md", "out/hand/representation/representation.json"),
        ("benchmarks.md", "out/classify/001/results/report.md"),
        ("extending.md", "out/evaluate/001/results/results.json"),
        ("environments.md", "my_policy.py"),
    ],
)
def test_guides_run_as_one_program(name, made, tmp_path):
    page = ROOT / "docs" / name
    code = "\n".join([*blocks(page, "python"), *blocks_with_other_packages(page)])
    (tmp_path / "guide.py").write_text(code + "\nassert not globals().get('code')\n")
    execute([sys.executable, "guide.py"], tmp_path)
    assert (tmp_path / made).is_file()


def test_the_package_of_the_guide_is_that_of_the_tests():
    (block,) = blocks(ROOT / "docs" / "extending.md", "toml")
    assert block.strip() in (ROOT / "tests" / "plugin_package" / "pyproject.toml").read_text()


def test_only_known_kinds_of_blocks():
    for page in PAGES:
        assert set(re.findall(r"^```(\w+)$", page.read_text(), re.MULTILINE)) <= {"python", "sh", "toml", "yaml"}, page
    assert len(README_PYTHON) >= 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page):
    for line in "".join(blocks(page, "sh")).splitlines():
        program, *words = line.split("#")[0].split() or [""]
        if program == "anysense":
            assert words[0] in COMMANDS


def test_every_command_is_in_the_table():
    listed = re.findall(r"^\| `anysense (\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("room", ["agents", "envs", "representations"])
def test_the_reference_has_every_public_name(room):
    module = importlib.import_module(f"anysense.{room}")
    listed = re.findall(rf"^::: anysense\.{room}\.(\w+)$", (ROOT / f"docs/api/{room}.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(module.__all__)
    for name in listed:
        assert getattr(module, name).__doc__


def test_every_page_is_on_the_site():
    settings = (ROOT / "mkdocs.yml").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        assert f" {page.relative_to(ROOT / 'docs')}\n" in settings, page


def test_the_tutorial(after_demo):
    page = ROOT / "docs/tutorial.md"
    steps = [line for line in "".join(blocks(page, "sh")).splitlines() if line.startswith("anysense")]
    assert len(set(steps) & set(README_SHELL)) >= 4  # which another test runs
    (code,) = blocks(page, "python")
    printed = execute([sys.executable, "-c", code], after_demo)
    assert float(printed.split()[-1]) > -3  # from wherever it starts, far above what it gets without torque
