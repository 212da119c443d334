"""Tasks of frozen representations: what is recorded, and what is refused."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from anysense.representations.data import Splits
from anysense.representations.evaluation.encode import draw_missing
from anysense.representations.evaluation.read_outs import fit_logistic, fit_neighbours
from anysense.representations.evaluation.records import Record
from anysense.representations.evaluation.sentiment_scores import sentiment_scores
from anysense.representations.evaluation.tasks import (
    Classification,
    ClassificationSettings,
    Sentiment,
    Task,
    TaskSettings,
)
from tests.representations.evaluation.known import SIZE, TWO, Answer, Noisy, Sum, corners, random_samples

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
READ_OUTS = ("accuracy", "knn", "linear")


def values_of(records: list[Record], condition: str = "") -> dict[tuple[str, str], float]:
    """Values by subset and metric."""
    return {(one.subset, one.metric): one.value for one in records if one.condition == condition}


def test_scores_of_a_task_with_known_answers() -> None:
    """`first` alone gives the class; without it every sample has one latent, hence one class, of a known share."""
    train = corners(torch.arange(60) % 3)
    labels = torch.tensor([0] * 70 + [1] * 20 + [2] * 10)
    task = Classification(label="first", classes=3)
    records = task.evaluate(Sum(), Splits(train, train, corners(labels)), SETTINGS, 0)
    assert [Record.from_json(record.to_json()) for record in records] == records
    assert {record.metric for record in records} == {column.key for column in (*task.columns, *task.alignment)}
    found = values_of(records)
    assert all(found[subset, name] == 1.0 for subset in ("complete", "first") for name in READ_OUTS)
    shares = {0.7: 0, 0.2: 1, 0.1: 2}
    assert all(any(found["second", name] == pytest.approx(share) for share in shares) for name in READ_OUTS)

    always = next(shares[share] for share in shares if found["second", "accuracy"] == pytest.approx(share))
    with_label, without = task.curves(records)
    assert [rate for rate, _ in with_label[1]] == [rate for rate, _ in without[1]] == list(RATES)
    for rate, condition in with_label[1]:
        kept = draw_missing(2, 100, rate, seed=0)[0]
        expected = float((kept | (labels == always)).float().mean())
        assert values_of(records, condition) == {("", "accuracy"): pytest.approx(expected)}
    assert without[0] == "first never given"
    for _, condition in without[1]:
        assert values_of(records, condition) == {("", "accuracy"): pytest.approx(found["second", "accuracy"])}


def test_only_the_wanted_subsets_are_scored() -> None:
    splits = Splits(*(corners(torch.arange(60) % 3) for _ in range(3)))
    records = Classification().evaluate(Sum(), splits, SETTINGS, 0, subsets=[("second",)])
    assert {subset for subset, metric in values_of(records) if metric == "knn"} == {"second"}
    assert [label for label, _ in Classification().curves(records)] == ["any modality"]


def test_alignment_and_retrieval_by_a_slow_loop() -> None:
    test = random_samples(30)
    test = replace(test, values={**test.values, "second": 0.1 * test.values["second"]})
    settings = replace(SETTINGS, neighbours=1)
    found = values_of(Classification().evaluate(Sum(), Splits(test, test, test), settings, 0, SUBSETS[:1]))
    joint = test.values["first"] + test.values["second"]
    for name in TWO:
        own = test.values[name]
        cosines = [[float(functional.cosine_similarity(a, b, dim=0)) for b in joint] for a in own]
        assert found[name, "cosine"] == pytest.approx(sum(cosines[n][n] for n in range(30)) / 30, abs=1e-5)
        right = sum(max(range(30), key=cosines[n].__getitem__) == n for n in range(30))
        assert found[name, "retrieval"] == pytest.approx(right / 30)
    assert found["complete", "knn"] == 1.0  # Its own neighbour.


def test_retrieval_searches_among_256_samples() -> None:
    """Blocks of 256; the rest is left out. With equal latents every one is as good: 1 of 256."""
    test = corners(torch.zeros(600, dtype=torch.int64))
    train = corners(torch.arange(12) % 3)
    found = values_of(Classification().evaluate(Sum(), Splits(train, train, test), SETTINGS, 0, SUBSETS[:1]))
    assert found["first", "retrieval"] == pytest.approx(1 / 256)
    assert found["first", "cosine"] == pytest.approx(1.0)
    assert found["second", "cosine"] == 0.0


def test_accuracy_counts_samples_not_batches() -> None:
    """One wrong sample, alone in the last batch, is one of 1025."""
    labels = torch.arange(1025) % 3
    wrong = labels.clone()
    wrong[-1] = (labels[-1] + 1) % 3
    test = replace(corners(labels), targets=wrong)
    train = corners(torch.arange(60) % 3)
    records = Classification().evaluate(Sum(), Splits(train, train, test), SETTINGS, 0, [("first",)])
    for name in READ_OUTS:
        assert values_of(records)["first", name] == pytest.approx(1024 / 1025)
    assert values_of(records, "missing 0")["", "accuracy"] == pytest.approx(1024 / 1025)


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
    one, again = (Classification().evaluate(representation, splits, SETTINGS, 0) for _ in range(2))
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
    found = values_of(Classification().evaluate(Sum(), Splits(train, train, test), SETTINGS, 0, [("first",)]))
    assert [found["first", name] for name in READ_OUTS] == [0.5] * 3


def test_masked_training_data_are_read_as_they_are() -> None:
    """Training samples may lack `second`, which says nothing here."""
    train = replace(corners(torch.arange(60) % 3), masks={"second": torch.arange(60) % 2 == 0})
    splits = Splits(train, train, corners(torch.arange(9) % 3))
    assert values_of(Classification().evaluate(Sum(), splits, SETTINGS, 0))["complete", "accuracy"] == 1.0


def test_data_that_cannot_be_classified() -> None:
    labelled, task = corners(torch.arange(9) % 3), Classification()
    for targets, got in ((None, "none"), (torch.zeros(9), "torch.float32")):
        unlabelled = replace(labelled, targets=targets)
        for splits in (Splits(unlabelled, labelled, labelled), Splits(labelled, labelled, unlabelled)):
            message = rf"`splits` must have class labels, int64 \(N,\), as `targets`; got {got}"
            with pytest.raises(ValueError, match=message):
                task.evaluate(Sum(), splits, SETTINGS, 0)
    whole = Splits(labelled, labelled, labelled)
    masked = replace(labelled, masks={"first": torch.arange(9) > 0})
    with pytest.raises(ValueError, match=r"`present` leaves rows \[0\] without any modality"):
        task.evaluate(Sum(), replace(whole, test=masked), SETTINGS, 0, [("first",)])
    with pytest.raises(ValueError, match=r"`modalities` must be one of 'first', 'second'; got 'third'"):
        task.evaluate(Sum(), whole, SETTINGS, 0, [("third",)])
    with pytest.raises(ValueError, match=r"`neighbours` must be at most the number of training samples, 9"):
        task.evaluate(Sum(), whole, replace(SETTINGS, neighbours=10), 0)
    one = replace(whole, train=corners(torch.ones(9, dtype=torch.int64)))
    with pytest.raises(ValueError, match=r"`labels` must hold at least two classes, got only \[1\]"):
        task.evaluate(Sum(), one, SETTINGS, 0)


# Read-outs


def overlapping(seed: int = 0, samples: int = 90) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (samples,), generator=generator)
    latents = torch.randn(samples, 4, generator=generator, dtype=torch.float64)
    scaled = latents * torch.tensor([1.0, 5.0, 0.1, 2.0]) + torch.eye(3, 4)[labels]
    return scaled + torch.tensor([0.0, 100.0, 0.0, -3.0]), labels * 10 - 5


def test_linear_probe_equals_an_optimum_found_by_newton() -> None:
    """Multinomial logistic regression on standardised latents, written out; 40 steps of Newton's method."""
    latents, labels = overlapping()
    z = (latents - latents.mean(0)) / latents.std(0, correction=0)
    design = torch.cat([z, torch.ones(90, 1, dtype=z.dtype)], dim=1)
    kinds = functional.one_hot((labels + 5) // 10, 3).double()
    weight = torch.zeros(5, 3, dtype=z.dtype)
    penalty = torch.full((5, 3), 1e-4, dtype=z.dtype)
    penalty[4] = 1e-12  # The intercepts are free; the tiny penalty makes the optimum unique.

    def gradient(flat: torch.Tensor) -> torch.Tensor:
        w = flat.view(5, 3)
        return (design.T @ ((design @ w).softmax(dim=1) - kinds) / 90 + penalty * w).flatten()

    flat = weight.flatten()
    for _ in range(40):
        hessian = torch.autograd.functional.jacobian(gradient, flat)
        flat = flat - torch.linalg.solve(hessian, gradient(flat))
    expected = (design @ flat.view(5, 3)).argmax(dim=1) * 10 - 5
    assert torch.equal(fit_logistic(latents, labels)(latents), expected)


def test_linear_probe_ignores_constant_latents_and_separates_what_can_be_separated() -> None:
    latents = torch.tensor([[0.0, 7.0], [1.0, 7.0], [4.0, 7.0], [5.0, 7.0]])
    predict = fit_logistic(latents, torch.tensor([1, 1, 0, 0]))
    assert predict(torch.tensor([[2.4, 7.0], [2.6, -900.0]])).tolist() == [1, 0]


def slow_vote(query: torch.Tensor, references: torch.Tensor, labels: torch.Tensor, k: int) -> int:
    order = sorted(range(len(references)), key=lambda i: float((query - references[i]).norm()))[:k]
    near = [int(labels[i]) for i in order]
    return max(near, key=lambda label: (near.count(label), -near.index(label)))


@pytest.mark.parametrize("k", [1, 2, 5, 30])
@pytest.mark.parametrize("classes", [1, 3, 8])
def test_neighbours_equal_a_slow_loop(k: int, classes: int) -> None:
    generator = torch.Generator().manual_seed(k)
    queries, references = (torch.randn(count, 3, generator=generator) for count in (40, 30))
    labels = torch.randint(-1, classes, (30,), generator=generator) * 7
    expected = [slow_vote(query, references, labels, k) for query in queries]
    assert fit_neighbours(references, labels, k)(queries).tolist() == expected


def test_close_points_far_from_the_origin_are_told_apart() -> None:
    references = torch.tensor([[0.0], [1.0]]).repeat(30, 1).add(1e4)
    queries = torch.tensor([[1e4 + 0.25], [1e4 + 0.75]]).repeat(20, 1)
    assert fit_neighbours(references, torch.tensor([0, 1]).repeat(30), 1)(queries).tolist() == [0, 1] * 20


# Sentiment


def test_sentiment_scores_of_every_subset_and_rate() -> None:
    test = replace(random_samples(80), targets=torch.linspace(-3, 3, 80))
    representation, settings = Answer(), TaskSettings(missing_rates=(0.0, 0.5))
    records = Sentiment().evaluate(representation, Splits(test, test, test), settings, seed=3)
    sums = {name: value.sum(dim=1) for name, value in test.values.items()}
    for name, subset in {"complete": tuple(TWO), "first": ("first",), "second": ("second",)}.items():
        expected = sentiment_scores(torch.stack([sums[part] for part in subset]).sum(dim=0), test.targets)
        found = {metric: value for (given, metric), value in values_of(records).items() if given == name}
        assert found == pytest.approx(expected, abs=1e-5)
    kept = dict(zip(TWO, draw_missing(2, 80, 0.5, seed=3), strict=True))
    expected = sentiment_scores(sum(torch.where(kept[name], sums[name], 0.0) for name in TWO), test.targets)
    ((_, points),) = Sentiment().curves(records)
    assert points == [(0.0, "missing 0"), (0.5, "missing 0.5")]
    found = {metric: value for (_, metric), value in values_of(records, "missing 0.5").items()}
    assert found == pytest.approx(expected, abs=1e-5)
    assert representation.training


def test_sentiment_that_cannot_be_scored() -> None:
    test = replace(random_samples(5), targets=None)
    with pytest.raises(ValueError, match=r"`splits` must have targets, float32 \(N,\); got none"):
        Sentiment().evaluate(Answer(), Splits(test, test, test), TaskSettings(), 0)
    with pytest.raises(TypeError, match=r"sentiment needs a supervised method; 'sum' is none"):
        Sentiment().evaluate(Sum(), Splits(test, test, test), TaskSettings(), 0)


# All tasks


@pytest.mark.parametrize("kind", [Classification, Sentiment])
def test_every_task_says_what_it_measures(kind: type[Task]) -> None:
    task = kind()
    keys = [column.key for column in (*task.columns, *task.alignment)]
    assert len(keys) == len(set(keys)) > 0
    assert {column.better for column in task.columns} <= {"higher", "lower"}
    assert all(isinstance(task.settings(preset), TaskSettings) for preset in ("smoke", "default", "paper"))
    with pytest.raises(ValueError, match=r"`preset` must be one of 'smoke', 'default', 'paper'; got 'smok'"):
        task.settings("smok")


def test_chance_is_known_with_the_number_of_classes() -> None:
    assert [column.chance for column in Classification(classes=10).columns] == [0.1] * 3
    assert [column.chance for column in Classification().columns] == [None] * 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"neighbours": 0}, r"`neighbours` must be at least 1; got 0"),
        ({"missing_rates": (0.0, 1.5)}, r"`missing_rates` must lie in \[0, 1\], got 1.5"),
        ({"missing_rates": (-0.5,)}, r"`missing_rates` must lie in \[0, 1\], got -0.5"),
    ],
)
def test_wrong_settings(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClassificationSettings(**changes)
