"""A data set of somebody's package, which other processes find as well, and what a comparison of it found."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from anysense.runs.cli import main

SECONDS_TO_START = 240.0
"""How long jobs and nodes may take to begin, and to be missed; a busy machine needs far more than a quiet one."""
MODULE = '''
"""Three classes that two readings show."""

import os
import sys
import time

import torch

from anysense.representations.benchmarks import Benchmark, Presets
from anysense.representations.data import Samples, Splits
from anysense.representations.evaluation.tasks import Classification
from anysense.representations.modality import Modality

MODALITIES = {name: Modality(name, (4,), "float32", -4.0, 5.0) for name in ("left", "right")}


def load(request, progress=None):
    print("reading", file=sys.stderr)
    while os.path.exists(os.environ.get("ANYSENSE_TEST_HOLD", "")):
        time.sleep(0.05)
    generator = torch.Generator().manual_seed(request.data_seed)

    def part(count):
        labels = torch.arange(count) % 3
        noise = {name: 0.3 * torch.randn(count, 4, generator=generator).clamp(-3, 3) for name in MODALITIES}
        return Samples(MODALITIES, {name: torch.eye(3, 4)[labels] + noise[name] for name in MODALITIES}, labels)

    return Splits(part(48), part(20), part(30))


DATA = Benchmark(
    name="readings",
    title="Readings (example)",
    task=Classification(classes=3),
    presets=Presets(
        name="readings",
        family="generic",
        settings={"gmc": {"*": {"latent_dim": 4}}},
        training_settings={"*": {"epochs": 2, "batch_size": 24, "warmup_steps": 0}},
    ),
    modalities=MODALITIES,
    load=load,
    methods={"gmc": "gmc"},
)
'''


@pytest.fixture
def readings(install):
    """The folder of a package with the data set `readings`."""
    return install("readings_kit", {"anysense.benchmarks": {"readings": "readings_kit:DATA"}}, {"readings_kit": MODULE})


@pytest.fixture
def classify(readings, tmp_path, monkeypatch):
    """Runs a comparison of one method in a run folder of this name."""
    monkeypatch.setattr("anysense.runs.comparisons.report.write_figure", lambda draw, path: None)
    monkeypatch.setattr("anysense.runs.comparisons.report.write_run_page", lambda report, run: None)

    def run(name, *options):
        common = ["--data", "readings", "--preset", "smoke", "--out", str(tmp_path), "--name", name]
        assert main(["classify", *common, *options]) == 0
        return tmp_path / "classify" / name

    return run


def found(run: Path) -> dict[str, tuple[object, bytes]]:
    """What the jobs of a run found: records, and the bytes of the representation."""
    results = {path.parent: json.loads(path.read_text()) for path in run.glob("jobs/*/result.json")}
    return {
        folder.name: (result["records"], (folder / "representation/representation.safetensors").read_bytes())
        for folder, result in results.items()
    }


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait for something; AssertionError if it does not come."""
    end = time.monotonic() + SECONDS_TO_START
    while not happened():
        assert time.monotonic() < end, "this did not happen"
        time.sleep(0.02)
