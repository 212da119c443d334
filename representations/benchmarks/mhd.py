"""MHD, Multimodal Handwritten Digits (image, sound, trajectory, label), and its stand-in that needs no download."""

from dataclasses import replace
from pathlib import Path

from anysense.representations.benchmarks.benchmark import (
    Benchmark,
    DataRequest,
    Progress,
    PublishedTable,
    random_part,
)
from anysense.representations.data.offline.build import load_mhd_offline
from anysense.representations.data.readers.mhd import MHD_MODALITIES, load_mhd
from anysense.representations.data.samples import Samples, Splits
from anysense.representations.training.settings import PretrainSettings

__all__ = ["MHD", "MHD_OFFLINE"]

VALIDATION_FRACTION = 0.1
METHODS = {name: name for name in ("mvae", "mmvae", "nexus", "muse", "mfm", "gmc-published", "gmc", "gram")}
METHODS["gmc-published"] = "gmc:paper"


def _read(request: DataRequest, progress: Progress | None) -> Splits:
    train, test = load_mhd(request.folder or Path("data/mhd"))
    train = random_part(train, request.train, request.data_seed, "train")
    return _splits(train, random_part(test, request.test, request.data_seed, "test"), request)


def _build(request: DataRequest, progress: Progress | None) -> Splits:
    train, test = load_mhd_offline(
        train=request.train or 20_000,
        test=request.test or 4_000,
        seed=request.data_seed,
        folder=request.folder,
        progress=progress,
    )
    return _splits(train, test, request)


def _splits(train: Samples, test: Samples, request: DataRequest) -> Splits:
    """Train and test as they are in the files; a tenth of the training samples is set aside for validation."""
    rest, validation = train.split(VALIDATION_FRACTION, request.data_seed)
    return Splits(rest, validation, test)


_PUBLISHED_TRAINING = PretrainSettings(
    epochs=100, batch_size=64, learning_rate=1e-3, schedule="constant", keep="last", precision="32"
)
TRAINING = {
    "smoke": PretrainSettings(
        epochs=1, batch_size=64, learning_rate=1e-3, schedule="constant", keep="last", precision="32"
    ),
    "default": PretrainSettings(
        epochs=10, batch_size=64, learning_rate=1e-3, schedule="cosine", warmup_steps=0, keep="last"
    ),
    "paper": _PUBLISHED_TRAINING,
}
"""Published (Poklukar et al., 2022): Adam 1e-3, batch 64, 100 epochs, last weights; the default is shorter."""


def _row(*values: str) -> dict[str, dict[str, str]]:
    names = ("mvae", "mmvae", "nexus", "muse", "mfm", "gmc")
    return {name: {"accuracy": value} for name, value in zip(names, values, strict=True)}


TABLE_1 = PublishedTable(
    source="Poklukar et al., ICML 2022, Table 1 (5 runs, mean and standard deviation)",
    data="MHD",
    rows={
        "complete": _row(
            "100.0 ± 0.00", "99.81 ± 0.21", "99.98 ± 0.05", "99.99 ± 4e-5", "100.0 ± 0.00", "100.0 ± 0.00"
        ),
        "image": _row("77.94 ± 3.16", "94.63 ± 2.61", "95.89 ± 0.34", "79.37 ± 2.75", "34.66 ± 6.48", "99.75 ± 0.03"),
        "sound": _row("61.75 ± 4.59", "69.43 ± 26.43", "39.07 ± 5.82", "41.39 ± 0.18", "10.07 ± 0.20", "93.04 ± 0.45"),
        "trajectory": _row(
            "10.03 ± 0.06", "95.33 ± 2.56", "98.55 ± 0.34", "89.49 ± 2.44", "25.61 ± 5.41", "99.96 ± 0.02"
        ),
        "label": _row("100.0 ± 0.00", "87.99 ± 7.49", "100.0 ± 0.00", "100.0 ± 0.00", "100.0 ± 0.00", "100.0 ± 0.00"),
    },
)

MHD = Benchmark(
    name="mhd",
    title="MHD",
    task="classification",
    settings_name="mhd",
    modalities=MHD_MODALITIES,
    load=_read,
    methods=METHODS,
    training=TRAINING,
    data={
        "smoke": DataRequest(train=200, test=60),
        "default": DataRequest(),
        "paper": DataRequest(),
    },
    label="label",
    published=TABLE_1,
)
MHD_OFFLINE = replace(MHD, name="mhd-offline", title="mhd-offline (synthetic stand-in for MHD)", load=_build)
