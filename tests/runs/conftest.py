import itertools
import os
import subprocess
import sys

import pytest
import torch

from anysense.representations.benchmarks import BENCHMARKS, Benchmark, Presets
from anysense.representations.data import Samples, Splits
from anysense.representations.evaluation.tasks import Classification
from anysense.representations.modality import Modality
from anysense.runs.cli import main

MODALITIES = {name: Modality(name, (4,), "float32", -4.0, 5.0) for name in ("left", "right")}


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """An `out` folder with one tiny pretraining and one tiny training on it, both named `a`."""
    out = tmp_path_factory.mktemp("out")
    common = ["--preset", "smoke", "--out", str(out), "--name", "a"]
    assert main(["pretrain", *common, "--samples", "300", "--save-data"]) == 0
    assert main(["train", *common]) == 0
    return out


@pytest.fixture(scope="session")
def evaluated(trained):
    """The same with an evaluation, also named `a`."""
    common = ["--preset", "smoke", "--out", str(trained), "--name", "a"]
    assert main(["evaluate", *common, "--corruption", "image:gaussian_noise:0.1", "--dropout", "0.3"]) == 0
    return trained


@pytest.fixture(scope="session")
def classified(tmp_path_factory):
    """An `out` folder with a tiny comparison of two methods on `mhd-offline`, named `a`."""
    out = tmp_path_factory.mktemp("out")
    options = ["--preset", "smoke", "--methods", "gmc", "mfm", "--jobs", "1", "--out", str(out), "--name", "a"]
    assert main(["classify", *options, "--data", "mhd-offline", "--docs", str(out / "docs" / "digits")]) == 0
    return out


def load_tiny(request, progress=None):
    """A class that two noisy readings show."""
    generator = torch.Generator().manual_seed(request.data_seed)

    def part(count):
        labels = torch.arange(count) % 3
        noise = {name: 0.3 * torch.randn(count, 4, generator=generator).clamp(-3, 3) for name in MODALITIES}
        values = {name: torch.eye(3, 4)[labels] + noise[name] for name in MODALITIES}
        return Samples(MODALITIES, values, labels)

    return Splits(part(request.train or 48), part(20), part(request.test or 30))


@pytest.fixture(scope="session")
def tiny_benchmark():
    """A benchmark of someone's own: two small modalities and two epochs."""
    widths = {"*": {"latent_dim": 4}}
    return Benchmark(
        name="tiny",
        title="tiny (example)",
        task=Classification(classes=3),
        presets=Presets(
            name="tiny",
            family="generic",
            settings={"gmc": widths, "mvae": widths},
            training_settings={"*": {"epochs": 2, "batch_size": 24, "warmup_steps": 0}},
        ),
        modalities=MODALITIES,
        load=load_tiny,
        methods={"gmc": "gmc", "mvae": "mvae"},
    )


@pytest.fixture
def tiny(tiny_benchmark, monkeypatch):
    """The same, known during one test."""
    monkeypatch.setattr(BENCHMARKS, "_registered", {"tiny": tiny_benchmark})
    return tiny_benchmark


@pytest.fixture
def refused(capsys):
    """Runs a command that must be refused for its input, and gives the message without box and line breaks."""

    def run(*arguments):
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == 2
        return " ".join(capsys.readouterr().err.replace("│", " ").split())

    return run


@pytest.fixture(scope="session")
def shell():
    """Runs Python in a fresh process in a folder; fails unless it ends as expected."""

    def run(folder, *arguments, expected=0, environment=None):
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=folder, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == expected, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture
def read_table():
    """A function that reads the first Markdown table below a heading: cells by row and column."""

    def read(text, heading):
        below = itertools.dropwhile(lambda line: not line.startswith("|"), text[text.index(heading) :].splitlines())
        lines = [line.strip("|").split("|") for line in itertools.takewhile(lambda line: line.startswith("|"), below)]
        (_, *columns), _, *rows = [[cell.strip() for cell in line] for line in lines]
        return {name: dict(zip(columns, values, strict=True)) for name, *values in rows}

    return read
