"""Record what every command of the command line computes, each run in a process of its own."""

import os
import shlex
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anysense.agents.results import load_results
from anysense.common.cache import CACHE_VARIABLE
from anysense.common.json_files import read_json
from anysense.envs import stored_world
from anysense.representations.benchmarks import presets
from anysense.representations.evaluation.records import Record, subset_name
from bench.record.digests import array_digest, digests, exact, read_columns, weights_digest

TIME_LIMIT = 600
"""Seconds after which a command counts as hanging."""

_NOT_COMPUTED = ("seconds", "samples_per_second", "peak_memory")
_OPTIMAL = "optimal"
_OF_OPTIMUM = ("gap", "share")
_READ_OUTS = ("knn", "linear")
_SHORT = ("--samples", "300", "--epochs", "1")


@dataclass(frozen=True)
class Step:
    """One call of the command line and how its results are read.

    Attributes:
        command: Name of the command.
        name: Name of the run.
        read: Gives the record from the run folder.
        options: Further arguments; `{command/name}` stands for the folder of an earlier run.
        preset: Preset.
    """

    command: str
    name: str
    read: Callable[[Path], dict[str, Any]]
    options: Sequence[str] = ()
    preset: str = "smoke"


def record(folder: Path) -> dict[str, Any]:
    """Run all commands below ``folder`` and return the records by command and name of the run.

    Raises:
        RuntimeError: A command failed; the message has its output.
    """
    out = folder / "out"
    found: dict[str, Any] = {}
    for step in steps():
        options = ["--preset", step.preset, "--device", "cpu", "--threads", "1", "--out", str(out)]
        _run(folder, [step.command, *options, "--name", step.name, *_filled(step.options, out)])
        found.setdefault(step.command, {})[step.name] = step.read(out / step.command / step.name)
    runs = [str(out / "evaluate" / name) for name in ("sac", "second-seed")]
    _run(folder, ["report", "--out", str(folder / "docs"), "--name", "two", *runs])
    found["report"] = {"two": _by_input(_records(read_json(folder / "docs" / "two.json")))}
    return found


def steps() -> list[Step]:
    """All steps, each after those that it builds on."""
    return [*_pretraining(), *_training(), *_evaluation(), *_comparisons()]


def _pretraining() -> list[Step]:
    found = [
        Step("pretrain", name, read_pretraining, ("--method", name, *_SHORT)) for name in presets("pendulum").settings
    ]
    found.append(Step("pretrain", "agent", read_pretraining, ("--samples", "1000", "--epochs", "2")))
    for preset, method in (("default", "gmc"), ("paper", "gmc"), ("paper", "mvae")):
        options = ("--method", method, "--samples", "600", "--epochs", "1")
        found.append(Step("pretrain", f"{method}-{preset}", read_pretraining, options, preset))
    return found


def _training() -> list[Step]:
    def step(name: str, *options: str, preset: str = "smoke", on: str = "agent") -> Step:
        chosen = ("--representation", f"{{pretrain/{on}}}", *options)
        return Step("train", name, read_training, chosen, preset)

    few = ("--eval-every", "600", "--eval-episodes", "4")
    found = [step(name, "--algorithm", name) for name in ("ppo", "a2c", "sac", "td3", "ddpg", "tqc")]
    return [
        *found,
        step("second-seed", "--seed", "1"),
        step("in-policy", "--encode", "in-policy", "--total-steps", "600"),
        step("missing", "--missing", "0.3"),
        step("sound", "--modalities", "sound"),
        step("sac-default", "--total-steps", "1500", "--learning-starts", "640", *few, preset="default"),
        step("ddpg-paper", "--total-steps", "700", "--learning-starts", "300", *few, preset="paper", on="gmc-paper"),
    ]


def _evaluation() -> list[Step]:
    changes = ("--corruption", "image:gaussian_noise:0.1", "sound:frozen_sensor:0.5", "--dropout", "0.3")
    found = [Step("evaluate", name, read_evaluation, (f"{{train/{name}}}",)) for name in ("sac", "second-seed")]
    changed = Step("evaluate", "changed", read_evaluation, ("{train/sac}", *changes))
    published = Step("evaluate", "ddpg-paper", read_evaluation, ("{train/ddpg-paper}", "--episodes", "8"), "paper")
    return [*found, changed, published, Step("demo", "demo", read_demo)]


def _comparisons() -> list[Step]:
    one, digits = ("--jobs", "1"), ("--data", "mhd-offline")
    return [
        Step("classify", "mhd", read_classification, (*one, *digits)),
        Step("classify", "published", read_classification, (*one, *digits, "--methods", "gmc-published")),
        Step("classify", "mosei", read_classification, (*one, "--data", "mosei-offline")),
        Step("align", "mhd", read_alignment, (*one, "{classify/mhd}")),
        Step("align", "published", read_alignment, (*one, "--umap", "{classify/published}")),
        Step("align", "mosei", read_alignment, (*one, "{classify/mosei}")),
        Step("compare", "all", read_comparison, (*one, "--samples", "300")),
    ]


def read_pretraining(folder: Path) -> dict[str, Any]:
    """Metrics of every epoch and the weights."""
    return {**read_metrics(folder / "metrics.csv"), "weights": _weights(folder)}


def read_training(folder: Path) -> dict[str, Any]:
    """The learning curve and the weights of both exported agents."""
    weights = {name: _weights(folder / name) for name in ("agent", "last_agent")}
    return {**read_metrics(folder / "metrics.csv"), "weights": weights}


def read_evaluation(folder: Path) -> dict[str, Any]:
    """The records, and a digest of start states and returns of the episodes of each input."""
    found, episodes = load_results(folder / "results"), {}
    count = len(stored_world(found.details["world"]).modalities)
    for result in found.results:
        assert result.starts is not None
        subset = subset_name(result.modalities, count) if result.modalities else ""
        values = np.stack([*result.starts.T, result.average_reward, result.returns])
        episodes[_label(subset, result.condition) or result.name] = array_digest(values)
    episodes.pop(_OPTIMAL, None)
    return {**_by_input(found.records), "episodes": episodes}


def read_demo(folder: Path) -> dict[str, Any]:
    """All three stages."""
    return {
        "pretrain": read_pretraining(folder / "pretrain"),
        "train": read_training(folder / "train"),
        "evaluate": read_evaluation(folder),
    }


def read_classification(folder: Path) -> dict[str, Any]:
    """Scores, metrics of the training and weights of every job."""
    found = {}
    for name, path, result in _jobs(folder):
        sizes = {key: result[key] for key in ("latent_dim", "parameters", "epochs")}
        found[name] = {**_by_input(_records(result)), **sizes, **read_pretraining(path)}
    return found


def read_alignment(folder: Path) -> dict[str, Any]:
    """Scores of every pair of sets of every job, and the points of its picture."""
    found = {}
    for name, path, result in _jobs(folder):
        found[name] = _by_input(_records(result))
        if (path / "embedding.npz").is_file():
            found[name]["embedding"] = digests(dict(np.load(path / "embedding.npz")))
    return found


def read_comparison(folder: Path) -> dict[str, Any]:
    """Pretraining, training and evaluation of every job."""
    found = {}
    for name, path, result in _jobs(folder):
        found[name] = {
            **{key: result[key] for key in ("latent_dim", "parameters")},
            "pretrain": read_pretraining(path / "pretrain"),
            "train": read_training(path / "train"),
            **read_evaluation(path),
        }
    return found


def read_metrics(path: Path) -> dict[str, Any]:
    """Columns of a table of metrics without times; probes apart."""
    columns = read_columns(path)
    kept = {name: values for name, values in columns.items() if not any(word in name for word in _NOT_COMPUTED)}
    probes = {name: values for name, values in kept.items() if "probe/" in name}
    found: dict[str, Any] = {"metrics": {name: values for name, values in kept.items() if name not in probes}}
    return {**found, "probes": probes} if probes else found


def _weights(folder: Path) -> dict[str, Any]:
    """Weights of every safetensors file below a folder, by path; those of its stages and jobs are read there."""
    return {
        str(path.relative_to(folder).with_suffix("")): weights_digest(path)
        for path in sorted(folder.rglob("*.safetensors"))
        if path.relative_to(folder).parts[0] not in ("pretrain", "train", "jobs")
    }


def _jobs(folder: Path) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """Name (method-seed), folder and result of every job of a comparison."""
    for path in sorted((folder / "jobs").iterdir()):
        yield path.name, path, read_json(path / "result.json")


def _records(result: Mapping[str, Any]) -> list[Record]:
    return [Record.from_json(values) for values in result["records"]]


def _by_input(records: Iterable[Record]) -> dict[str, Any]:
    """Values by input (or reference) and metric: scores, their intervals, read-outs, and what the optimum decides."""
    found: dict[str, Any] = defaultdict(lambda: defaultdict(dict))
    for record in records:
        place = _label(record.subset, record.condition, record.seed) or record.method
        decided = record.metric in _OF_OPTIMUM or place == _OPTIMAL
        part = "reference" if decided else "read_outs" if record.metric in _READ_OUTS else "scores"
        found[part][place][record.metric] = exact(record.value)
        if record.low is not None and not decided:
            found["intervals"][place][record.metric] = exact([record.low, record.high])
    return found


def _label(subset: str, condition: str, seed: int = 0) -> str:
    """Modalities, sorted, what else was different, and the seed unless 0; nothing for references."""
    modalities = "+".join(sorted(subset.split(" + ")))
    return ", ".join(filter(None, (modalities, condition, f"seed {seed}" if seed else "")))


def _filled(options: Sequence[str], out: Path) -> list[str]:
    """The options with `{command/name}` replaced by the folder of that run."""
    return [str(out / text[1:-1]) if text.startswith("{") else text for text in options]


def _run(folder: Path, arguments: Sequence[str]) -> None:
    """Run the command line in a process of its own, with one thread and a cache below ``folder``."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    environment = {**os.environ, **threads, CACHE_VARIABLE: str(folder / "cache"), "MPLBACKEND": "Agg"}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "anysense.runs.cli", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )
    name = arguments[arguments.index("--name") + 1]
    print(f"  {time.perf_counter() - start:5.1f} s  {arguments[0]} {name}", file=sys.stderr)
    if done.returncode:
        output = f"{done.stderr}{done.stdout}"
        raise RuntimeError(f"anysense {shlex.join(arguments)} failed with {done.returncode}:\n{output}")
