"""Ranks against slow double loops, closed forms, and what absent latents must not do."""

from typing import ClassVar

import numpy as np
import pytest
import sklearn.preprocessing
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from anysense.representations.data.samples import Samples, Splits
from anysense.representations.evaluation import retrieval
from anysense.representations.evaluation.records import subset_name
from anysense.representations.evaluation.retrieval import ranks_by_cosine, ranks_by_volume
from anysense.representations.evaluation.subsets import every_subset
from anysense.representations.evaluation.tasks import Retrieval, TaskSettings
from anysense.representations.modality import Modality


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    values = np.random.default_rng(seed).normal(size=shape)
    return torch.from_numpy(values / np.linalg.norm(values, axis=-1, keepdims=True))


def slow_volume(vectors: np.ndarray) -> float:
    """Volume by singular values."""
    return float(np.prod(np.linalg.svd(vectors, compute_uv=False)))


def slow_ranks(costs: np.ndarray) -> tuple[list[int], list[int]]:
    return [int((row < row[i]).sum()) for i, row in enumerate(costs)], [
        int((row == row[i]).sum()) for i, row in enumerate(costs)
    ]


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("candidates", ["singles", "tuples"])
def test_volume_equals_a_double_loop(k, candidates, monkeypatch):
    monkeypatch.setattr(retrieval, "MOST_NUMBERS", 40 * k * 7)  # several blocks
    tuples, singles = unit(40, k, 8), unit(40, 8, seed=1)
    singles[:20] = torch.nn.functional.normalize(tuples[:20].sum(dim=1) + 0.3 * singles[:20], dim=1)
    costs = np.array([[slow_volume(np.vstack([one, other])) for other in singles] for one in tuples])
    better, _ = slow_ranks(costs if candidates == "singles" else costs.T)
    found = ranks_by_volume(3.0 * tuples, 0.1 * singles, candidates=candidates)
    assert found.better.tolist() == better
    assert found.equal.tolist() == [1] * 40
    assert found.recall(1) == sum(it < 1 for it in better) / 40
    assert found.recall(5) == pytest.approx(sum(it < 5 for it in better) / 40)
    assert found.median() == 1 + np.median(better)
    assert found.recall(1) > 0.3


def test_cosine_equals_a_double_loop(monkeypatch):
    monkeypatch.setattr(retrieval, "MOST_NUMBERS", 7 * 30)
    queries, candidates = unit(30, 4), unit(30, 4, seed=1)
    costs = np.array([[-float(one @ other) for other in candidates] for one in queries])
    found = ranks_by_cosine(2.0 * queries, candidates)
    assert found.better.tolist() == slow_ranks(costs)[0]


def test_two_vectors_are_ranked_by_their_angle_and_volume_does_not_see_the_sign():
    queries, others = unit(50, 6), unit(50, 6, seed=1)
    near = torch.nn.functional.normalize(queries + 0.2 * others, dim=1)
    assert ranks_by_volume(queries[:, None], near).recall(1) == ranks_by_cosine(queries, near).recall(1) == 1
    assert ranks_by_volume(queries[:, None], -near).recall(1) == 1
    assert ranks_by_cosine(queries, -near).recall(1) == 0


def test_a_collapsed_representation_scores_chance():
    same = torch.ones(40, 4)
    assert ranks_by_cosine(same, same).recall(1) == pytest.approx(1 / 40)
    assert ranks_by_volume(same[:, None], same).recall(10) == pytest.approx(10 / 40)
    assert ranks_by_cosine(same, same).median() == 20.5


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(["singles", "tuples"]))
def test_absent_latents_have_no_influence(seed, candidates):
    tuples, singles = unit(12, 3, 6, seed=seed), unit(12, 6, seed=seed + 1)
    present = torch.from_numpy(np.random.default_rng(seed).random((12, 3)) < 0.6)
    present[:, 0] |= ~present.any(dim=1)
    expected = np.array(
        [
            [slow_volume(np.vstack([one[there], other])) for other in singles]
            for one, there in zip(tuples.numpy(), present.numpy(), strict=True)
        ]
    )
    tuples[~present] = float("nan")
    found = ranks_by_volume(tuples, singles, present, candidates)
    assert found.better.tolist() == slow_ranks(expected if candidates == "singles" else expected.T)[0]


@pytest.mark.parametrize(
    ("tuples", "singles", "options", "message"),
    [
        (unit(5, 4, 4), unit(5, 4), {}, "5 vectors in 4 dimensions, whose volume is always 0"),
        (unit(5, 2, 4), unit(6, 4), {}, r"`tuples` must have shape \(6, k, 4\)"),
        (unit(5, 4), unit(5, 4), {}, r"`tuples` must have shape \(5, k, 4\)"),
        (unit(5, 2, 4)[:, :0], unit(5, 4), {}, "k at least 1"),
        (unit(5, 2, 4), unit(5, 4), {"present": torch.ones(5, 2)}, "`present` must be boolean"),
        (unit(5, 2, 4), unit(5, 4), {"present": torch.zeros(5, 2, dtype=torch.bool)}, "at least one latent"),
        (unit(5, 2, 4), unit(5, 4), {"candidates": "all"}, "`candidates` must be 'singles' or 'tuples'; got 'all'"),
    ],
)
def test_bad_input(tuples, singles, options, message):
    with pytest.raises(ValueError, match=message):
        ranks_by_volume(tuples, singles, **options)


class Views(torch.nn.Module):
    """Latents are the modalities themselves; of several, their mean."""

    device = torch.device("cpu")
    modalities: ClassVar = {name: Modality(name, (6,), "float32") for name in ("a", "b", "c")}

    def encode(self, observation, present=None, lengths=None):
        return torch.stack(list(observation.values())).mean(dim=0)


def splits_of(seed: int = 0) -> Splits:
    """Views a and b agree, c is unrelated; classes lie at axes."""
    rng = np.random.default_rng(seed)
    parts = []
    for count in (60, 20, 40):
        targets = torch.from_numpy(np.arange(count) % 3)
        own = torch.from_numpy(np.eye(6)[targets] + 0.2 * rng.normal(size=(count, 6))).float()
        values = {"a": own, "b": own + 1e-3, "c": torch.from_numpy(rng.normal(size=(count, 6))).float()}
        parts.append(Samples(Views.modalities, values, targets))
    return Splits(*parts)


def test_task_finds_views_that_agree_and_classes():
    task = Retrieval(candidates=40, classes=3)
    records = task.evaluate(Views(), splits_of(), TaskSettings(missing_rates=()), 0)
    found = {(record.subset, record.metric, record.condition): record.value for record in records}
    for score in ("volume", "cosine"):
        assert found["a", f"recall_1_{score}", "to b"] == found["b", f"back_recall_1_{score}", "to a"] == 1
        assert found["a", f"recall_1_{score}", "to c"] < 0.2
        assert found["a", f"class_{score}", ""] > 0.9
        assert found["c", f"class_{score}", ""] < 0.6
        one = [found[name, f"recall_1_{score}", ""] for name in "abc"]
        assert found["", f"recall_1_{score}", "from 1"] == pytest.approx(sum(one) / 3)
        assert found["a", f"recall_1_{score}", ""] == pytest.approx(
            (found["a", f"recall_1_{score}", "to b"] + found["a", f"recall_1_{score}", "to c"]) / 2
        )
        assert found["a + c", f"rank_{score}", "to b"] < 10
        assert found["", f"recall_1_{score}", "from 1 to b"] == pytest.approx(
            (found["a", f"recall_1_{score}", "to b"] + found["c", f"recall_1_{score}", "to b"]) / 2
        )
    keys = {column.key for column in task.columns}
    assert {record.metric for record in records} == keys
    assert {record.metric for record in records if record.subset == "complete"} == {"nearest"}


def test_class_of_the_nearest_is_that_of_neighbours_in_sklearn(monkeypatch):
    """Unit latents of the subset's modalities side by side, Euclidean; also in several blocks of queries."""
    splits = splits_of()

    def side_by_side(samples, subset):
        return np.hstack([sklearn.preprocessing.normalize(samples.values[name].double().numpy()) for name in subset])

    monkeypatch.setattr(retrieval, "MOST_NUMBERS", 60 * 7)
    records = Retrieval().evaluate(Views(), splits, TaskSettings(missing_rates=()), 0)
    found = {one.subset: one.value for one in records if one.metric == "nearest" and not one.condition}
    shares = {}
    for subset in every_subset(tuple("abc")):
        model = KNeighborsClassifier(1).fit(side_by_side(splits.train, subset), splits.train.targets.numpy())
        right = model.predict(side_by_side(splits.test, subset)) == splits.test.targets.numpy()
        shares[subset_name(subset, 3)] = right.mean()
    assert found == pytest.approx(shares)
    assert found["complete"] > found["c"]
    assert not any(one.metric == "nearest" and " to " in one.condition for one in records)


def test_labels_are_candidates_for_queries_without_the_label():
    modalities = {name: Modality(name, (6,), "float32") for name in ("a", "label")}
    rng = np.random.default_rng(0)
    parts = []
    for count in (30, 12, 30):
        targets = torch.from_numpy(rng.permutation(count) % 3)
        axes = torch.eye(6)[targets]
        values = {"a": axes + 0.05 * torch.from_numpy(rng.normal(size=(count, 6))).float(), "label": axes}
        parts.append(Samples(modalities, values, targets))
    views = Views()
    views.modalities = modalities
    task = Retrieval(label="label", classes=3)
    records = task.evaluate(views, Splits(*parts), TaskSettings(missing_rates=()), 0)
    found = {(one.subset, one.metric): one.value for one in records if not one.condition}
    assert {metric for _, metric in found} == {column.key for column in task.columns}
    for score in ("volume", "cosine"):
        assert found["a", f"label_{score}"] == 1.0
        assert ("label", f"label_{score}") not in found
