"""Representations with known answers, and samples for them."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.batch import Batch
from anysense.representations.contract import Representation, SupervisedRepresentation
from anysense.representations.data import Samples
from anysense.representations.modality import Modality
from anysense.representations.settings import MethodSettings

SIZE = 3
TWO = {name: Modality(name, (SIZE,), "float32", -20.0, 20.0) for name in ("first", "second")}


class Sum(Representation):
    """The latent is the sum of what is there; what is absent counts as zeros."""

    method = "sum"
    settings_class = MethodSettings
    uses_networks = False

    def __init__(self, modalities: Mapping[str, Modality] = TWO) -> None:
        super().__init__(modalities, MethodSettings(), None)
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
