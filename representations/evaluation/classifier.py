"""The downstream classifier: a small network on frozen latents (Poklukar et al., ICML 2022, section 5.2)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.common.machine import usual_torch
from anysense.representations.evaluation.task_settings import ClassifierSettings

__all__ = ["ClassifierSettings", "fit_classifier"]


@usual_torch()
def fit_classifier(latents: Tensor, labels: Tensor, classes: int, settings: ClassifierSettings, seed: int) -> nn.Module:
    """A network D -> widths -> classes with ReLU, trained on cross-entropy, in eval mode; it gives logits (N, classes).

    Latents are float (N, D), labels int64 (N,), 0 to ``classes`` - 1, otherwise ValueError; the seed is that of weights
    and order.
    """
    if len(latents) != len(labels):
        raise ValueError(f"`labels` must have one entry per latent, {len(latents)}; got {len(labels)}.")
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise ValueError(
            f"`labels` must lie between 0 and {classes - 1}; got {int(labels.min())} to {int(labels.max())}."
        )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(seed))
        network = _network(latents.shape[1], settings.classifier_widths, classes)
    generator = torch.Generator().manual_seed(int(seed))
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.classifier_learning_rate, fused=True)
    for _ in range(settings.classifier_epochs):
        order = torch.randperm(len(latents), generator=generator)
        for rows in torch.split(order, settings.classifier_batch_size):
            optimiser.zero_grad()
            torch.autograd.backward(functional.cross_entropy(network(latents[rows]), labels[rows]))
            optimiser.step()
    return network.eval().requires_grad_(False)


def _network(inputs: int, widths: tuple[int, ...], classes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, classes))
