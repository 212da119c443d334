"""`anysense align`: geometry of the latents of a finished `anysense classify`: DCA scores and UMAP pictures."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tyro

from anysense.common.extras import import_extra
from anysense.common.files import write_bytes
from anysense.common.progress import Progress, counter, say, stage
from anysense.common.validation import check_choice, check_seed
from anysense.representations.benchmarks import DataRequest, benchmark
from anysense.representations.evaluation.records import COMPLETE, Record, subset_name
from anysense.runs.commands.classify import ClassifyCommand, methods_of
from anysense.runs.comparisons.align_report import POINTS_FILE, against, align_report
from anysense.runs.comparisons.done import Done
from anysense.runs.comparisons.grid import Cell, JobSettings, missing_cells, run_cells
from anysense.runs.comparisons.growth import check_same, earlier_jobs, jobs_in
from anysense.runs.comparisons.report import Report, print_report, record_of, write_run_report
from anysense.runs.execute import execute
from anysense.runs.launching.settings import LAUNCHERS
from anysense.runs.next_steps import page_line, typed_next
from anysense.runs.run_folder import RunFolder, newest_run
from anysense.runs.settings import Preset, check_positive, parse, preset_in

if TYPE_CHECKING:
    from torch import Tensor

    from anysense.representations.contract import Representation
    from anysense.representations.data.samples import Samples
    from anysense.representations.evaluation.dca import DCAResult

__all__ = ["AlignCommand", "main", "report_of"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlignCommand(JobSettings):
    """Compare the geometry of complete and single-modality latents: Delaunay Component Analysis, and UMAP pictures.

    Takes the representations that a finished `anysense classify` trained; without a path those of the newest one.
    Needs the extras `dca` and `umap`.
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
    umap: bool = True
    """Draw UMAP pictures of the first seed."""

    @classmethod
    def of(cls, preset: Preset) -> AlignCommand:
        """The values of a preset."""
        if preset == "smoke":
            return cls(preset=preset, points=40, rays=200, min_cluster_size=3, umap=False)
        return cls(preset=preset, points=10_000 if preset == "paper" else 1000)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "points", "rays", "min_cluster_size")
        check_seed("points_seed", self.points_seed)

    def usual(self) -> AlignCommand:
        """The values of the preset."""
        return self.of(self.preset)

    def may_differ(self) -> Sequence[str]:
        """Where the representations lie, and the pictures."""
        return ("run", "umap", "seed")


def main(arguments: Sequence[str]) -> None:
    """Analyse every representation in a new run folder, or go on with one; then write the report."""
    execute("align", arguments, read, _work, _found, _planned)


def report_of(run: RunFolder) -> Report:
    """The report of a finished run; FileNotFoundError or ValueError where results are missing or damaged."""
    done = jobs_in(run)
    return align_report(benchmark(str(done[0].runs[0]["settings"].get("data"))), done, run)


def read(arguments: Sequence[str]) -> AlignCommand:
    """Settings from the command line."""
    preset = preset_in(arguments)
    return parse(AlignCommand.of(preset), arguments, "align", {"run": "RUN", "launcher": LAUNCHERS.names()})


def _found(settings: AlignCommand) -> tuple[AlignCommand, Sequence[str]]:
    """Find the run of `anysense classify` to look at, and check everything before anything is written."""
    if settings.run is not None:
        _check(settings, _compared(settings))
        return settings, ()
    newest = _compared(settings)
    say(f"Taking the newest comparison: {newest.path}")
    _check(settings, newest)
    return dataclasses.replace(settings, run=newest.path), (str(newest.path),)


def _planned(settings: AlignCommand) -> list[Cell]:
    return _cells(settings, _compared(settings))


def _compared(settings: AlignCommand) -> RunFolder:
    """The run that was named, or the newest one."""
    if settings.run is not None:
        run = RunFolder.open(settings.run, "classify")
        if run.status != "finished":
            raise ValueError(f"`{settings.run}` is {run.status}; finish it with `anysense classify --resume` first.")
        return run
    newest = newest_run(settings.out, ("classify",))
    if newest is None:
        raise FileNotFoundError(f"`{settings.out}` holds no finished run of `anysense classify`; run it first.")
    return newest


def _check(settings: AlignCommand, compared: RunFolder) -> None:
    from anysense.representations.files import load_representation

    import_extra("numba", "dca", "`anysense align`")
    if settings.umap and importlib.util.find_spec("umap") is None:  # Its import takes seconds.
        import_extra("umap", "umap", "a picture of latents (--no-umap does without)")
    missing = missing_cells(_cells(settings, compared), _earlier(settings, compared))
    if not missing:
        return
    for cell in missing:
        load_representation(compared.path / "jobs" / f"{cell.method}-{cell.seed}" / "representation")
    with stage(f"Data of {compared.record['settings']['data']}"), counter("data") as progress:
        test = _test_samples(compared, progress)
    if len(test) < settings.points:
        raise ValueError(f"`points` must be at most {len(test)}, the number of test samples; got {settings.points}.")


def _cells(settings: AlignCommand, compared: RunFolder) -> list[Cell]:
    return [Cell(settings, method, seed) for method, seed in _trained(compared)]


def _earlier(settings: AlignCommand, compared: RunFolder) -> list[Done]:
    """Analyses that the files of --extend hold; ValueError where those of other trainings are among them."""
    found, trained = earlier_jobs(settings, "align"), compared.record["settings"]
    if found:
        usual = ClassifyCommand.of(trained["preset"], trained["data"])
        known = methods_of(benchmark(trained["data"]))
        for job in found:
            check_choice("extend", job.method, known)
            check_same(settings.extend, job.runs[0]["settings"], trained, usual, usual.may_differ())
    return found


def _test_samples(compared: RunFolder, progress: Progress | None = None) -> Samples:
    settings = compared.record["settings"]
    request = {**settings["request"], "folder": settings["request"]["folder"] and Path(settings["request"]["folder"])}
    return benchmark(settings["data"]).load(DataRequest(**request), progress).test


def _trained(compared: RunFolder) -> list[tuple[str, int]]:
    """(method, seed) of every representation of a comparison, by seed and then as its methods were compared."""
    folders = [path.parent for path in sorted((compared.path / "jobs").glob("*/representation")) if path.is_dir()]
    names = [path.name.rpartition("-") for path in folders]
    found = [(method, int(seed)) for method, _, seed in names if method and seed.isdigit()]
    if not found:
        raise FileNotFoundError(
            f"`{compared.path}` holds no trained representation in `jobs`; name the run of a comparison that has "
            "trained some."
        )
    order = list(compared.record["settings"]["methods"] or methods_of(benchmark(compared.record["settings"]["data"])))
    return sorted(found, key=lambda one: (one[1], order.index(one[0]) if one[0] in order else len(order)))


def _work(settings: AlignCommand, run: RunFolder, device: str) -> list[str]:
    assert settings.run is not None
    compared = RunFolder.open(settings.run, "classify")
    done = run_cells(_cells(settings, compared), run, align_one, before=[record_of(compared.record)])
    report = align_report(benchmark(compared.record["settings"]["data"]), done, run)
    write_run_report(report, run, settings.docs, settings.readme)
    print_report(report)
    both = typed_next("On one page with the comparison", "report", compared.path, run.path)
    return [f"Report: {run.results('report.md')}", *page_line(run), both]


def align_one(cell: Cell, folder: Path) -> dict[str, Any]:
    """Analyse one representation. Gives plain values: records of each pair of sets."""
    import torch

    from anysense.representations.evaluation.dca import dca
    from anysense.representations.files import load_representation

    settings, compared = cell.settings, RunFolder.open(cell.settings.run, "classify")
    trained = compared.path / "jobs" / f"{cell.method}-{cell.seed}" / "representation"
    representation, test = load_representation(trained, cell.device), _test_samples(compared)
    order = torch.from_numpy(np.random.default_rng(settings.points_seed).permutation(len(test)))
    chosen = test.select(order[: settings.points])  # Drawn without replacement, the same for every representation.
    latents, records = _latents(representation, chosen), []
    for reference, evaluation, first, second in _pairs(latents, benchmark(compared.record["settings"]["data"]).label):
        found = dca(first.numpy(), second.numpy(), n_rays=settings.rays, min_cluster_size=settings.min_cluster_size)
        scores = _scores(found).items()
        records += [Record(evaluation, metric, value, against(reference)) for metric, value in scores]
    if settings.umap and cell.seed == compared.record["settings"]["seed"]:
        _embed(latents, chosen, folder)
    return {"records": [record.to_json() for record in records]}


def _latents(representation: Representation, samples: Samples) -> dict[str, Tensor]:
    """Latents of the complete samples and of each modality alone, by name."""
    from anysense.representations.evaluation.encode import encode_subsets

    names = tuple(representation.modalities)
    found = encode_subsets(representation, samples, [names, *((name,) for name in names)])
    return {subset_name(subset, len(names)): latents for subset, latents in found.items()}


def _pairs(latents: dict[str, Tensor], label: str | None) -> Iterator[tuple[str, str, Tensor, Tensor]]:
    """Pairs (R, E) as published.

    Complete against each modality, modalities against the label or the first one, and the halves of the complete set
    against each other. Latents of the label are few different ones: each counts once.
    """
    sets = {name: _unique(value) if name == label else value for name, value in latents.items()}
    names = [name for name in latents if name != COMPLETE]
    for name in names:
        yield COMPLETE, name, sets[COMPLETE], sets[name]
    for first, second in [(n, label) for n in names if n != label] if label else [(names[0], n) for n in names[1:]]:
        yield first, second, sets[first], sets[second]
    half = len(sets[COMPLETE]) // 2
    yield COMPLETE, COMPLETE, sets[COMPLETE][:half], sets[COMPLETE][half:]


def _unique(latents: Tensor) -> Tensor:
    """Different rows, to 4 decimals."""
    import torch

    different: Tensor = torch.unique((latents * 1e4).round(), dim=0)
    return different / 1e4


def _scores(found: DCAResult) -> dict[str, float]:
    from anysense.representations.evaluation.dca import dca_score

    return {
        "precision": found.precision,
        "recall": found.recall,
        "network_consistency": found.network_consistency,
        "network_quality": found.network_quality,
        "score_raw": dca_score(found, quality="raw"),
        "score_normalised": dca_score(found, quality="normalised"),
        "score_without_quality": dca_score(found, quality="none"),
        "clusters": float(found.n_clusters),
        "noise": found.noise_share,
    }


def _embed(latents: dict[str, Tensor], samples: Samples, folder: Path) -> None:
    """One UMAP of all sets together, kept for the picture."""
    from anysense.representations.evaluation.umap import umap_embedding

    content = io.BytesIO()
    arrays = umap_embedding({name: value.numpy() for name, value in latents.items()}, seed=0)
    targets = np.zeros(len(samples)) if samples.targets is None else samples.targets.numpy()
    np.savez(content, **arrays, targets=targets)  # type: ignore[arg-type]
    write_bytes(folder / POINTS_FILE, content.getvalue())
