"""`anysense align`: geometry of the latents of a finished `anysense classify`: DCA scores and UMAP pictures."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tyro

from anysense.common.extras import import_extra
from anysense.common.progress import counter, say, stage
from anysense.representations.benchmarks import DataRequest, benchmark
from anysense.representations.files import load_representation
from anysense.runs.comparisons.align_job import AlignJob, align_one
from anysense.runs.comparisons.align_report import align_report
from anysense.runs.comparisons.grid import Done, side_by_side
from anysense.runs.comparisons.jobs import Job, run_jobs
from anysense.runs.comparisons.report import print_report, write_run_report
from anysense.runs.execute import execute
from anysense.runs.run_folder import RunFolder, newest_run
from anysense.runs.settings import Preset, ResumableSettings, check_positive, parse, preset_in

__all__ = ["AlignCommand", "main"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlignCommand(ResumableSettings):
    """Compare the geometry of complete and single-modality latents: Delaunay Component Analysis, and UMAP pictures.

    Takes the representations that a finished `anysense classify` trained; without RUN those of the newest one. Needs
    the extras `dca` and `umap`.
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
    """Write the report to this file name (without ending) as well."""

    @classmethod
    def of(cls, preset: Preset) -> AlignCommand:
        """The values of a preset."""
        if preset == "smoke":
            return cls(preset=preset, points=40, rays=200, min_cluster_size=3, umap=False)
        return cls(preset=preset, points=10_000 if preset == "paper" else 1000)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "points", "rays", "jobs", "min_cluster_size")

    def job(self, compared: RunFolder, trained: Done, device: str) -> AlignJob:
        """What the job of one representation needs to know."""
        stored = compared.record["settings"]
        return AlignJob(
            data=stored["data"],
            request=_request(compared),
            representation=trained.folder / "representation",
            points=self.points,
            points_seed=self.points_seed,
            rays=self.rays,
            min_cluster_size=self.min_cluster_size,
            draw=self.umap and trained.seed == stored["seed"],
            device=device,
            threads=self.threads or 1,
        )


def main(arguments: Sequence[str]) -> None:
    """Analyse every representation in a new run folder, or go on with one; then write the report."""
    execute("align", arguments, read, _work, _found)


def read(arguments: Sequence[str]) -> AlignCommand:
    """Settings from the command line."""
    preset = preset_in(arguments)
    return parse(AlignCommand.of(preset), arguments, "align")


def _found(settings: AlignCommand) -> tuple[AlignCommand, Sequence[str]]:
    """Find the run of `anysense classify` to look at, and check everything before anything is written."""
    if settings.run is not None:
        run = RunFolder.open(settings.run, "classify")
        if run.status != "finished":
            raise ValueError(f"`{settings.run}` is {run.status}; finish it with `anysense classify --resume` first.")
        _check(settings, run)
        return settings, ()
    newest = newest_run(settings.out, ("classify",))
    if newest is None:
        raise FileNotFoundError(f"`{settings.out}` holds no finished run of `anysense classify`; run it first.")
    say(f"Taking the newest comparison: {newest.path}")
    _check(settings, newest)
    return dataclasses.replace(settings, run=newest.path), (str(newest.path),)


def _check(settings: AlignCommand, compared: RunFolder) -> None:
    import_extra("numba", "dca", "`anysense align`")
    if settings.umap and importlib.util.find_spec("umap") is None:  # Its import takes seconds.
        import_extra("umap", "umap", "a picture of latents (--no-umap does without)")
    for one in _trained(compared):
        load_representation(one.folder / "representation")
    found = benchmark(compared.record["settings"]["data"])
    with stage(f"Data of {found.name}"), counter("data") as progress:
        test = found.load(_request(compared), progress).test
    if len(test) < settings.points:
        raise ValueError(f"`points` must be at most {len(test)}, the number of test samples; got {settings.points}.")


def _request(compared: RunFolder) -> DataRequest:
    """The data of a comparison."""
    stored = compared.record["settings"]["request"]
    return DataRequest(**{**stored, "folder": None if stored["folder"] is None else Path(stored["folder"])})


def _trained(compared: RunFolder) -> list[Done]:
    """Every representation of a comparison, by seed and then as its methods were given."""
    folders = sorted(path for path in (compared.path / "jobs").iterdir() if (path / "representation").is_dir())
    names: list[tuple[str, str, Path]] = []
    for path in folders:
        method, _, seed = path.name.rpartition("-")
        if method and seed.isdigit():
            names.append((method, seed, path))
    if not names:
        raise FileNotFoundError(f"`{compared.path}` holds no trained representation in `jobs`.")
    order = list(benchmark(compared.record["settings"]["data"]).methods)
    found = [Done(method, int(seed), path, {}) for method, seed, path in names]
    return sorted(found, key=lambda one: (one.seed, order.index(one.method) if one.method in order else len(order)))


def _work(settings: AlignCommand, run: RunFolder, device: str) -> list[str]:
    assert settings.run is not None
    compared = RunFolder.open(settings.run, "classify")
    found, trained = benchmark(compared.record["settings"]["data"]), _trained(compared)
    jobs = [
        Job(
            f"{one.method}, seed {one.seed}",
            run.path / "jobs" / f"{one.method}-{one.seed}",
            align_one,
            settings.job(compared, one, device),
        )
        for one in trained
    ]
    at_a_time = side_by_side(settings.jobs, len(jobs))
    say(f"{found.title}: {len(jobs)} representations, {at_a_time} at a time")
    results: list[dict[str, Any]] = run_jobs(jobs, at_a_time, "align")
    done = [
        Done(one.method, one.seed, job.folder, result) for one, job, result in zip(trained, jobs, results, strict=True)
    ]
    report = align_report(found, done, run, compared)
    write_run_report(report, run, settings.docs)
    print_report(report)
    return [f"Report: {run.results('report.md')}"]
