"""Metrics on volumes against known configurations and slow loops."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from anysense.representations.evaluation.volume_metrics import (
    matched_volume,
    mismatched_volume,
    volume_median_rank,
    volume_retrieval_accuracy,
)
from anysense.representations.maths.volume import volume


def random_latents(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unit(latents: Tensor) -> Tensor:
    return latents / latents.norm(dim=-1, keepdim=True)


def slow_volumes(anchors: Tensor, others: Tensor) -> Tensor:
    rows = [[volume(unit(torch.cat([a[None], t]))) for t in others] for a in anchors]
    return torch.stack([torch.stack(row) for row in rows])


def test_matched_and_mismatched_volumes_equal_slow_loops() -> None:
    anchors, others = random_latents(6, 5), random_latents(6, 2, 5, seed=1)
    volumes = slow_volumes(anchors, others)
    assert matched_volume(torch.cat([anchors[:, None], others], dim=1)).item() == pytest.approx(
        volumes.diagonal().mean().item()
    )
    between = [volumes[i, j].item() for i in range(6) for j in range(6) if i != j]
    assert mismatched_volume(anchors, others).item() == pytest.approx(sum(between) / 30, rel=1e-6)


def test_length_does_not_matter() -> None:
    latents = random_latents(6, 3, 5)
    scaled = latents * random_latents(6, 3, 1, seed=1).abs()
    torch.testing.assert_close(matched_volume(scaled), matched_volume(latents))
    found, expected = (mismatched_volume(each[:, 0], each[:, 1:]) for each in (scaled, latents))
    torch.testing.assert_close(found, expected)


def test_absent_latents_are_left_out() -> None:
    latents = random_latents(4, 3, 5)
    present = torch.tensor([[True, True, False]]).expand(4, 3)
    dirty = torch.where(present[..., None], latents, 1e6)
    torch.testing.assert_close(matched_volume(dirty, present), matched_volume(latents[:, :2]))


@pytest.mark.parametrize("top", [1, 2, 5])
def test_retrieval_equals_a_slow_ranking(top: int) -> None:
    anchors, others = random_latents(7, 4), random_latents(7, 2, 4, seed=1)
    others[:, 0] += 2 * anchors
    volumes = slow_volumes(anchors, others)
    for found, table in zip(volume_retrieval_accuracy(anchors, others, top), (volumes, volumes.T), strict=True):
        hits = [i in sorted(range(7), key=lambda j: table[i, j].item())[:top] for i in range(7)]
        assert found.item() == pytest.approx(sum(hits) / 7)
    for found, table in zip(volume_median_rank(anchors, others), (volumes, volumes.T), strict=True):
        ranks = sorted(sorted(row.tolist()).index(row[i].item()) + 1 for i, row in enumerate(table))
        assert found.item() == ranks[3]


def test_perfect_and_collapsed_retrieval() -> None:
    anchors = random_latents(8, 16)
    for found in volume_retrieval_accuracy(anchors, torch.stack([anchors, random_latents(8, 16, seed=1)], dim=1)):
        assert found.item() == 1.0
    same = torch.eye(4)[:1].expand(8, 4)
    for top in (1, 4):
        for found in volume_retrieval_accuracy(same, torch.eye(4)[1].expand(8, 1, 4), top):
            assert found.item() == pytest.approx(top / 8)
    for rank in volume_median_rank(same, torch.eye(4)[1].expand(8, 1, 4)):
        assert rank.item() == 4.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: matched_volume(torch.ones(3)), r"`vectors` must be floating point of shape \(\.\.\., k, D\)"),
        (lambda: mismatched_volume(torch.ones(2, 3), torch.ones(4, 1, 3)), r"same samples; got 2 and 4 rows"),
        (lambda: mismatched_volume(torch.ones(1, 3), torch.ones(1, 1, 3)), r"at least two samples.*got 1"),
        (
            lambda: volume_retrieval_accuracy(torch.ones(2, 3), torch.ones(2, 1, 3), top=3),
            r"`top` must lie between 1 and the number of samples \(2\), got 3",
        ),
    ],
)
def test_wrong_input_is_refused(call: Callable[[], Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
