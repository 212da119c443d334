"""`anysense align`: geometry of the latents of a finished `anysense classify`: DCA scores and UMAP pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tyro

from anysense.common.progress import say
from anysense.representations.benchmarks import DataRequest, benchmark
from anysense.runs.comparisons.align_job import AlignJob, align_one
from anysense.runs.comparisons.align_report import Aligned, print_alignment, write_alignment
from anysense.runs.comparisons.jobs import Job, run_jobs, usual_jobs
from anysense.runs.run_folder import RunFolder, newest_run
from anysense.runs.settings import PRESETS, Preset, ResumableSettings, as_preset, parse, peek, resumed, use_machine

__all__ = ["AlignCommand", "main"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlignCommand(ResumableSettings):
    """Compare the geometry of complete and single-modality latents: Delaunay Component Analysis, and UMAP pictures.

    Takes the representations that a finished `anysense classify` trained; without RUN those of the newest one.
    """

    run: tyro.conf.Positional[Path | None] = None
    """Run folder of `anysense classify`."""
    points: int = 1000
    """Test samples in each set; published: 10 000 for MHD, all test samples for CMU-MOSEI and CMU-MOSI."""
    points_seed: int = 1212
    """Seed of the choice of samples."""
    rays: int = 10_000
    """Rays from each point."""
    min_cluster_size: int = 10
    """Points of the smallest component."""
    jobs: int | None = None
    """Representations side by side; one per processor if not given."""
    umap: bool = True
    """Draw UMAP pictures of the first seed."""
    docs: Path | None = None
    """Write the report to this file name (without ending) as well, for example docs/results/mhd-offline-alignment."""

    @classmethod
    def of(cls, preset: Preset) -> AlignCommand:
        """The values of a preset."""
        if preset == "smoke":
            return cls(preset=preset, points=40, rays=200, min_cluster_size=3, umap=False)
        return cls(preset=preset, points=10_000 if preset == "paper" else 1000)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("points", "rays", "jobs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1; got {value}.")


def main(arguments: Sequence[str]) -> None:
    """Analyse every representation in a new run folder, or go on with one; then write the report."""
    settings = read(arguments)
    if settings.resume:
        settings, run = resumed(settings, arguments, "align", read)
    device = use_machine(settings)
    compared = _compared(settings)
    if not settings.resume:
        chosen = [] if settings.run else [str(compared.path)]
        record = dataclasses.replace(settings, run=compared.path)
        run = RunFolder.create(settings.out, "align", settings.name, record, settings.seed, arguments, chosen)
    found = benchmark(compared.record["settings"]["data"])
    with run.working():
        trained = _trained(compared)
        jobs = [_job(settings, compared, run.path, entry, device) for entry in trained]
        side_by_side = min(settings.jobs or usual_jobs(), len(jobs))
        say(f"{found.title}: {len(jobs)} representations, {side_by_side} at a time")
        results = run_jobs(jobs, side_by_side, "align")
        aligned = [
            Aligned(entry["method"], entry["seed"], job.folder, result)
            for entry, job, result in zip(trained, jobs, results, strict=True)
        ]
        write_alignment(found, aligned, run, compared, settings.docs)
    print_alignment(found, aligned)
    print(f"Report: {run.results('report.md')}")


def read(arguments: Sequence[str]) -> AlignCommand:
    """Settings from the command line."""
    preset = as_preset(peek(arguments, "--preset", "default", PRESETS))
    return parse(AlignCommand.of(preset), arguments, "align")


def _compared(settings: AlignCommand) -> RunFolder:
    """The run of `anysense classify` to look at."""
    if settings.run is not None:
        run = RunFolder.open(settings.run, "classify")
        if run.status != "finished":
            raise ValueError(f"`{settings.run}` is {run.status}; finish it with `anysense classify --resume` first.")
        return run
    newest = newest_run(settings.out, ("classify",))
    if newest is None:
        raise FileNotFoundError(f"`{settings.out}` holds no finished run of `anysense classify`; run it first.")
    say(f"Taking the newest comparison: {newest.path}")
    return newest


def _trained(compared: RunFolder) -> list[dict[str, Any]]:
    """Method, seed and folder of every representation."""
    folders = sorted(path for path in (compared.path / "jobs").iterdir() if (path / "representation").is_dir())
    entries = [(path, *path.name.rpartition("-")[::2]) for path in folders]
    order = list(benchmark(compared.record["settings"]["data"]).methods)
    found = [{"method": method, "seed": int(seed), "folder": path} for path, method, seed in entries]
    return sorted(found, key=lambda entry: (entry["seed"], order.index(entry["method"])))


def _job(settings: AlignCommand, compared: RunFolder, folder: Path, entry: dict[str, Any], device: str) -> Job:
    stored = compared.record["settings"]
    request = DataRequest(**{**stored["request"], "folder": _path(stored["request"]["folder"])})
    job = AlignJob(
        data=stored["data"],
        request=request,
        representation=entry["folder"] / "representation",
        points=settings.points,
        points_seed=settings.points_seed,
        rays=settings.rays,
        min_cluster_size=settings.min_cluster_size,
        draw=settings.umap and entry["seed"] == stored["seed"],
        device=device,
        threads=settings.threads or 1,
    )
    name = f"{entry['method']}-{entry['seed']}"
    return Job(f"{entry['method']}, seed {entry['seed']}", folder / "jobs" / name, align_one, job)


def _path(value: str | None) -> Path | None:
    return None if value is None else Path(value)
