"""A running mean of the weights of a policy while it is trained."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["AveragedWeights"]


class AveragedWeights:
    """Exponential running mean of all weights of a module (Polyak and Juditsky, 1992, SIAM J. Control Optim. 30).

    The weights of an actor wander with the errors of its critics; their mean acts better than most of them do. The mean
    starts with the weights of the first update. While it is young it forgets faster: after n updates it keeps at most
    n / (10 + n), so that the weights from the beginning of the learning do not stay in it.

    Args:
        module: Whose weights are averaged.
        decay: Share of the mean that is kept at each update, in (0, 1).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = module
        self.decay = decay
        self.updates = 0
        self._means = [weight.detach().clone() for weight in module.parameters()]

    @torch.no_grad()
    def update(self) -> None:
        """Take the present weights in."""
        share = 1.0 - min(self.decay, self.updates / (10.0 + self.updates))
        torch._foreach_lerp_(self._means, list(self.module.parameters()), share)
        self.updates += 1

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The module has the means as its weights inside, and its own again afterwards."""
        own = [weight.data for weight in self.module.parameters()]
        self._set(self._means)
        try:
            yield
        finally:
            self._set(own)

    def _set(self, values: list[Tensor]) -> None:
        for weight, value in zip(self.module.parameters(), values, strict=True):
            weight.data = value

    def state_dict(self) -> dict[str, Any]:
        """The means by name, and how many updates they had."""
        names = [name for name, _ in self.module.named_parameters()]
        return {"updates": self.updates, "means": dict(zip(names, self._means, strict=True))}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state.

        Raises:
            ValueError: It is of a module with other weights.
        """
        named = dict(self.module.named_parameters())
        shapes = {name: value.shape for name, value in state["means"].items()}
        if shapes != {name: value.shape for name, value in named.items()}:
            raise ValueError("`state` is of a module with other weights.")
        self.updates = state["updates"]
        for mean, name in zip(self._means, named, strict=True):
            mean.copy_(state["means"][name])
