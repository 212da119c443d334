"""CMU-MOSEI and CMU-MOSI (text, audio, vision; sentiment in [-3, 3]), and a stand-in that needs no download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from anysense.common.lazy import LazyMapping
from anysense.common.progress import Progress
from anysense.representations.benchmarks.benchmark import Benchmark, DataRequest, PublishedTable, random_part
from anysense.representations.benchmarks.presets import Presets
from anysense.representations.evaluation.tasks import Sentiment

if TYPE_CHECKING:
    from anysense.representations.data.samples import Splits
    from anysense.representations.modality import Modality

__all__ = ["MOSEI", "MOSEI_OFFLINE", "MOSI"]

VALIDATION_SHARE = 0.115
"""Validation samples per training sample, as in CMU-MOSEI."""


def _modalities(name: str) -> Mapping[str, Modality]:
    from anysense.representations.data.readers.sentiment import SENTIMENT_MODALITIES

    return SENTIMENT_MODALITIES(name)


def _read(name: str, request: DataRequest, progress: Progress | None) -> Splits:
    from anysense.representations.data.readers.sentiment import load_sentiment
    from anysense.representations.data.samples import Splits

    splits = load_sentiment(name, request.folder or Path("data") / name)
    train = random_part(splits.train, request.train, request.data_seed, "train")
    return Splits(train, splits.validation, random_part(splits.test, request.test, request.data_seed, "test"))


def _build(request: DataRequest, progress: Progress | None) -> Splits:
    from anysense.representations.data.offline.sentiment import load_mosei_offline

    sizes: dict[str, int] = {}
    if request.train is not None:
        sizes = {"train": request.train, "validation": max(20, round(VALIDATION_SHARE * request.train))}
    if request.test is not None:
        sizes["test"] = request.test
    return load_mosei_offline(**sizes, seed=request.data_seed, progress=progress)


_SOONER = {"layers": 2, "centre": True, "contrast_weight": 0.1, "supervise_modalities": True}
_TRAINING = {"batch_size": 24, "learning_rate": 1e-3, "gradient_clip": 0.8, "keep": "last"}

PRESETS = Presets(
    name="sentiment",
    family="sentiment",
    settings={
        "transformer": {"smoke": {"layers": 1}, "default": {"layers": 2}},
        "transformer-dropout": {"smoke": {"layers": 1}, "default": {"layers": 2}},
        "gmc-supervised": {"smoke": {"layers": 1}, "default": _SOONER},
        "gram-supervised": {
            "smoke": {"layers": 1},
            "default": _SOONER,
            "paper": {"temperature": 0.07, "label_smoothing": 0.1},
        },
    },
    training_settings={
        "smoke": {**_TRAINING, "epochs": 1, "schedule": "constant"},
        "default": {**_TRAINING, "epochs": 4, "warmup_steps": 0},
        "paper": {**_TRAINING, "epochs": 40, "schedule": "plateau", "precision": "32"},
    },
)
"""``paper`` is Poklukar et al. (ICML 2022): Adam 1e-3, batch 24, 40 epochs, gradient norm 0.8, last weights.

``default`` has smaller transformers, and makes good predictions from every modality after hundreds of steps instead of
tens of thousands.
"""


def _row(baseline: str, gmc: str) -> dict[str, dict[str, str]]:
    columns = ("mae", "correlation", "f1_swapped", "accuracy")
    rows = {"baseline": baseline, "gmc": gmc}
    return {name: dict(zip(columns, values.split(", "), strict=True)) for name, values in rows.items()}


TABLE_4 = PublishedTable(
    source="Poklukar et al., ICML 2022, Table 4 (5 runs, mean and standard deviation)",
    data="CMU-MOSEI",
    rows={
        "complete": _row(
            "0.643 ± 0.019, 0.664 ± 0.004, 0.809 ± 0.003, 80.75 ± 0.28",
            "0.634 ± 0.008, 0.653 ± 0.004, 0.798 ± 0.008, 79.73 ± 0.69",
        ),
        "text": _row(
            "0.805 ± 0.028, 0.427 ± 0.061, 0.713 ± 0.086, 66.53 ± 9.86",
            "0.712 ± 0.015, 0.590 ± 0.013, 0.779 ± 0.005, 77.85 ± 0.36",
        ),
        "audio": _row(
            "0.873 ± 0.065, 0.090 ± 0.062, 0.622 ± 0.122, 53.17 ± 9.47",
            "0.837 ± 0.008, 0.256 ± 0.007, 0.676 ± 0.015, 65.59 ± 0.62",
        ),
        "vision": _row(
            "1.025 ± 0.164, 0.110 ± 0.060, 0.574 ± 0.095, 44.33 ± 9.40",
            "0.845 ± 0.010, 0.278 ± 0.011, 0.655 ± 0.003, 65.02 ± 0.28",
        ),
    },
)

MOSEI = Benchmark(
    name="mosei",
    title="CMU-MOSEI",
    task=Sentiment(),
    presets=PRESETS,
    modalities=LazyMapping(partial(_modalities, "mosei")),
    load=partial(_read, "mosei"),
    methods={
        "baseline": "transformer",
        "dropout": "transformer-dropout",
        "gmc": "gmc-supervised",
        "gram": "gram-supervised",
    },
    data={"smoke": DataRequest(train=120, test=60), "default": DataRequest(), "paper": DataRequest()},
    published=TABLE_4,
    split="as published",
)
MOSI = replace(
    MOSEI,
    name="mosi",
    title="CMU-MOSI",
    modalities=LazyMapping(partial(_modalities, "mosi")),
    load=partial(_read, "mosi"),
    published=None,
)
MOSEI_OFFLINE = replace(
    MOSEI,
    name="mosei-offline",
    title="mosei-offline (synthetic stand-in for CMU-MOSEI)",
    load=_build,
    data={**MOSEI.data, "default": DataRequest(train=4_000)},
    split="other speakers in each part",
)
