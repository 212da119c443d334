"""Benchmarks by name: their data, subsets, methods and published values."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anysense.representations.benchmarks import (
    BENCHMARKS,
    PRESET_NAMES,
    Benchmark,
    DataRequest,
    benchmark,
    benchmark_names,
    presets,
)
from anysense.representations.benchmarks import mhd as mhd_module
from anysense.representations.benchmarks import sentiment as sentiment_module
from anysense.representations.benchmarks.benchmark import random_part
from anysense.representations.data.offline import sentiment as sentiment_offline
from anysense.representations.data.readers import mhd as mhd_reader
from anysense.representations.data.readers import sentiment as sentiment_reader
from anysense.representations.data.samples import Samples, Splits
from anysense.representations.evaluation.tasks import Classification, Sentiment
from anysense.representations.modality import Modality
from anysense.representations.registry import METHODS

TINY = DataRequest(train=60, test=40)
BUILT_IN = ("digits", "digits-speakers", "mfeat", "mhd", "mhd-offline", "mosei", "mosi", "mosei-offline")
BAD = r"`{}` must be at most {}, what the files hold; got {}"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Splits, DataRequest]:
    """A tiny `mhd-offline`, and the request it was made for."""
    request = replace(TINY, folder=tmp_path_factory.mktemp("digits"))
    return benchmark("mhd-offline").load(request, None), request


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Benchmark:
    """A benchmark of someone's own; forgotten afterwards."""
    touch = {"touch": Modality("touch", (2,), "float32")}
    samples = Samples(touch, {"touch": torch.zeros(4, 2)}, torch.arange(4) % 2)
    monkeypatch.setattr(BENCHMARKS, "_registered", {})
    return Benchmark(
        name="own",
        title="Own",
        task=Classification(),
        presets=presets("generic"),
        modalities=touch,
        load=lambda request, progress: Splits(samples, samples, samples),
        methods={"gmc": "gmc"},
    )


def same(one: Samples, other: Samples) -> bool:
    return all(torch.equal(value, other.values[name]) for name, value in one.values.items())


# What is there


def test_names() -> None:
    assert benchmark_names()[: len(BUILT_IN)] == BUILT_IN
    for name in BUILT_IN:
        assert benchmark(name).name == name
    with pytest.raises(
        ValueError, match=r"`data` must be one of 'digits', .*; got 'mhd-ofline'. Did you mean 'mhd-offline'"
    ):
        benchmark("mhd-ofline")


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_method_and_preset_of_a_benchmark_exists(name: str) -> None:
    found = benchmark(name)
    assert set(found.data) == set(PRESET_NAMES)
    for entry in found.methods.values():
        method, _, preset = entry.partition(":")
        assert preset in ("", *PRESET_NAMES)
        assert method in found.presets.methods
        assert METHODS.get(method).needs_target is isinstance(found.task, Sentiment)


def test_titles_say_which_data_are_synthetic() -> None:
    for name in BUILT_IN:
        assert ("synthetic" in benchmark(name).title) is name.endswith("-offline")


def test_published_training() -> None:
    """Poklukar et al. (2022): Adam with 1e-3; 100 epochs of batches of 64, and 40 of 24 with the gradient clipped."""
    for name in ("digits", "mhd", "mhd-offline"):
        paper = presets(name).training("paper")
        assert (paper.epochs, paper.batch_size, paper.learning_rate, paper.schedule) == (100, 64, 1e-3, "constant")
        assert (paper.gradient_clip, paper.keep, paper.ema_decay) == (None, "last", None)
    for name in ("mosei", "mosi", "mosei-offline"):
        paper = presets(name).training("paper")
        assert (paper.epochs, paper.batch_size, paper.learning_rate, paper.schedule) == (40, 24, 1e-3, "plateau")
        assert (paper.gradient_clip, paper.keep, paper.ema_decay) == (0.8, "last", None)


# Published values


@pytest.mark.parametrize("name", BUILT_IN)
def test_published_tables_speak_of_methods_and_inputs_of_the_benchmark(name: str) -> None:
    found = benchmark(name)
    if found.published is None:
        assert name in ("digits", "digits-speakers", "mfeat", "mosi")
        return
    assert found.published.data in ("MHD", "CMU-MOSEI")
    assert list(found.published.rows) == ["complete", *found.modalities]
    methods = {tuple(row) for row in found.published.rows.values()}
    assert len(methods) == 1
    assert set(*methods) <= set(found.methods)
    columns = {tuple(values) for row in found.published.rows.values() for values in row.values()}
    sentiment = ("mae", "correlation", "f1_swapped", "accuracy")
    expected = {("accuracy",)} if isinstance(found.task, Classification) else {sentiment}
    assert columns == expected
    for row in found.published.rows.values():
        for values in row.values():
            for text in values.values():
                mean, deviation = map(float, text.split(" ± "))
                assert 0 <= mean <= 100
                assert 0 <= deviation < 30


def test_published_values() -> None:
    digits = mhd_module.TABLE_1.rows
    assert digits["image"]["gmc"]["accuracy"] == "99.75 ± 0.03"
    assert digits["sound"]["mmvae"]["accuracy"] == "69.43 ± 26.43"
    assert digits["trajectory"]["mvae"]["accuracy"] == "10.03 ± 0.06"
    assert digits["label"]["mmvae"]["accuracy"] == "87.99 ± 7.49"
    assert digits["complete"]["nexus"]["accuracy"] == "99.98 ± 0.05"
    assert [digits["image"][name]["accuracy"][:5] for name in ("muse", "mfm")] == ["79.37", "34.66"]
    opinions = sentiment_module.TABLE_4.rows
    assert opinions["text"]["gmc"] == {
        "mae": "0.712 ± 0.015",
        "correlation": "0.590 ± 0.013",
        "f1_swapped": "0.779 ± 0.005",
        "accuracy": "77.85 ± 0.36",
    }
    assert opinions["vision"]["baseline"]["mae"] == "1.025 ± 0.164"
    assert opinions["complete"]["baseline"]["accuracy"] == "80.75 ± 0.28"
    assert opinions["audio"]["gmc"]["correlation"] == "0.256 ± 0.007"


# Subsets


@pytest.mark.parametrize("name", BUILT_IN)
def test_subsets_come_complete_first_then_smaller_ones_in_order(name: str) -> None:
    found = benchmark(name)
    names = tuple(found.modalities)
    expected = [chosen for size in range(len(names), 0, -1) for chosen in itertools.combinations(names, size)]
    assert found.subsets() == expected
    assert len(expected) == 2 ** len(names) - 1


def test_subsets_by_hand() -> None:
    assert benchmark("mosei").subsets() == [
        ("text", "audio", "vision"),
        ("text", "audio"),
        ("text", "vision"),
        ("audio", "vision"),
        ("text",),
        ("audio",),
        ("vision",),
    ]


# Data


def test_digits_are_split_into_three_parts(digits: tuple[Splits, DataRequest]) -> None:
    splits, request = digits
    found = benchmark("mhd-offline")
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [54, 6, 40]
    for part in (splits.train, splits.validation, splits.test):
        assert part.modalities == found.modalities
        assert part.targets.dtype == torch.int64
        assert torch.equal(part.values["label"].argmax(dim=1), part.targets)
    assert found.label == "label"
    assert list(found.modalities) == ["image", "sound", "trajectory", "label"]
    assert any(request.folder.iterdir())
    images = torch.cat([splits.train.values["image"], splits.validation.values["image"]]).flatten(1)
    assert len(images.unique(dim=0)) == 60


def test_digits_are_the_same_when_they_are_read_again(digits: tuple[Splits, DataRequest]) -> None:
    splits, request = digits
    again = benchmark("mhd-offline").load(request, None)
    for part in ("train", "validation", "test"):
        assert getattr(again, part).fingerprint() == getattr(splits, part).fingerprint()


def test_opinions_have_the_sizes_asked_for() -> None:
    done: list[tuple[int, int]] = []
    found = benchmark("mosei-offline")
    splits = found.load(replace(TINY, data_seed=3), lambda now, whole: done.append((now, whole)))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [60, 20, 40]
    assert done[-1] == (120, 120)
    for part in (splits.train, splits.validation, splits.test):
        assert part.modalities == found.modalities
        assert part.targets.dtype == torch.float32
        assert part.details["seed"] == 3
    assert not same(splits.test, found.load(TINY, None).test)


def test_validation_of_opinions_grows_with_training(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}
    monkeypatch.setattr(sentiment_offline, "load_mosei_offline", lambda **sizes: asked.update(sizes))
    benchmark("mosei-offline").load(DataRequest(train=4000), None)
    assert asked == {"train": 4000, "validation": 460, "seed": 0, "progress": None}
    asked.clear()
    benchmark("mosei-offline").load(DataRequest(test=30), None)
    assert asked == {"test": 30, "seed": 0, "progress": None}


def numbered(count: int, kind: str) -> Samples:
    """Samples that say which row they are."""
    modalities = {"touch": Modality("touch", (1,), "float32")}
    return Samples(
        modalities, {"touch": torch.arange(count).float()[:, None]}, torch.arange(count), details={"is": kind}
    )


def rows_of(samples: Samples) -> list[int]:
    return samples.targets.tolist()


def test_parts_of_the_published_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of MHD a tenth of the training samples is for validation; the sentiment sets have a part for it."""
    folders = []

    def load_mhd(folder: Path) -> tuple[Samples, Samples]:
        folders.append(folder)
        return numbered(200, "train"), numbered(50, "test")

    monkeypatch.setattr(mhd_reader, "load_mhd", load_mhd)
    whole = benchmark("mhd").load(DataRequest(), None)
    assert [len(part) for part in (whole.train, whole.validation, whole.test)] == [180, 20, 50]
    assert sorted(rows_of(whole.train) + rows_of(whole.validation)) == list(range(200))
    some = benchmark("mhd").load(DataRequest(folder=tmp_path, train=60, test=40), None)
    assert [len(part) for part in (some.train, some.validation, some.test)] == [54, 6, 40]
    assert len({*rows_of(some.train), *rows_of(some.validation)}) == 60
    assert folders == [Path("data/mhd"), tmp_path]
    with pytest.raises(ValueError, match=BAD.format("train", 200, 201)):
        benchmark("mhd").load(DataRequest(train=201), None)
    with pytest.raises(ValueError, match=BAD.format("test", 50, 51)):
        benchmark("mhd").load(DataRequest(test=51), None)


@pytest.mark.parametrize("name", ["mosei", "mosi"])
def test_parts_of_the_sentiment_files(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def load_sentiment(dataset: str, folder: Path) -> Splits:
        asked.append((dataset, folder))
        return Splits(numbered(100, "train"), numbered(30, "validation"), numbered(50, "test"))

    monkeypatch.setattr(sentiment_reader, "load_sentiment", load_sentiment)
    whole = benchmark(name).load(DataRequest(), None)
    assert [len(part) for part in (whole.train, whole.validation, whole.test)] == [100, 30, 50]
    some = benchmark(name).load(DataRequest(folder=tmp_path, train=60, test=40), None)
    assert [len(part) for part in (some.train, some.validation, some.test)] == [60, 30, 40]
    assert asked == [(name, Path("data") / name), (name, tmp_path)]
    with pytest.raises(ValueError, match=BAD.format("test", 50, 51)):
        benchmark(name).load(DataRequest(test=51), None)


def test_random_part_is_a_fixed_draw_without_replacement() -> None:
    samples = numbered(100, "train")
    one, again, other = (rows_of(random_part(samples, 30, seed, "train")) for seed in (0, 0, 1))
    assert one == again != other
    assert len(set(one)) == 30
    assert rows_of(random_part(samples, 20, 0, "train")) == one[:20]
    assert random_part(samples, None, 0, "train") is samples
    assert sorted(rows_of(random_part(samples, 100, 0, "train"))) == list(range(100))


# Requests and registration


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": 19}, r"`train` must be at least 20 samples; got 19"),
        ({"test": 0}, r"`test` must be at least 20 samples; got 0"),
        ({"data_seed": -1}, r"`data_seed` must be a whole number from 0 to 4294967295, got -1"),
    ],
)
def test_wrong_requests(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DataRequest(**changes)


def test_own_benchmark(own: Benchmark) -> None:
    BENCHMARKS.register("own", own)
    assert benchmark("own") is own
    assert benchmark_names()[-1] == "own"
    assert own.subsets() == [("touch",)]
    assert own.published is None
    assert own.label is None
    newer = replace(own, title="Newer")
    BENCHMARKS.register("own", newer)
    assert benchmark("own").title == "Newer"
    with pytest.raises(ValueError, match=r"`data` must be one of .*'own'; got 'owm'. Did you mean 'own'"):
        benchmark("owm")
    with pytest.raises(ValueError, match=r"`name` 'mhd' is taken by a built-in benchmark; choose another name"):
        BENCHMARKS.register("mhd", own)
