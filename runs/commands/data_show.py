"""`anysense data show DATASET`: a contact sheet of multimodal digits, and their sounds to listen to."""

import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from anysense.common.errors import unknown_name
from anysense.common.files import write_bytes
from anysense.common.progress import counter, stage
from anysense.common.validation import check_seed
from anysense.runs.commands.data import Part, use_of
from anysense.runs.figures import new_figure, write_figure
from anysense.runs.resume import advising
from anysense.runs.run_folder import RunFolder, check_place
from anysense.runs.settings import TracebackSettings, parse

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from anysense.representations.data.samples import Samples

__all__ = ["DATASETS", "PARTS", "draw_contact_sheet", "wav_bytes"]

DATASETS = ("digits", "mhd", "mhd-offline")
CLASSES, POINTS = 10, 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShowSettings(TracebackSettings):
    """Draw some samples of each class (image, spectrogram, trajectory) and write their sounds as WAV."""

    out: Path = Path("out")
    """Folder that holds all runs."""
    name: str | None = None
    """Name of the run folder; the next free number if not given."""
    seed: int = 0
    """Seed that chooses the samples shown."""
    part: Literal["train", "test"] = "test"
    """Which samples."""
    per_class: int = 2
    """Samples of each class."""
    folder: Path | None = None
    """Where the data are: the files of digits or MHD, or the cache of mhd-offline; the usual places if not given."""
    train: int = 20_000
    """Size of mhd-offline: samples to train on."""
    test: int = 4_000
    """Size of mhd-offline: samples to test on."""
    data_seed: int = 0
    """Seed that mhd-offline is made with, or that matches digits."""

    def __post_init__(self) -> None:
        check_seed("seed", self.seed)
        check_seed("data_seed", self.data_seed)
        if not 1 <= self.per_class <= 20:
            raise ValueError(f"`per_class` expected 1 to 20, got {self.per_class}.")


def draw_contact_sheet(samples: "Samples") -> "Figure":
    """Samples of MHD side by side: class, image, spectrogram and trajectory, drawn from dark to bright."""
    columns = min(CLASSES, len(samples))
    rows = -(-len(samples) // columns)
    figure = new_figure(1.15 * columns, 3.5 * rows)
    grid = figure.subplots(3 * rows, columns, squeeze=False)
    for ax in grid.flat:
        ax.set_axis_off()
    labels = [] if samples.targets is None else samples.targets.tolist()
    for index, label in enumerate(labels):
        row, column = divmod(index, columns)
        image, sound, pen = grid[3 * row : 3 * row + 3, column]
        image.set_title(str(label))
        image.imshow(samples.values["image"][index, 0].numpy(), cmap="gray", vmin=0, vmax=1)
        sound.imshow(samples.values["sound"][index, 0].numpy().T, origin="lower", aspect="auto", vmin=0, vmax=1)
        _draw_pen(pen, samples.values["trajectory"][index].numpy())
    return figure


def wav_bytes(waveform: npt.NDArray[np.float32], rate: int) -> bytes:
    """A mono WAV file of 16 bits with the waveform (n,), -1 to 1, at a rate in Hz."""
    from scipy.io import wavfile

    content = io.BytesIO()
    wavfile.write(content, rate, (np.clip(waveform, -1, 1) * 32767).round().astype("<i2"))
    return content.getvalue()


def _show(arguments: Sequence[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help"):
        parse(ShowSettings(), ["--help"], f"data show {{{','.join(DATASETS)}}}")
    dataset, rest = arguments[0], list(arguments[1:])
    if dataset not in DATASETS:
        raise ValueError(unknown_name("dataset", dataset, DATASETS))
    settings = parse(ShowSettings(), rest, f"data show {dataset}")
    check_place(settings.out / "data" / "show", settings.name)
    chosen = _some_of_each_class(_load(dataset, settings), settings.per_class, settings.seed)
    run = RunFolder.create(settings, "data/show", arguments)
    with advising(run, arguments), run.working():
        sheet = write_figure(lambda: draw_contact_sheet(chosen), run.figure("samples.png"))
        _write_sounds(chosen, run.path / "sounds")
    if sheet is not None:
        print(f"Samples: {sheet}")
    print(f"Sounds: {run.path / 'sounds'}")
    print(use_of(dataset, settings.folder))


def _load(dataset: str, settings: ShowSettings) -> "Samples":
    from anysense.representations.data.offline import load_mhd_offline
    from anysense.representations.data.readers.digits import DIGITS_FOLDER, load_digits
    from anysense.representations.data.readers.mhd import MHD_FOLDER, load_mhd

    with stage(f"Reading {dataset}"), counter("samples") as progress:
        if dataset == "digits":
            splits = load_digits(settings.folder or DIGITS_FOLDER, seed=settings.data_seed)
            train, test = splits.train, splits.test
        elif dataset == "mhd":
            train, test = load_mhd(settings.folder or MHD_FOLDER)
        else:
            train, test = load_mhd_offline(settings.train, settings.test, settings.data_seed, settings.folder, progress)
    return train if settings.part == "train" else test


def _some_of_each_class(samples: "Samples", per_class: int, seed: int) -> "Samples":
    """Random samples, one of each class after the other, ``per_class`` times; fewer where there are not as many."""
    assert samples.targets is not None
    order = np.random.default_rng(seed).permutation(len(samples))
    labels = samples.targets.numpy()[order]
    rows = [order[labels == label][:per_class] for label in range(CLASSES)]
    return samples.select([int(row[turn]) for turn in range(per_class) for row in rows if turn < len(row)])


def _write_sounds(samples: "Samples", folder: Path) -> None:
    from anysense.representations.data.readers.mhd import waveforms

    assert samples.targets is not None
    sounds = waveforms(samples, range(len(samples)))  # one second each
    for index, waveform in enumerate(sounds):
        name = f"{index:03d}-digit-{int(samples.targets[index])}.wav"
        write_bytes(folder / name, wav_bytes(waveform.numpy(), sounds.shape[1]))


def _draw_pen(ax: "Axes", trajectory: npt.NDArray[np.float32]) -> None:
    x, y = trajectory[:POINTS], trajectory[POINTS:]
    ax.plot(x, y, color="0.8", linewidth=0.8, zorder=1)
    ax.scatter(x, y, c=np.arange(POINTS), cmap="viridis", s=3, zorder=2)
    ax.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05), aspect="equal")


PARTS: Mapping[str, Part] = {"show": _show}
