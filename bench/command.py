"""`python -m bench PART` with env, encode, pretrain, train, dca, mhd or mosei: speed and memory, side by side."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from anysense.common.errors import unknown_name
from anysense.common.files import write_json
from anysense.common.machine import machine_line, peak_memory
from anysense.common.progress import say
from anysense.runs.cli import guarded
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import PRESETS, CommonSettings, as_preset, parse, peek, use_machine
from anysense.runs.tables import print_table
from bench.measure import Figure

__all__ = ["PARTS", "BenchSettings", "main"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchSettings(CommonSettings):
    """Options of every measurement."""

    repeats: int = 5
    """How often each side is measured; the medians are reported."""
    seconds: float = 2.0
    """Shortest time of one measurement."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.repeats < 1:
            raise ValueError(f"`repeats` expected 1 or more, got {self.repeats}.")
        if not self.seconds > 0:
            raise ValueError(f"`seconds` expected more than 0, got {self.seconds}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchEnvSettings(BenchSettings):
    """Steps per second of the environment, against Gymnasium's pendulum with a frame rendered at each step."""

    num_envs: int = 64
    """Environments of the vector form with image and sound."""
    sound_envs: int = 256
    """Environments of the vector form with sound only."""

    def measure(self, device: str) -> list[Figure]:
        """Do the measurement."""
        from bench.env import bench_env

        return bench_env(self.repeats, self.seconds, self.seed, self.num_envs, self.sound_envs)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchEncodeSettings(BenchSettings):
    """Samples per second that a representation encodes, by modalities and batch size."""

    method: str = "gmc"
    """Method of the representation; --preset chooses its architecture."""
    batch_sizes: tuple[int, ...] = (1, 64, 256, 1024)
    """Batch sizes to measure."""

    def measure(self, device: str) -> list[Figure]:
        """Do the measurement."""
        from bench.encode import bench_encode

        return bench_encode(self.repeats, self.seconds, self.seed, self.method, self.preset, self.batch_sizes, device)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchPretrainSettings(BenchSettings):
    """Samples per second of pretraining, against a plain float32 loop with the same architecture and batch size."""

    samples: int = 4096
    """Samples of the data set; both sides hold it in memory."""
    batch_size: int = 128
    """Batch size of both sides."""
    precision: Literal["auto", "32", "bf16"] = "auto"
    """Precision of ours: 32, bf16 (mixed), or auto, what `anysense pretrain` takes by default."""

    def measure(self, device: str) -> list[Figure]:
        """Do the measurement."""
        from bench.pretrain import bench_pretrain

        return bench_pretrain(
            self.repeats, self.seconds, self.seed, self.samples, self.batch_size, device, self.precision
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchTrainSettings(BenchSettings):
    """Environment and training steps per second of SAC: latents encoded once, against the encoder inside the policy."""

    threads: int | None = 1
    """Processor threads of torch; 1 as in `anysense train`."""
    batch_size: int = 256
    """Batch size of SAC."""
    buffer_size: int = 1000
    """Transitions in the replay memory of each side."""

    def measure(self, device: str) -> list[Figure]:
        """Do the measurement."""
        from bench.train import bench_train

        return bench_train(self.repeats, self.seconds, self.seed, self.batch_size, self.buffer_size, device)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchDCASettings(BenchSettings):
    """Seconds and memory of Delaunay Component Analysis, by number of points."""

    repeats: int = 3
    """How often each number of points is measured; the medians are reported."""
    points: tuple[int, ...] = (1000, 4000)
    """Numbers of points, both sets together, to measure."""
    dim: int = 64
    """Features of each point."""
    rays: int = 10_000
    """Rays shot from each point."""

    def measure(self, device: str) -> list[Figure]:
        """Do the measurement."""
        from bench.dca import bench_dca

        return bench_dca(self.repeats, self.seconds, self.seed, self.points, self.dim, self.rays)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchMoseiSettings(BenchSettings):
    """Training and evaluation of supervised GMC on sequences as in CMU-MOSEI, against a plain float32 loop."""

    samples: int = 4643
    """Samples to predict from every subset of modalities."""
    batch_size: int = 24
    """Batch size of both sides in training."""

    def measure(self, device: str) -> list[Figure]:
        """Do the measurement."""
        from bench.mosei import bench_mosei

        return bench_mosei(self.repeats, self.seconds, self.seed, self.samples, self.batch_size, device)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchMHDSettings(BenchSettings):
    """Training GMC on mhd-offline against a plain float32 loop; Nexus' messages and MMVAE's DReG against row loops."""

    repeats: int = 3
    """How often each side is measured; the medians are reported."""
    threads: int | None = 1
    """Processor threads of torch; 1 as in each job of `anysense classify`."""
    samples: int = 20_000
    """Samples of mhd-offline in an epoch."""
    batch_size: int = 64
    """Batch size of both sides in training."""
    precision: Literal["auto", "32", "bf16"] = "auto"
    """Precision of ours: 32, bf16 (mixed), or auto, what `anysense classify` takes by default."""

    def measure(self, device: str) -> list[Figure]:
        """Do the measurement."""
        from bench.mhd import bench_mhd

        return bench_mhd(self.repeats, self.seconds, self.seed, self.samples, self.batch_size, device, self.precision)


Part = (
    type[BenchEnvSettings]
    | type[BenchEncodeSettings]
    | type[BenchPretrainSettings]
    | type[BenchTrainSettings]
    | type[BenchDCASettings]
    | type[BenchMHDSettings]
    | type[BenchMoseiSettings]
)
PARTS: Mapping[str, Part] = {
    "env": BenchEnvSettings,
    "encode": BenchEncodeSettings,
    "pretrain": BenchPretrainSettings,
    "train": BenchTrainSettings,
    "dca": BenchDCASettings,
    "mhd": BenchMHDSettings,
    "mosei": BenchMoseiSettings,
}

_SMOKE: dict[str, dict[str, Any]] = {
    "env": {"num_envs": 4, "sound_envs": 4},
    "encode": {"batch_sizes": (1, 4)},
    "pretrain": {"samples": 256, "batch_size": 32},
    "train": {"batch_size": 8, "buffer_size": 200},
    "dca": {"points": (60,), "dim": 3, "rays": 100},
    "mhd": {"samples": 60, "batch_size": 8},
    "mosei": {"samples": 24, "batch_size": 4},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code, as `anysense.runs.cli.main` does."""
    return guarded(measure, list(sys.argv[1:] if arguments is None else arguments))


def measure(arguments: Sequence[str]) -> None:
    """Measure one part and write a table and `results/bench.json`."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return
    part, rest = arguments[0], list(arguments[1:])
    if part not in PARTS:
        raise ValueError(unknown_name("bench", part, PARTS))
    settings = parse(_preset(part, peek(rest, "--preset", "default", PRESETS)), rest, f"bench {part}")
    device = use_machine(settings)
    run = RunFolder.create(settings.out, f"bench/{part}", settings.name, settings, settings.seed, rest)
    with run.working():
        say(f"Measuring {part}: {settings.repeats} repeats of at least {settings.seconds:g} s per side ...")
        figures = settings.measure(device)
        _write(run, part, figures)


def _preset(part: str, preset: str) -> Any:
    smoke = {"repeats": 1, "seconds": 0.01, **_SMOKE[part]} if preset == "smoke" else {}
    make: Callable[..., Any] = PARTS[part]
    return make(preset=as_preset(preset), **smoke)


def _write(run: RunFolder, part: str, figures: Sequence[Figure]) -> None:
    path = run.results("bench.json")
    entries = [dataclasses.asdict(figure) | {"median": figure.median, "reached": figure.reached} for figure in figures]
    write_json(path, {"part": part, "figures": entries, "peak_memory": peak_memory()})
    rows = [(figure.name, _number(figure.median), figure.unit, _target(figure)) for figure in figures]
    title = f"python -m bench {part} ({machine_line(run.record['machine'])})"
    print_table(title, ("figure", "median", "unit", "target"), rows)
    print(f"Peak memory {peak_memory() / 1e6:,.0f} MB. Written to {path}")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _target(figure: Figure) -> str:
    if figure.target is None:
        return ""
    return f"{'>=' if figure.at_least else '<='} {_number(figure.target)} {'reached' if figure.reached else 'missed'}"


def _help() -> str:
    parts = "\n".join(f"  {name:<10}{part.__doc__}" for name, part in PARTS.items())
    return (
        f"usage: python -m bench PART [OPTIONS]\n\nMeasure speed and memory.\n\nparts:\n{parts}\n\n"
        "python -m bench PART --help lists the options."
    )
