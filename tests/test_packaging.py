"""The package is what the folders say: every sub-package is listed, typed and importable, and files stay neutral."""

import ast
import importlib
import os
import re
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("agents", "common", "envs", "representations", "runs")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("anysense", *parts)).removesuffix(".__init__")


MODULES = sorted(module_name(path) for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def test_the_package_list_equals_the_folders():
    folders = {module_name(path) for room in ROOMS for path in (ROOT / room).rglob("__init__.py")}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == {"anysense", *folders}
    places = {"anysense": "anysense", **{f"anysense.{room}": room for room in ROOMS}}
    assert places == PROJECT["tool"]["setuptools"]["package-dir"]


def test_every_folder_with_modules_is_a_package():
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            assert (path.parent / "__init__.py").is_file(), path


@pytest.mark.parametrize("room", ROOMS)
def test_types_are_shipped(room):
    assert (ROOT / room / "py.typed").is_file()
    assert PROJECT["tool"]["setuptools"]["package-data"]["*"] == ["py.typed"]


def test_templates_are_shipped():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["anysense.runs.page"]
    folder = ROOT / "runs" / "page"
    listed = {path for pattern in patterns for path in folder.glob(pattern)}
    assert {path.name for path in listed} == {"page.css", "page.html", "page.js"}
    assert listed == {path for path in folder.rglob("*.*") if path.suffix not in (".py", ".pyc")}


@pytest.mark.parametrize("name", MODULES)
def test_every_exported_name_exists(name):
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", [])
    assert len(set(exported)) == len(exported)
    for entry in exported:
        assert getattr(module, entry) is not None


def test_rooms_import_only_what_lies_below_them():
    order = ("common", "envs", "representations", "agents", "runs")
    below = {room: set(order[: place + 1]) for place, room in enumerate(order)}
    assert set(order) == set(ROOMS)
    for room, allowed in below.items():
        for path in (ROOT / room).rglob("*.py"):
            used = set(re.findall(r"^\s*(?:from|import) anysense\.(\w+)", path.read_text(), re.MULTILINE))
            assert used <= allowed, f"{path} imports {used - allowed}"


def test_the_console_script_exists():
    module, function = PROJECT["project"]["scripts"]["anysense"].split(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_the_tested_set_lies_in_the_stated_ranges():
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    pinned = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    extras = PROJECT["project"]["optional-dependencies"].values()
    for text in [*PROJECT["project"]["dependencies"], *(entry for extra in extras for entry in extra)]:
        requirement = Requirement(text)
        if requirement.name == "anysense":
            assert requirement.extras <= PROJECT["project"]["optional-dependencies"].keys()
            continue
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, text


def tracked_files() -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    names = listing.stdout.splitlines() or [str(path) for path in ROOT.rglob("*.*") if ".venv" not in path.parts]
    return [ROOT / name for name in names if (ROOT / name).suffix not in {".png", ".npz", ".safetensors"}]


def test_no_file_names_a_place_on_some_machine():
    places = re.compile(r"(?<![\w.])/(?:home|root|Users|work|tmp|var|opt)/\w")
    for path in tracked_files():
        if path.is_file() and path != Path(__file__):
            found = places.search(path.read_text(errors="replace"))
            assert found is None, f"{path.relative_to(ROOT)} mentions {found.group() if found else ''}"


LONGEST_FUNCTION, LONGEST_FILE = 60, 300
WRITTEN = [path for room in (*ROOMS, "bench") for path in sorted((ROOT / room).rglob("*.py"))]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_and_files_are_short(path):
    text = path.read_text()
    assert text.count("\n") <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION, f"{node.name} is too long"


def words_of_code(path):
    """(line, text) of the tokens of a file that are neither comments nor docstrings."""
    docstrings = {
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type != tokenize.COMMENT and not (token.type == tokenize.STRING and token.start[0] in docstrings):
                yield token.start[0], token.string


WORLDLESS = ("agents", "runs", *(f"representations/{room}" for room in ("data", "training", "evaluation")))


@pytest.mark.parametrize("room", WORLDLESS)
def test_no_code_outside_its_own_files_names_the_pendulum(room):
    """A world is a plug-in: training, evaluation, collection and commands know none of them."""
    for path in (ROOT / room).rglob("*.py"):
        found = [(line, word) for line, word in words_of_code(path) if "pendulum" in word.lower()]
        assert not found, f"{path.relative_to(ROOT)} names the pendulum: {found}"


def test_words_of_code_are_found(tmp_path):
    path = tmp_path / "module.py"
    path.write_text('"""Pendulum."""\n# pendulum\nx = "pendulum"\n\ndef pendulum_length():\n    """Pendulum."""\n')
    assert [word for _, word in words_of_code(path) if "endulum" in word] == ['"pendulum"', "pendulum_length"]


def test_type_checkers_see_the_package_behind_an_editable_install(tmp_path):
    subprocess.run(["make", "--silent", "types"], cwd=ROOT, check=True)
    (tmp_path / "mypy.ini").write_text(
        "[mypy]\nfollow_imports = skip\ncache_dir = cache\n[mypy-anysense.*]\nfollow_imports = silent\n"
    )
    (tmp_path / "user.py").write_text(
        "from anysense.agents.exported import Agent\n"
        "from anysense.representations import load_representation\n"
        "reveal_type(load_representation('folder'))\n"
        "Agent.load('folder').act({}, deterministic='yes')\n"
    )
    environment = {**os.environ, "MYPYPATH": str(ROOT / ".types")}
    arguments = [sys.executable, "-m", "mypy", "user.py"]
    done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "anysense.representations.contract.Representation" in done.stdout
    assert done.returncode == 1
    assert "user.py:4: error" in done.stdout
    assert "Found 1 error" in done.stdout
