"""MHD, Multimodal Handwritten Digits (image, sound, trajectory, label), and its stand-in that needs no download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from anysense.common.lazy import LazyMapping
from anysense.common.progress import Progress
from anysense.representations.benchmarks.benchmark import Benchmark, DataRequest, PublishedTable, random_part
from anysense.representations.benchmarks.presets import Presets
from anysense.representations.evaluation.tasks import Classification

if TYPE_CHECKING:
    from anysense.representations.data.samples import Samples, Splits
    from anysense.representations.modality import Modality

__all__ = ["MHD", "MHD_OFFLINE"]

VALIDATION_FRACTION = 0.1
_NAMES = ("mvae", "mmvae", "nexus", "muse", "mfm", "gmc-published", "gmc", "gram-published", "gram")
METHODS = {name: name for name in _NAMES}
METHODS |= {"gmc-published": "gmc:paper", "gram-published": "gram:paper"}
ANCHOR = "image"
"""Of the published form of GRAM. With the label, of which there are ten, a batch of 64 would hold each anchor six
times, as a negative of itself."""


def _modalities() -> Mapping[str, Modality]:
    from anysense.representations.data.readers.mhd import MHD_MODALITIES

    return MHD_MODALITIES


def _read(request: DataRequest, progress: Progress | None) -> Splits:
    from anysense.representations.data.readers.mhd import load_mhd

    train, test = load_mhd(request.folder or Path("data/mhd"))
    train = random_part(train, request.train, request.data_seed, "train")
    return _splits(train, random_part(test, request.test, request.data_seed, "test"), request)


def _build(request: DataRequest, progress: Progress | None) -> Splits:
    from anysense.representations.data.offline.build import load_mhd_offline

    sizes = {"train": request.train or 20_000, "test": request.test or 4_000}
    train, test = load_mhd_offline(**sizes, seed=request.data_seed, folder=request.folder, progress=progress)
    return _splits(train, test, request)


def _splits(train: Samples, test: Samples, request: DataRequest) -> Splits:
    """Train and test as they are in the files; a tenth of the training samples is set aside for validation."""
    from anysense.representations.data.samples import Splits

    rest, validation = train.split(VALIDATION_FRACTION, request.data_seed)
    return Splits(rest, validation, test)


GRAM_PAPER = {
    "centre": False,
    "variant": "modality_anchor",
    "temperature": 0.07,
    "learn_temperature": True,
    "label_smoothing": 0.1,
    "alignment_weight": 0.1,
}
"""GRAM as published: one modality as the anchor, volumes alone. It has no joint encoder; the weight trains ours."""
_GMC = {"head_widths": (512, 512), "latent_dim": 64}
_VAE = {
    "latent_dim": 64,
    "reconstruction_weights": (("image", 1.0), ("sound", 1.0), ("trajectory", 50.0), ("label", 50.0)),
}
_LATENTS = {"latent_dim": 64, "reconstruction_weights": (("trajectory", 50.0), ("label", 50.0))}
_SUPERVISED = {"factor_dim": 64, "supervised_modality": "label", "supervised_weight": 2.0}
_IWAE = {"objective": "iwae_looser", "posterior": "laplace", "laplace_likelihood": 0.75}
_MUSE = {
    "modality_dims": (("image", 64), ("sound", 128), ("trajectory", 32), ("label", 4)),
    "top_widths": (128, 128),
}
_NEXUS = {
    "modality_dims": (("image", 64), ("sound", 128), ("trajectory", 16), ("label", 5)),
    "latent_weights": (("trajectory", 50.0), ("label", 50.0)),
    "default_latent_weight": 1.0,
    "message_dim": 512,
    "top_widths": (512, 512, 512),
    "batch_norm": True,
}
_TRAINING = {"batch_size": 64, "learning_rate": 1e-3, "keep": "last"}
_CONSTANT = {**_TRAINING, "schedule": "constant", "precision": "32"}

PRESETS = Presets(
    name="mhd",
    family="mhd",
    settings={
        "gmc": {"*": _GMC, "paper": {"centre": False, "temperature": 0.1}},
        "gram": {"*": _GMC | {"variant": "hybrid"}, "paper": GRAM_PAPER | {"anchor": ANCHOR}},
        "mfm": {"*": _VAE | _SUPERVISED, "paper": {"as_published": True}},
        "mvae": {"*": _VAE, "paper": {"separate_passes": True}},
        "mmvae": {"*": _VAE | _IWAE},
        "muse": {"*": _LATENTS | _MUSE, "smoke": {"top_widths": (32,)}},
        "nexus": {"*": _LATENTS | _NEXUS, "smoke": {"message_dim": 16, "top_widths": (32,)}},
        "triangle": {"paper": {"variant": "modality_anchor", "anchor": ANCHOR}},
    },
    method_family_settings={"mmvae": {"*": {"label_encoder": "relu-64", "decoder_batch_norm": False}}},
    training_settings={
        "smoke": _CONSTANT | {"epochs": 1},
        "default": _TRAINING | {"epochs": 10, "warmup_steps": 0},
        "paper": _CONSTANT | {"epochs": 100},
    },
)
"""``paper`` is Poklukar et al. (ICML 2022): Adam 1e-3, batch 64, 100 epochs, last weights; ``default`` is shorter."""


def _row(values: str) -> dict[str, dict[str, str]]:
    names = ("mvae", "mmvae", "nexus", "muse", "mfm", "gmc")
    return {name: {"accuracy": value} for name, value in zip(names, values.split(", "), strict=True)}


TABLE_1 = PublishedTable(
    source="Poklukar et al., ICML 2022, Table 1 (5 runs, mean and standard deviation)",
    data="MHD",
    rows={
        "complete": _row("100.0 ± 0.00, 99.81 ± 0.21, 99.98 ± 0.05, 99.99 ± 4e-5, 100.0 ± 0.00, 100.0 ± 0.00"),
        "image": _row("77.94 ± 3.16, 94.63 ± 2.61, 95.89 ± 0.34, 79.37 ± 2.75, 34.66 ± 6.48, 99.75 ± 0.03"),
        "sound": _row("61.75 ± 4.59, 69.43 ± 26.43, 39.07 ± 5.82, 41.39 ± 0.18, 10.07 ± 0.20, 93.04 ± 0.45"),
        "trajectory": _row("10.03 ± 0.06, 95.33 ± 2.56, 98.55 ± 0.34, 89.49 ± 2.44, 25.61 ± 5.41, 99.96 ± 0.02"),
        "label": _row("100.0 ± 0.00, 87.99 ± 7.49, 100.0 ± 0.00, 100.0 ± 0.00, 100.0 ± 0.00, 100.0 ± 0.00"),
    },
)

MHD = Benchmark(
    name="mhd",
    title="MHD",
    task=Classification(label="label", classes=10),
    presets=PRESETS,
    modalities=LazyMapping(_modalities),
    load=_read,
    methods=METHODS,
    data={"smoke": DataRequest(train=200, test=60), "default": DataRequest(), "paper": DataRequest()},
    published=TABLE_1,
    anchor=ANCHOR,
    split="train and test as published; a tenth of the training samples is for validation",
)
MHD_OFFLINE = replace(
    MHD,
    name="mhd-offline",
    title="mhd-offline (synthetic stand-in for MHD)",
    load=_build,
    split="other images, voices and writers in the test; a tenth of the training samples is for validation",
)
