"""Checks of a release: what must be in distributions, and which interpreters there are."""

import json
import re
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from bench.release import environments, interpreters, lowest, newcomer
from bench.release.__main__ import PARTS, main
from bench.release.wheel import check_contents, check_sdist, expected_files, only_one

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def files():
    return expected_files(ROOT)


def zipped(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**content, "anysense-0.1.0.dist-info/METADATA": b""}.items():
            archive.writestr(name, data)
    return path


def test_the_expected_files_are_those_of_the_rooms(files):
    assert files["anysense/runs/cli.py"] == ROOT / "runs" / "cli.py"
    assert "anysense/__main__.py" in files
    assert "anysense/runs/page/templates/page.css" in files
    assert "anysense/agents/pretrained/pendulum/agent/policy.safetensors" in files
    assert sum(name.endswith("py.typed") for name in files) == 6
    assert not {name for name in files if name.split("/")[1] in ("tests", "bench", "docs")}
    shipped = [
        path for room in ("agents", "common", "envs", "representations", "runs") for path in (ROOT / room).rglob("*")
    ]
    assert {path for path in shipped if path.is_file() and path.suffix != ".pyc"} <= set(files.values())


def test_a_wheel_has_what_it_must_have_and_nothing_else(files, tmp_path):
    content = {name: path.read_bytes() for name, path in files.items()}
    check_contents(zipped(tmp_path / "good.whl", content), files)
    content["tests/test_docs.py"] = b""
    content["anysense/runs/cli.py"] += b"#"
    del content["anysense/py.typed"]
    message = r"lacks anysense/py.typed; has besides tests/test_docs.py; has other bytes of anysense/runs/cli.py\."
    with pytest.raises(ValueError, match=message):
        check_contents(zipped(tmp_path / "bad.whl", content), files)


def test_an_sdist_has_no_tests(tmp_path):
    (tmp_path / "file").touch()
    good = [
        "agents",
        "anysense",
        "common",
        "envs",
        "representations",
        "runs",
        "CHANGELOG.md",
        "CITATION.cff",
        "LICENSE",
    ]
    good += [
        "MANIFEST.in",
        "PKG-INFO",
        "README.md",
        "anysense.egg-info",
        "constraints.txt",
        "pyproject.toml",
        "setup.cfg",
    ]
    for name, tops in {"good": good, "bad": [*good[1:], "tests"]}.items():
        with tarfile.open(tmp_path / f"{name}.tar.gz", "w:gz") as archive:
            for top in tops:
                archive.add(tmp_path / "file", f"anysense-0.1.0/{top}")
    check_sdist(tmp_path / "good.tar.gz")
    with pytest.raises(ValueError, match=r"besides \['tests'\] and lacks \['agents'\]"):
        check_sdist(tmp_path / "bad.tar.gz")
    with pytest.raises(FileNotFoundError, match=r"must hold one \*\.tar\.gz, got 2; build with `make dist`"):
        only_one(tmp_path, "*.tar.gz")


def test_interpreters_that_do_not_start_are_absent(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(interpreters, "fast_installer", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\nexit 127\n")  # as pyenv's, for a version that is not chosen
    shim.chmod(0o755)
    here = "{}.{}".format(*sys.version_info)
    assert interpreters.find_interpreter(here) == sys.executable
    assert interpreters.find_interpreter("3.99") is None
    assert main(["interpreters", "--python", "3.99", "--python", "3.98", "tests/common"]) == 1
    output = capsys.readouterr()
    assert output.out == "not on this machine: Python 3.99, 3.98\n"
    assert "No Python of 3.99, 3.98 was found" in output.err


def test_each_interpreter_gets_an_outcome(monkeypatch, capsys):
    made, called = [], []

    class Environment:
        @classmethod
        def make(cls, folder, python, uv):
            made.append(python)
            return cls()

        def pip(self, *arguments):
            assert arguments[:2] == ("install", "-c")

        def run(self, arguments, folder):
            called.append(arguments)
            if made[-1] == "/3.12":
                raise RuntimeError("`pytest` ended with 1")
            return 61.0

    monkeypatch.setattr(interpreters, "Environment", Environment)
    monkeypatch.setattr(interpreters, "find_interpreter", {"3.11": "/3.11", "3.12": "/3.12"}.get)
    assert main(["interpreters", "tests/common", "-x"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "not on this machine: Python 3.13, 3.14",
        "Python 3.11: passed in 1 min 01 s",
        "Python 3.12: failed (`pytest` ended with 1)",
    ]
    assert [arguments[-2:] for arguments in called] == [["tests/common", "-x"]] * 2


def test_the_lowest_versions_need_uv(monkeypatch, capsys):
    monkeypatch.setattr(lowest, "fast_installer", lambda: None)
    assert main(["lowest"]) != 0
    assert "pip install uv" in capsys.readouterr().err
    for place in lowest.TESTS:
        assert (ROOT / place).exists(), place


def test_packages_from_outside_do_not_get_in(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    environment = environments.Environment(tmp_path, None)
    code = f"import sys; sys.exit({str(ROOT)!r} in sys.path)"
    assert environment.run(["python", "-c", code], tmp_path) > 0
    with pytest.raises(RuntimeError, match="ended with 3"):
        environment.run(["python", "-c", "import sys; sys.exit(3)"], tmp_path)


def test_help_lists_the_parts(capsys):
    assert main([]) == 0
    text = capsys.readouterr().out
    assert all(f"  {part} " in text for part in PARTS)
    assert main(["whel"]) == 2
    assert "Did you mean 'wheel'?" in capsys.readouterr().err


def test_the_citation_is_of_this_version():
    yaml = pytest.importorskip("yaml")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()


def test_workflows_are_pinned_and_only_publishing_may_ask_for_an_identity():
    yaml = pytest.importorskip("yaml")
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        text = path.read_text()
        workflow = yaml.safe_load(text)
        assert workflow["permissions"] == {"contents": "read"}
        assert "secrets." not in text
        for name, job in workflow["jobs"].items():
            assert job.get("permissions", {}) == ({"id-token": "write"} if name == "publish" else {})
            for step in job["steps"]:
                assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step.get("uses", "a/b@" + "0" * 40))
                made = step["run"].split()[1:] if step.get("run", "").startswith("make ") else []
                assert all(f"\n{target}:" in (ROOT / "Makefile").read_text() for target in made)


def test_the_way_of_a_newcomer_is_walked_to_its_videos(tmp_path, monkeypatch, capsys):
    """With an environment that does nothing but leave what its commands leave."""
    typed = []

    class Walked(environments.Environment):
        @classmethod
        def make(cls, folder, python=sys.executable, uv=None):
            folder.mkdir()
            return cls(folder, uv)

        def pip(self, command, *arguments):
            typed.append(command)
            if "--dest" in arguments:
                wheels = Path(arguments[arguments.index("--dest") + 1])
                wheels.mkdir()
                (wheels / "anysense.whl").write_bytes(bytes(2_000_000))
            return 1.5

        def run(self, arguments, folder):
            typed.append(arguments[1])
            video = next(video for commands, video in newcomer.PATHS.values() if arguments in commands)
            (folder / video).parent.mkdir(parents=True)
            (folder / video).touch()
            return 2.5

    monkeypatch.setattr(newcomer, "Environment", Walked)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "anysense-1.whl").touch()
    assert main(["newcomer", str(tmp_path), "--own", "--out", str(tmp_path)]) == 0
    assert typed == ["download", "install", "evaluate", "demo"]
    assert "(downloads, 2 MB)" in capsys.readouterr().out
    steps = json.loads((tmp_path / "newcomer.json").read_text())["steps"]
    assert [step["seconds"] for step in steps] == [1.5, 1.5, 2.5, 2.5]
