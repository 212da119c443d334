"""Batches from memory: order, sizes, masks and targets."""

import pytest
import torch
from torch import Tensor

from anysense.envs.world import world
from anysense.representations.data import Samples, collect
from anysense.representations.modality import Modality
from anysense.representations.training import BatchLoader


@pytest.fixture(scope="module")
def data():
    return collect(world(), 400).split(0.25, seed=0)


@pytest.mark.parametrize(("samples", "sizes"), [(8, [4, 4]), (9, [4, 5]), (10, [4, 4, 2]), (1, [1]), (3, [3])])
def test_loader_reads_everything_once_and_leaves_no_single_sample(data, samples, sizes):
    part = data[0].select(range(samples))
    loader = BatchLoader(part, 4, seed=0)
    batches = list(loader)
    assert [len(batch.observation["sound"]) for batch in batches] == sizes
    assert len(loader) == len(sizes)
    sounds = torch.cat([batch.observation["sound"] for batch in batches]).flatten(1)
    expected = part.observation(range(samples))["sound"].flatten(1)
    assert sorted(sounds.tolist()) == sorted(expected.tolist())
    assert batches[0].observation["image"].dtype == torch.uint8


def test_loader_order_depends_on_seed_and_epoch_only(data):
    def order(seed: int, epoch: int) -> Tensor:
        loader = BatchLoader(data[0], 50, seed, modalities=("sound",))
        loader.set_epoch(epoch)
        return torch.cat([batch.observation["sound"] for batch in loader])

    assert torch.equal(order(1, 2), order(1, 2))
    assert not torch.equal(order(1, 2), order(1, 3))
    assert not torch.equal(order(1, 2), order(2, 2))
    assert not torch.equal(order(1, 2), order(2, 1))


def test_loader_refuses_nothing_to_read(data):
    with pytest.raises(ValueError, match="`data` is empty"):
        BatchLoader(data[0].select([]), 4, seed=0)
    with pytest.raises(ValueError, match="`batch_size` must be at least 1, got 0"):
        BatchLoader(data[0], 0, seed=0)


def test_loader_gives_masks_and_targets_of_the_same_rows():
    touch = torch.arange(6.0)[:, None]
    samples = Samples(
        {"touch": Modality("touch", (9,), "float32", kind="sequence"), "smell": Modality("smell", (1,), "float32")},
        {"touch": touch.expand(6, 9), "smell": touch},
        targets=torch.arange(6),
        masks={"smell": torch.arange(6) % 2 == 0},
        lengths={"touch": torch.arange(6) + 1},
    )
    for observation, present, target, lengths in BatchLoader(samples, 4, seed=0):
        assert torch.equal(lengths["touch"], target + 1)
        assert target is not None
        assert torch.equal(observation["touch"][:, 0].long(), target)
        assert torch.equal(present, torch.stack([target >= 0, target % 2 == 0]))
    for batch in BatchLoader(samples, 4, seed=0, modalities=("touch",)):
        assert list(batch.observation) == ["touch"]
        assert bool(batch.present.all())
    assert all(not batch.lengths for batch in BatchLoader(samples, 4, seed=0, modalities=("smell",)))
    for batch in BatchLoader(samples, 4, seed=0, modalities=("smell", "touch")):
        assert torch.equal(batch.present[0], batch.target % 2 == 0)
