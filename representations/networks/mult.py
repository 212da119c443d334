"""The multimodal transformer trunk: every modality reads every other one.

Source: Tsai et al., "Multimodal Transformer for Unaligned Multimodal Language Sequences", ACL 2019, arXiv 1906.00295.

Letters: M modalities, C channels per modality, B rows, T time steps, F features of one modality.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.modality import Modality
from anysense.representations.networks.kernels.dropout import dropped
from anysense.representations.networks.kernels.stacked_transformer import StackedTransformer
from anysense.representations.networks.padding import lengths_of, zero_padded
from anysense.representations.networks.positions import positioned, sinusoid

__all__ = ["MulT"]

TEXT = "text"
TEXT_DROPOUT = 0.25
EMBEDDING_DROPOUT = 0.25
ATTENTION_DROPOUT = 0.1


class MulT(nn.Module):
    """Sequences (B, T, F) of all modalities to one vector (B, ``output_dim``).

    1. Text loses a quarter of its features in training; every modality is projected to C channels without a bias.
    2. One cross-modal transformer per ordered pair of modalities: the target asks, the source answers.
    3. Per target, the M - 1 results are joined and go through a transformer of their own; its last step is kept.
    4. The M last steps are joined, changed by a residual ReLU layer, and projected.

    Frames of zeros get no position, see `anysense.representations.networks.positions.positioned`. Attention is causal,
    also across modalities. No step attends to padding (NaN), and the last step of a row is the one before it. Attention
    weights have dropout 0.1 where text is the source and in step 3. Computed in float32 even under autocast.

    Args:
        modalities: At least two of shape (T, F) with the same T; the one called ``text`` is special as said.
        output_dim: Size of the result.
        channels: C.
        heads: Attention heads of every transformer.
        layers: Layers of every transformer.

    Raises:
        ValueError: Fewer than two modalities, another shape, or different lengths.
    """

    def __init__(
        self, modalities: Mapping[str, Modality], output_dim: int, channels: int = 30, heads: int = 5, layers: int = 5
    ) -> None:
        super().__init__()
        self.steps = _common_length(modalities)
        names = tuple(modalities)
        pairs = [(target, source) for target in names for source in names if target != source]
        # Stacks of equal attention dropout lie side by side; `order` leads back to the order of the pairs.
        self.pairs = sorted(pairs, key=lambda pair: pair[1] == TEXT)
        self.project = nn.ModuleDict(
            {name: nn.Linear(modality.shape[1], channels, bias=False) for name, modality in modalities.items()}
        )
        dropout = [ATTENTION_DROPOUT if source == TEXT else 0.0 for _, source in self.pairs]
        joined = channels * (len(names) - 1)
        self.cross = StackedTransformer(dropout, channels, heads, layers)
        self.memory = StackedTransformer([ATTENTION_DROPOUT] * len(names), joined, heads, layers)
        size = len(names) * joined
        self.residual_in, self.residual_out = nn.Linear(size, size), nn.Linear(size, size)
        self.output = nn.Linear(size, output_dim)
        targets, sources = ([names.index(pair[side]) for pair in self.pairs] for side in (0, 1))
        self._constant("streams", torch.tensor(targets + sources + sources))
        self._constant("order", torch.tensor([self.pairs.index(pair) for pair in pairs]))
        self._constant("cross_positions", sinusoid(self.steps, channels))
        self._constant("memory_positions", sinusoid(self.steps, joined))

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Sequences (B, T, F) by name to (B, output_dim)."""
        rows, lengths = len(next(iter(inputs.values()))), self._lengths(inputs)
        with torch.autocast(self.order.device.type, enabled=False):
            crossed = self._crossed(self._frames(inputs, lengths), rows, lengths)
            embedded = positioned(crossed.view(*crossed.shape[:2], rows, -1), self.memory_positions).flatten(2)
            last = self.memory.last_step(dropped(embedded, EMBEDDING_DROPOUT, self.training), rows, lengths)
            joined = last.flatten(0, 1).T
            joined = joined + self.residual_out(functional.relu(self.residual_in(joined)))
            result: Tensor = self.output(joined)
            return result

    def _lengths(self, inputs: Mapping[str, Tensor]) -> Tensor | None:
        """Steps before the padding, (M, B); None if there is none."""
        found = [lengths_of(inputs[name][..., 0]) for name in self.project]
        if all(own is None for own in found):
            return None
        whole = torch.full((len(next(iter(inputs.values()))),), self.steps, device=self.order.device)
        return torch.stack([whole if own is None else own for own in found])

    def _frames(self, inputs: Mapping[str, Tensor], lengths: Tensor | None) -> Tensor:
        """Projected frames (M, C, B, T)."""
        frames = []
        for index, (name, project) in enumerate(self.project.items()):
            weight = cast(nn.Linear, project).weight
            value = inputs[name].to(weight.dtype)
            if lengths is not None:
                value = zero_padded(value, lengths[index])
            if name == TEXT:
                value = dropped(value, TEXT_DROPOUT, self.training)
            frames.append((weight @ value.flatten(0, 1).T).view(len(weight), -1, self.steps))
        return torch.stack(frames)

    def _crossed(self, frames: Tensor, rows: int, lengths: Tensor | None) -> Tensor:
        """Results of the cross-modal transformers, joined by target: (M, (M - 1) * C, B * T)."""
        embedded = positioned(frames, self.cross_positions).flatten(2).index_select(0, self.streams)
        query, key, value = torch.split(dropped(embedded, EMBEDDING_DROPOUT, self.training), len(self.pairs))
        sources = None if lengths is None else lengths[self.streams[-len(self.pairs) :]]
        crossed = self.cross.cross(query, key, value, rows, sources).index_select(0, self.order)
        return crossed.view(len(frames), -1, crossed.shape[2])

    def _constant(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    order: Tensor
    streams: Tensor
    cross_positions: Tensor
    memory_positions: Tensor


def _common_length(modalities: Mapping[str, Modality]) -> int:
    """T; raises ValueError when there is none."""
    shapes: dict[str, Sequence[int]] = {name: modality.shape for name, modality in modalities.items()}
    if len(shapes) < 2:
        raise ValueError(f"`modalities` must be at least two for a multimodal transformer; got {list(shapes)}.")
    if any(len(shape) != 2 for shape in shapes.values()) or len({shape[0] for shape in shapes.values()}) > 1:
        raise ValueError(
            f"`modalities` of a multimodal transformer must have shapes (T, F) with one length T; got {shapes}."
        )
    return next(iter(shapes.values()))[0]
