"""Another package adds a world, a method, a family of networks, a data set and a corruption, one file each."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent / "plugin_package"


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The package, installed as pip does it, in a folder of its own."""
    folder = tmp_path_factory.mktemp("installed")
    source = tmp_path_factory.mktemp("source") / "package"
    source.mkdir()
    for path in PACKAGE.rglob("*"):
        if path.suffix in (".py", ".toml"):
            target = source / path.relative_to(PACKAGE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(folder), str(source)], check=True, capture_output=True)
    return folder


PROGRAM = """
import json, sys
from anysense.runs.cli import main
if __name__ == "__main__":
    for words in json.loads(sys.argv[1]):
        assert main(words) == 0
"""


@pytest.fixture(scope="module")
def shell(installed, tmp_path_factory):
    """Runs command lines in a fresh process, in an empty folder, with the package installed."""
    empty = tmp_path_factory.mktemp("empty")
    (empty / "program.py").write_text(PROGRAM)

    def run(*lines: tuple[str, ...]) -> str:
        environment = {**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "200"}
        done = subprocess.run(
            [sys.executable, "program.py", json.dumps(lines)],
            cwd=empty, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    run.folder = empty
    return run


def test_the_package_is_one_file_each():
    files = {path.name for path in (PACKAGE / "robot_kit").glob("*.py")}
    assert files == {"__init__.py", "world.py", "method.py", "networks.py", "dataset.py", "corruption.py"}


def test_pretrain_train_evaluate(shell):
    """With the method, the networks and the corruption of the package, in its world."""
    world = ("--env", "robots/Seeker-v0", "--preset", "smoke")
    options = ("--method", "vicreg", "--networks", "flat", "--width", "16", "--samples", "300", "--latent-dim", "6")
    output = shell(
        ("pretrain", *world, *options, "--env-option", "post=0.5", "--name", "a"),
        ("train", "--algorithm", "ppo", "--preset", "smoke", "--total-steps", "256", "--name", "a"),
        ("evaluate", "--preset", "smoke", "--episodes", "3", "--corruption", "lidar:quantised:4", "--name", "a"),
    )
    described = json.loads((shell.folder / "out/pretrain/a/representation/representation.json").read_text())
    assert (described["method"], described["networks"]["family"]) == ("vicreg", "flat")
    assert described["world"] == {"id": "robots/Seeker-v0", "options": {"post": 0.5}}
    assert {entry["name"] for entry in described["modalities"]} == {"camera", "lidar", "imu"}
    columns = (shell.folder / "out/pretrain/a/metrics.csv").read_text().splitlines()[0]
    assert "kernel_probe/lidar_to_post_x_r2" in columns
    agent = json.loads((shell.folder / "out/train/a/agent/agent.json").read_text())
    assert agent["world"] == described["world"]
    results = json.loads((shell.folder / "out/evaluate/a/results/results.json").read_text())
    assert len({(record["subset"], record["condition"]) for record in results["records"]}) == 7 + 4 + 1
    for row in ("complete (camera and imu and lidar)", "lidar, lidar:quantised:4", "random"):
        assert row in output


def test_classify_in_two_processes(shell):
    output = shell(("classify", "--data", "grips", "--preset", "smoke", "--jobs", "2", "--name", "a"))
    assert "Grips of a hand" in output
    result = json.loads((shell.folder / "out/classify/a/results/report.json").read_text())
    assert {record["method"] for record in result["records"]} == {"gmc", "vicreg"}


BAD = {
    "Did you mean 'robots/Seeker-v0'?": ("pretrain", "--env", "robots/Seekr-v0"),
    "Did you mean 'vicreg'?": ("pretrain", "--env", "robots/Seeker-v0", "--method", "vicrag"),
    "Did you mean 'flat'?": ("pretrain", "--env", "robots/Seeker-v0", "--networks", "flatt"),
    "got 'pots'": ("pretrain", "--env", "robots/Seeker-v0", "--env-option", "pots=1"),
    "has no encoder in the networks": ("pretrain", "--env", "robots/Seeker-v0", "--networks", "pendulum"),
    "'nowhere'": ("pretrain", "--env", "nowhere:Some-v0"),
    "Did you mean 'grips'?": ("classify", "--data", "gripz"),
}


def test_wrong_names_are_told_and_leave_nothing(installed, tmp_path):
    """All in one process, which knows the package by its entry points alone."""
    program = (
        "import json, sys\nfrom anysense.runs.cli import main\n"
        "for words in json.loads(sys.argv[1]):\n"
        "    print('next', main([*words, '--preset', 'smoke']), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(list(BAD.values()))],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = done.stderr.split("next 2\n")
    assert len(told) == len(BAD) + 1
    for message, text in zip(BAD, told, strict=False):
        assert message in text, text
    assert not list(tmp_path.iterdir())
