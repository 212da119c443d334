"""What help offers works: help of every command with every choice that it lists, and a tiny run of each.

Choices are read from the help itself, so that a new one is tried as well. All happens in an empty folder, in two fresh
processes: one of the commands around agents and one of those around benchmarks, because starting one takes seconds. The
tests of the docs start one for each command of the README.
"""

import contextlib
import json
import os
import re
import subprocess
import sys

import pytest

from anysense.runs.cli import COMMANDS

PROGRAM = """
import contextlib, io, json, sys
from anysense.runs.cli import main

for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(json.loads(line))
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""
BENCHMARKS = ("align", "classify", "data", "retrieve")
ENVIRONMENT = {"COLUMNS": "1000", "SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}
"""Help in long lines; windows and sound go nowhere."""
SMOKE = ("--preset", "smoke", "--name", "a")
TINY = ("--samples", "64", "--epochs", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(scope="module")
def fresh(folder):
    """Runs command lines one after the other in the fresh process of their kind; gives what each prints."""
    with contextlib.ExitStack() as around:
        processes = [around.enter_context(started(folder)) for _ in range(2)]

        def run(*arguments):
            return processes[arguments[0] in BENCHMARKS](*arguments)

        yield run


@contextlib.contextmanager
def started(folder):
    """A fresh process, as a function that runs a command line in it."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=folder, env={**os.environ, **ENVIRONMENT}, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip

    def run(*arguments):
        process.stdin.write(json.dumps(arguments) + "\n")
        process.stdin.flush()
        code, out, error = json.loads(process.stdout.readline())
        assert code == 0, f"anysense {' '.join(arguments)}: {error}"
        return out

    yield run
    process.stdin.close()
    assert process.wait(30) == 0
    process.stdout.close()


def choices(text, option):
    """The names that help lists for an option."""
    found = re.search(rf"{option} .*?\{{([^}}]*)\}}", text)
    assert found is not None, f"help lists nothing for {option}"
    return found.group(1).split(",")


def test_help_with_every_choice(fresh):
    for command in COMMANDS:
        text = fresh(command, "--help")
        assert text.startswith(f"usage: anysense {command}")
        lists = [option for option in ("--preset", "--method", "--networks", "--algorithm", "--data") if option in text]
        for option in lists:
            if f"{option} {{" in text:
                for name in choices(text, option):
                    assert fresh(command, option, name, "--help").startswith(f"usage: anysense {command}")
        if command == "data":
            for part in re.findall(r"^  (\S+) ", text, re.MULTILINE):
                assert fresh("data", part, "--help").startswith(f"usage: anysense data {part}")
        assert ("--preset" in lists) == (command not in ("data", "play", "push", "report"))


def test_pretrain_with_every_method(fresh):
    text = fresh("pretrain", "--help")
    methods = choices(text, "--method")
    assert methods[0] == "gmc"
    for name in reversed(methods):  # The first one is the newest at last: the one that training takes.
        fresh("pretrain", "--preset", "smoke", *TINY, "--batch-size", "32", "--method", name)
    assert "generic" in choices(text, "--networks")
    fresh("pretrain", "--preset", "smoke", *TINY, "--networks", "generic", "--out", "other")


def test_train_with_every_algorithm(fresh):
    budget = ("--total-steps", "32", "--n-envs", "1", "--eval-every", "32", "--eval-episodes", "1", "--eval-steps", "5")
    more = {"ppo": ("--n-steps", "32", "--batch-size", "16")}
    for name in choices(fresh("train", "--help"), "--algorithm"):
        fresh("train", "--preset", "smoke", *budget, "--algorithm", name, *more.get(name, ()))


def test_evaluate_with_every_corruption(fresh):
    levels = {"dead_sensor": "", "frozen_sensor": ":0.5", "delay": ":2"}
    names = choices(fresh("evaluate", "--help"), "--corruption")
    corruptions = [f"image:{name}{levels.get(name, ':0.1')}" for name in names]
    printed = fresh("evaluate", *SMOKE, "--episodes", "2", "--steps", "5", "--corruption", *corruptions)
    assert all(corruption in printed for corruption in corruptions)
    for name in choices(fresh("evaluate", "--help"), "--agent"):
        assert "sound" in fresh("evaluate", "--preset", "smoke", "--episodes", "2", "--steps", "5", "--agent", name)


def test_play_by_hand_and_with_every_agent(fresh):
    pytest.importorskip("pygame")
    options = ("--steps", "2", "--fps", "1000", "--out", "nothing")
    worlds = choices(fresh("play", "--help"), "--env")
    for env in worlds[:-1]:  # The last one stands for any other.
        assert "2 steps (2 by hand" in fresh("play", *options, "--env", env)
    for name in choices(fresh("play", "--help"), "--agent"):
        assert "(0 by hand, 2 by the agent)" in fresh("play", *options, "--agent", name, "--no-sound")
        assert "(2 by hand" in fresh("play", *options, "--agent", name, "--hand", "--modalities", "sound")


def test_report(fresh, folder):
    assert "image:delay:2" in fresh("report", "out/evaluate/a")
    assert "image:delay:2" in (folder / "out/report/agents.html").read_text()


def test_push(fresh, folder):
    for run in ("out/evaluate/a", "out/pretrain/001"):
        assert "Nothing was sent" in fresh("push", run, "--repo", "me/mine", "--dry-run")
    assert (folder / "out/push/me--mine/representation.safetensors").is_file()


@pytest.mark.parametrize("data", ["mhd-offline", "mosei-offline"])
def test_classify_with_every_method(data, fresh, folder):
    methods = choices(fresh("classify", "--data", data, "--help"), "--methods")
    options = ["--preset", "smoke", "--jobs", "1", "--train", "40", "--test", "20", "--missing-rates", "0.5"]
    fresh("classify", "--data", data, "--methods", *methods, "--name", data, *options)
    report = json.loads((folder / f"out/classify/{data}/results/report.json").read_text())
    assert {record["method"] for record in report["records"]} == set(methods)


def test_align(fresh):
    classified = "out/classify/mhd-offline"
    assert "complete (halves)" in fresh("align", classified, *SMOKE, "--points", "20", "--rays", "20", "--jobs", "1")


def test_data(fresh, folder):
    sizes = ("--train", "40", "--test", "20")  # as in `test_classify_with_every_method`, which made them
    assert "train: 40 samples" in fresh("data", "mhd-offline", *sizes)
    assert "synthetic stand-in" in fresh("data", "mosei-offline", *sizes)
    fresh("data", "show", "mhd-offline", *sizes, "--per-class", "1", "--name", "a")
    assert (folder / "out/data/show/a/figures/samples.png").is_file()


def test_compare(fresh, folder):
    fresh("compare", *SMOKE, *TINY, "--steps", "100", "--episodes", "2", "--methods", "gmc", "mvae", "--jobs", "1")
    assert (folder / "out/compare/a/figures/score.png").is_file()


def test_tune(fresh, folder):
    pytest.importorskip("optuna")
    sizes = ("--train", "40", "--test", "20")  # as in `test_classify_with_every_method`, which made them
    fresh("tune", "--data", "mhd-offline", *SMOKE, *sizes, "--methods", "gmc", "--trials", "2", "--jobs", "1")
    assert (folder / "out/tune/a/results/report.html").is_file()
