import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anysense.representations.evaluation import neighbours
from anysense.representations.evaluation.neighbours import neighbour_accuracy, predict_from_neighbours


def random_latents(seed: int, samples: int, features: int = 3) -> torch.Tensor:
    return torch.randn(samples, features, generator=torch.Generator().manual_seed(seed))


def slow_vote(query: torch.Tensor, references: torch.Tensor, labels: torch.Tensor, k: int) -> int:
    order = sorted(range(len(references)), key=lambda i: float((query - references[i]).norm()))[:k]
    near = [int(labels[i]) for i in order]
    return max(near, key=lambda label: (near.count(label), -near.index(label)))


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_prediction_equals_a_slow_loop(seed, k, classes):
    queries, references = random_latents(seed, 11), random_latents(seed + 1, 30)
    labels = torch.randint(-1, classes, (30,), generator=torch.Generator().manual_seed(seed)) * 7
    expected = [slow_vote(query, references, labels, k) for query in queries]
    assert predict_from_neighbours(queries, references, labels, k).tolist() == expected


def test_blocks_change_nothing(monkeypatch):
    queries, references, labels = random_latents(0, 23), random_latents(1, 40), torch.arange(40) % 4
    whole = predict_from_neighbours(queries, references, labels)
    monkeypatch.setattr(neighbours, "_DISTANCES_AT_ONCE", 200)
    assert torch.equal(predict_from_neighbours(queries, references, labels), whole)


def test_close_points_far_from_the_origin_are_told_apart():
    references = torch.tensor([[0.0], [1.0]]).repeat(30, 1).add(1e4).float()
    labels = torch.tensor([0, 1]).repeat(30)
    queries = torch.tensor([[1e4 + 0.25], [1e4 + 0.75]]).repeat(20, 1)
    assert predict_from_neighbours(queries, references, labels, k=1).tolist() == [0, 1] * 20


def test_accuracy_counts_samples():
    references, labels = torch.tensor([[0.0], [1.0], [10.0], [11.0]]), torch.tensor([3, 3, 8, 8])
    queries = torch.tensor([[0.4], [10.4], [10.6], [-5.0]])
    accuracy = neighbour_accuracy(queries, torch.tensor([3, 8, 3, 3]), references, labels, k=2)
    assert accuracy.item() == 0.75


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: predict_from_neighbours(x[0], x, y), r"`queries` must be a floating point matrix"),
        (lambda x, y: predict_from_neighbours(x, x, y[:3]), r"`labels` must hold one integer for each of the 6 rows"),
        (lambda x, y: predict_from_neighbours(x, x, y.float()), r"`labels`.*got torch.float32"),
        (lambda x, y: predict_from_neighbours(x[:, :2], x, y), r"`queries` and `references`.*got 2 and 3"),
        (lambda x, y: predict_from_neighbours(x, x, y, k=7), r"`k` must lie between 1 and .*\(6\), got 7"),
        (lambda x, y: neighbour_accuracy(x, y[:5], x, y), r"`query_labels`.*6 rows of `queries`.*\(5,\)"),
    ],
)
def test_wrong_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(random_latents(0, 6), torch.arange(6))
