"""Which subsets of modalities are trained."""

from collections import Counter

import torch

from anysense.representations.maths.subsets import all_and_single, random_subsets

PRESENT = torch.tensor([[True, True, False], [True, False, False], [True, True, True]])


def test_all_that_a_row_has_then_each_modality_alone() -> None:
    table = all_and_single(PRESENT)
    assert table.shape == (4, 3, 3)
    assert torch.equal(table[0], PRESENT)
    for modality in range(3):
        assert torch.equal(table[1 + modality, modality], PRESENT[modality])
        assert table[1 + modality].sum() == PRESENT[modality].sum()


def test_random_subsets_are_uniform_over_the_proper_ones_of_each_row() -> None:
    present = torch.ones(5, 4, dtype=torch.bool)
    present[4, 1], present[3:, 2], present[2:, 3] = False, False, False
    with torch.random.fork_rng():
        torch.manual_seed(0)
        table = random_subsets(present, 10_000)
    assert not (table & ~present).any()
    assert not table[:, :, 3].any()  # of two modalities, no subset has at least two but not all
    for row, proper in ((0, 10 + 10 + 5), (1, 6 + 4), (2, 3)):
        counts = Counter(tuple(subset) for subset in table[:, :, row].tolist())
        assert len(counts) == proper
        assert all(2 <= sum(subset) < present[:, row].sum() for subset in counts)
        assert max(abs(count / 10_000 - 1 / proper) for count in counts.values()) < 0.02


def test_a_pair_has_no_random_subsets() -> None:
    for modalities in (1, 2):
        assert not random_subsets(torch.ones(modalities, 3, dtype=torch.bool), 4).any()
