"""Downstream tasks of frozen representations: encoding with modalities missing, read-outs, robustness."""

import copy
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.batch import Batch
from anysense.representations.contract import Representation, Settings, SupervisedRepresentation
from anysense.representations.data.samples import Samples, Splits
from anysense.representations.evaluation.classification import ClassificationSettings, evaluate_classification
from anysense.representations.evaluation.latents import draw_missing, encode_samples, frozen, predict_samples
from anysense.representations.evaluation.sentiment import sentiment_scores
from anysense.representations.evaluation.sentiment_task import evaluate_sentiment
from anysense.representations.modality import Modality
from anysense.representations.registry import build, make_settings

SIZE = 3
TWO = {name: Modality(name, (SIZE,), "float32", -20.0, 20.0) for name in ("first", "second")}


class Sum(Representation):
    """The latent is the sum of what is there; what is absent counts as zeros."""

    method = "sum"
    settings_class = Settings
    presets = {}  # noqa: RUF012

    def __init__(self, modalities: Mapping[str, Modality] = TWO) -> None:
        super().__init__(modalities, Settings())
        self.latent_dim = SIZE
        self.scale = nn.Parameter(torch.ones(()))

    def encode_batch(self, batch: Batch) -> Tensor:
        return self.scale * torch.stack(list(batch.inputs.values())).sum(dim=0)

    def loss_batch(self, batch: Batch) -> dict[str, Tensor]:
        return {"total": self.encode_batch(batch).square().mean()}


class Noisy(Sum):
    """Batch normalisation and dropout before the sum; it notes the mode in which it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[bool, bool]] = set()
        self.layers = nn.Sequential(nn.BatchNorm1d(SIZE), nn.Dropout(0.5), nn.Linear(SIZE, SIZE))

    def encode_batch(self, batch: Batch) -> Tensor:
        modes = {module.training for module in self.modules()}
        assert len(modes) == 1
        self.seen.add((modes.pop(), torch.is_grad_enabled()))
        return self.layers(super().encode_batch(batch))


class Answer(Sum, SupervisedRepresentation):
    """Predicts the sum of all entries that are there."""

    def predict_batch(self, batch: Batch) -> Tensor:
        return self.encode_batch(batch).sum(dim=1)


def corners(labels: Tensor, second: float = 0.0) -> Samples:
    """`first` says the class, 5 times its unit vector; `second` says nothing."""
    first = 5.0 * functional.one_hot(labels, SIZE).float()
    return Samples(TWO, {"first": first, "second": torch.full_like(first, second)}, labels)


def random_samples(count: int, masked: bool = False, seed: int = 0) -> Samples:
    generator = torch.Generator().manual_seed(seed)
    values = {name: torch.randn(count, SIZE, generator=generator) for name in TWO}
    masks = {}
    if masked:
        kept = torch.rand(count, generator=generator) < 0.6
        masks = {"first": kept, "second": ~kept | (torch.rand(count, generator=generator) < 0.5)}
    labels = torch.randint(SIZE, (count,), generator=generator)
    return Samples(TWO, values, labels, masks=masks)


def gmc(seed: int = 0) -> Representation:
    settings = make_settings("gmc", benchmark="generic", latent_dim=4, common_dim=4, head_widths=(4,))
    return build("gmc", TWO, settings, seed=seed)


# Which modalities go missing


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("a", "b", "c", "d")])
def test_share_that_stays(rate: float, names: tuple[str, ...]) -> None:
    """Kept by itself, or spared as one of M when all M would go."""
    count, m = 20_000, len(names)
    kept = draw_missing(names, count, rate, seed=3)
    expected = 1 - rate + rate**m / m
    deviation = math.sqrt(expected * (1 - expected) / count)
    assert list(kept) == list(names)
    for mask in kept.values():
        assert mask.dtype == torch.bool
        assert float(mask.float().mean()) == pytest.approx(expected, abs=5 * deviation + 1e-9)
    number = torch.stack(list(kept.values())).sum(dim=0)
    assert int(number.min()) >= 1
    alone = sum(math.comb(m, k) * (1 - rate) ** k * rate ** (m - k) for k in (0, 1))
    assert float((number == 1).float().mean()) == pytest.approx(min(alone, 1.0), abs=5 * math.sqrt(0.25 / count))


def test_modalities_go_missing_independently() -> None:
    kept = draw_missing(("a", "b", "c"), 50_000, 0.4, seed=0)
    both = float((kept["a"] & kept["b"]).float().mean())
    assert both == pytest.approx(0.36, abs=5 * math.sqrt(0.36 * 0.64 / 50_000))


def test_drawing_is_repeatable_and_leaves_the_global_generator_alone() -> None:
    state = torch.random.get_rng_state()
    one, again, other = (draw_missing(("a", "b"), 500, 0.5, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_more_goes_missing_from_the_same_samples_as_the_rate_grows() -> None:
    """Whoever keeps two modalities at a high rate also has them at a lower one."""
    low, high = (torch.stack(list(draw_missing("abc", 2000, rate, 0).values())) for rate in (0.3, 0.6))
    several = high.sum(dim=0) > 1
    assert bool(low[:, several].logical_or(~high[:, several]).all())


def test_wrong_rates_and_names() -> None:
    for rate in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"`rate` must lie between 0 and 1; got"):
            draw_missing(("a",), 3, rate, 0)
    with pytest.raises(ValueError, match=r"`names` is empty; expected at least one modality"):
        draw_missing((), 3, 0.5, 0)


# Latents


def one_by_one(
    representation: Representation, samples: Samples, modalities: Iterable[str], present: Mapping[str, Tensor]
):
    """Each sample by itself with exactly the modalities that it has, that are given and that are wanted."""
    latents = []
    for row in range(len(samples)):
        masks = [samples.masks, present]
        names = [name for name in modalities if all(bool(mask[name][row]) for mask in masks if name in mask)]
        with torch.no_grad():
            latents.append(representation.encode({name: samples.values[name][row : row + 1] for name in names}))
    return torch.cat(latents)


@pytest.mark.parametrize("batch_size", [1, 4, 13, 512])
@pytest.mark.parametrize("modalities", [None, ("second", "first")])
@pytest.mark.parametrize("masked", [False, True])
def test_latents_equal_those_of_single_samples(
    batch_size: int, modalities: tuple[str, ...] | None, masked: bool
) -> None:
    samples, representation = random_samples(13, masked), gmc().eval()
    expected = one_by_one(representation, samples, TWO, {})
    torch.testing.assert_close(encode_samples(representation, samples, modalities, batch_size=batch_size), expected)


def test_masks_of_the_data_join_with_the_wanted_ones() -> None:
    samples, representation = random_samples(40, masked=True), gmc().eval()
    wanted = {"first": torch.arange(40) % 2 == 0}
    lost = samples.masks["first"] & ~samples.masks["second"]
    wanted["first"] |= lost  # Nothing would be left of these.
    found = encode_samples(representation, samples, present=wanted, batch_size=7)
    torch.testing.assert_close(found, one_by_one(representation, samples, TWO, wanted))
    assert not torch.equal(found, encode_samples(representation, samples, batch_size=7))
    whole = replace(samples, masks={})
    torch.testing.assert_close(
        encode_samples(representation, whole, present=wanted), one_by_one(representation, whole, TWO, wanted)
    )


def test_a_mask_of_a_modality_that_is_not_given_does_not_matter() -> None:
    samples, representation = random_samples(20), gmc().eval()
    samples = replace(samples, masks={"second": torch.arange(20) > 9})
    found = encode_samples(representation, samples, ("first",))
    torch.testing.assert_close(found, one_by_one(representation, samples, ("first",), {}))


def test_latents_are_plain_and_the_mode_comes_back() -> None:
    for training in (True, False):
        representation = Noisy().train(training)
        latents = encode_samples(representation, random_samples(5))
        assert (latents.dtype, latents.requires_grad, tuple(latents.shape)) == (torch.float32, False, (5, SIZE))
        assert representation.training is training
        assert representation.seen == {(False, False)}


def test_mode_comes_back_after_an_error() -> None:
    representation = Noisy()
    with pytest.raises(ZeroDivisionError), frozen(representation):
        1 / representation.training
    assert all(module.training for module in representation.modules())
    assert torch.is_grad_enabled()


def test_predictions_equal_those_of_single_samples() -> None:
    samples = random_samples(11, masked=True)
    expected = [
        sum(float(samples.values[name][row].sum()) for name in TWO if samples.masks[name][row]) for row in range(11)
    ]
    found = predict_samples(Answer(), samples, batch_size=4)
    assert (found.dtype, found.requires_grad) == (torch.float32, False)
    assert found.tolist() == pytest.approx(expected, abs=1e-5)
    only = predict_samples(Answer(), replace(samples, masks={}), ("second",))
    assert only.tolist() == pytest.approx(samples.values["second"].sum(dim=1).tolist(), abs=1e-5)


ALL, NONE = torch.ones(6, dtype=torch.bool), torch.zeros(6, dtype=torch.bool)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"modalities": ("frist",)},
            ValueError,
            r"`modalities` must be one of 'first', 'second'; got 'frist'. Did you mean",
        ),
        ({"modalities": ()}, ValueError, r"`observation` holds no data; expected at least one row of at least one of"),
        ({"present": {"frist": ALL}}, ValueError, r"`present` must be one of 'first', 'second'; got 'frist'"),
        (
            {"modalities": ("first",), "present": {"second": ALL}},
            ValueError,
            r"`present` must be one of 'first'; got 'second'",
        ),
        ({"present": {"first": ALL.int()}}, TypeError, r"`present\['first'\]` must be boolean; got torch.int32"),
        ({"present": {"first": ALL[:5]}}, ValueError, r"`present\['first'\]` must have shape \(6,\).*got \(5,\)"),
        ({"present": {"first": NONE, "second": NONE}}, ValueError, r"`present` leaves every row without any modality"),
        (
            {"present": {"first": NONE, "second": torch.arange(6) > 0}},
            ValueError,
            r"`present` leaves rows \[0\] without",
        ),
        ({"batch_size": 0}, ValueError, r"`batch_size` must be at least 1; got 0"),
    ],
)
def test_what_cannot_be_encoded(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        encode_samples(Sum(), random_samples(6), **arguments)


# Classification

RATES = (0.0, 0.3, 0.7, 1.0)
SETTINGS = ClassificationSettings(
    classifier_epochs=40,
    classifier_batch_size=16,
    classifier_learning_rate=1e-2,
    classifier_widths=(),
    missing_rates=RATES,
)
SUBSETS = [("first", "second"), ("first",), ("second",)]


def test_scores_of_a_task_with_known_answers() -> None:
    """`first` alone gives the class; without it every sample has one latent, hence one class, of a known share."""
    train = corners(torch.arange(60) % 3)
    labels = torch.tensor([0] * 70 + [1] * 20 + [2] * 10)
    test = corners(labels)
    found = evaluate_classification(Sum(), Splits(train, train, test), SUBSETS, SETTINGS, 0, label="first")
    assert found == json.loads(json.dumps(found))
    complete, first, second = found["subsets"]
    read_outs = {"accuracy", "knn", "linear"}
    assert complete == {"modalities": ["first", "second"], **dict.fromkeys(read_outs, 1.0)}
    assert first == {"modalities": ["first"], **dict.fromkeys(read_outs, 1.0)}
    shares = {0.7: 0, 0.2: 1, 0.1: 2}
    assert second["modalities"] == ["second"]
    assert all(any(second[name] == pytest.approx(share) for share in shares) for name in read_outs)

    always = next(shares[share] for share in shares if second["accuracy"] == pytest.approx(share))
    for row, rate in zip(found["robustness"], RATES, strict=False):
        kept = draw_missing(("first", "second"), 100, rate, seed=0)["first"]
        assert row["with_label"] is True
        assert row["rate"] == rate
        assert row["accuracy"] == pytest.approx(float((kept | (labels == always)).float().mean()))
    without = found["robustness"][len(RATES) :]
    expected = {"with_label": False, "accuracy": pytest.approx(second["accuracy"])}
    assert without == [{"rate": rate, **expected} for rate in RATES]


def test_alignment_and_retrieval_by_a_slow_loop() -> None:
    test = random_samples(30)
    test = replace(test, values={**test.values, "second": 0.1 * test.values["second"]})
    found = evaluate_classification(Sum(), Splits(test, test, test), SUBSETS[:1], replace(SETTINGS, neighbours=1), 0)
    assert [row["modality"] for row in found["alignment"]] == ["first", "second"]
    joint = test.values["first"] + test.values["second"]
    for row in found["alignment"]:
        own = test.values[row["modality"]]
        cosines = [[float(functional.cosine_similarity(a, b, dim=0)) for b in joint] for a in own]
        assert row["cosine"] == pytest.approx(sum(cosines[n][n] for n in range(30)) / 30, abs=1e-5)
        right = sum(max(range(30), key=cosines[n].__getitem__) == n for n in range(30))
        assert row["retrieval"] == pytest.approx(right / 30)
    assert found["subsets"][0]["knn"] == 1.0  # Its own neighbour.
    assert [row["with_label"] for row in found["robustness"]] == [True] * len(RATES)


def test_retrieval_searches_among_256_samples() -> None:
    """Blocks of 256; the rest is left out. With equal latents every one is as good: 1 of 256."""
    test = corners(torch.zeros(600, dtype=torch.int64))
    train = corners(torch.arange(12) % 3)
    found = evaluate_classification(Sum(), Splits(train, train, test), SUBSETS[:1], SETTINGS, 0)
    assert found["alignment"][0]["retrieval"] == pytest.approx(1 / 256)
    assert found["alignment"][0]["cosine"] == pytest.approx(1.0)
    assert found["alignment"][1]["cosine"] == 0.0


def test_accuracy_counts_samples_not_batches() -> None:
    """One wrong sample, alone in the last batch, is one of 1025."""
    labels = torch.arange(1025) % 3
    wrong = labels.clone()
    wrong[-1] = (labels[-1] + 1) % 3
    test = replace(corners(labels), targets=wrong)
    train = corners(torch.arange(60) % 3)
    found = evaluate_classification(Sum(), Splits(train, train, test), [("first",)], SETTINGS, 0)
    for name in ("accuracy", "knn", "linear"):
        assert found["subsets"][0][name] == pytest.approx(1024 / 1025)
    assert found["robustness"][0]["accuracy"] == pytest.approx(1024 / 1025)


@pytest.mark.parametrize("training", [True, False])
def test_the_representation_stays_as_it_is(training: bool) -> None:
    representation = Noisy()
    representation.encode({"first": torch.randn(30, SIZE, generator=torch.Generator().manual_seed(0))})
    representation.train(training)
    representation.seen.clear()
    state = copy.deepcopy(representation.state_dict())
    assert not torch.equal(state["layers.0.running_mean"], torch.zeros(SIZE))
    generator = torch.random.get_rng_state()
    splits = Splits(*(random_samples(45, seed=seed) for seed in range(3)))
    one, again = (evaluate_classification(representation, splits, SUBSETS, SETTINGS, 0) for _ in range(2))
    assert one == again
    assert representation.seen == {(False, False)}
    assert representation.training is training
    for name, value in representation.state_dict().items():
        assert value.numpy().tobytes() == state[name].numpy().tobytes(), name
    assert all(parameter.grad is None and parameter.requires_grad for parameter in representation.parameters())
    assert torch.equal(torch.random.get_rng_state(), generator)


def test_a_class_that_was_never_seen_counts_as_wrong() -> None:
    train = corners(torch.arange(40) % 2)
    test = corners(torch.tensor([0, 1, 2, 2]))
    found = evaluate_classification(Sum(), Splits(train, train, test), [("first",)], SETTINGS, 0)
    assert [found["subsets"][0][name] for name in ("accuracy", "knn", "linear")] == [0.5] * 3


def test_masked_training_data_are_read_as_they_are() -> None:
    """Training samples may lack `second`, which says nothing here."""
    train = replace(corners(torch.arange(60) % 3), masks={"second": torch.arange(60) % 2 == 0})
    found = evaluate_classification(Sum(), Splits(train, train, corners(torch.arange(9) % 3)), SUBSETS, SETTINGS, 0)
    assert found["subsets"][0]["accuracy"] == 1.0


def test_data_that_cannot_be_classified() -> None:
    labelled = corners(torch.arange(9) % 3)
    for targets, got in ((None, "none"), (torch.zeros(9), "torch.float32")):
        unlabelled = replace(labelled, targets=targets)
        for splits in (Splits(unlabelled, labelled, labelled), Splits(labelled, labelled, unlabelled)):
            message = rf"`splits` must have class labels, int64 \(N,\), as `targets`; got {got}"
            with pytest.raises(ValueError, match=message):
                evaluate_classification(Sum(), splits, SUBSETS, SETTINGS, 0)
    masked = replace(labelled, masks={"first": torch.arange(9) > 0})
    with pytest.raises(ValueError, match=r"`present` leaves rows \[0\] without any modality"):
        evaluate_classification(Sum(), Splits(labelled, labelled, masked), [("first",)], SETTINGS, 0)
    with pytest.raises(ValueError, match=r"`modalities` must be one of 'first', 'second'; got 'third'"):
        evaluate_classification(Sum(), Splits(labelled, labelled, labelled), [("third",)], SETTINGS, 0)


# Sentiment


def test_sentiment_scores_of_every_subset_and_rate() -> None:
    test = replace(random_samples(80), targets=torch.linspace(-3, 3, 80))
    representation = Answer()
    found = evaluate_sentiment(representation, Splits(test, test, test), SUBSETS, (0.0, 0.5), seed=3)
    assert found == json.loads(json.dumps(found))
    sums = {name: value.sum(dim=1) for name, value in test.values.items()}
    for row, modalities in zip(found["subsets"], SUBSETS, strict=True):
        expected = sentiment_scores(torch.stack([sums[name] for name in modalities]).sum(dim=0), test.targets)
        assert row.pop("modalities") == list(modalities)
        assert row == pytest.approx(expected, abs=1e-5)
    kept = draw_missing(TWO, 80, 0.5, seed=3)
    expected = sentiment_scores(sum(torch.where(kept[name], sums[name], 0.0) for name in TWO), test.targets)
    assert found["robustness"][1].pop("rate") == 0.5
    assert found["robustness"][1] == pytest.approx(expected, abs=1e-5)
    assert found["robustness"][0] == {"rate": 0.0, **found["subsets"][0]}
    assert representation.training


def test_sentiment_needs_targets() -> None:
    test = replace(random_samples(5), targets=None)
    with pytest.raises(ValueError, match=r"`splits` must have targets, float32 \(N,\); got none"):
        evaluate_sentiment(Answer(), Splits(test, test, test), SUBSETS, (0.0,), 0)
