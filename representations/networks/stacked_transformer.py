"""Several causal pre-norm transformers of one size, computed as one.

Letters: S stacks, L layers, D channels, H heads, B rows, T time steps; activations are (S, D, B * T).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from anysense.representations.networks.stacked_layers import (
    affine,
    attend,
    dropped,
    kept,
    normalised,
    rectified,
    thinned,
)

__all__ = ["EMBEDDING_DROPOUT", "LAYER_DROPOUT", "StackedTransformer"]

LAYER_DROPOUT = 0.1
EMBEDDING_DROPOUT = 0.25


class _Weights(NamedTuple):
    """Weights of every layer (L, S, ...), into which what is linear around them has been folded."""

    enter: Tensor
    enter_bias: Tensor
    leave: Tensor
    leave_bias: Tensor
    up: Tensor
    up_bias: Tensor
    down: Tensor
    down_bias: Tensor


class StackedTransformer(nn.Module):
    """S transformers with their own weights, run side by side (Tsai et al., ACL 2019, section 3.2).

    Each layer: ``x = x + drop(attention(norm(x), norm(key), norm(value)))``, then
    ``x = x + drop(down(drop(relu(up(norm(x))))))``; the first norm is shared by query, key and value. One more norm
    ends the stack. Weights are Xavier-uniform, biases 0. With the same weights it equals a stack built on
    `torch.nn.MultiheadAttention`.

    Args:
        attention_dropout: Dropout of the attention weights of each stack; gives S. Equal values must be adjacent.
        width: D.
        heads: H, a divisor of D.
        layers: L.

    Raises:
        ValueError: ``width`` is not a multiple of ``heads``.
    """

    def __init__(self, attention_dropout: Sequence[float], width: int, heads: int, layers: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"`width` must be a multiple of `heads`; got {width} and {heads}.")
        self.heads, self.layers, self.width = heads, layers, width
        self.segments = _segments(attention_dropout)
        size = (layers, len(attention_dropout))
        self.norm1, self.norm1_bias = _constant(1.0, *size, width), _constant(0.0, *size, width)
        self.enter, self.enter_bias = _xavier(*size, 3 * width, width), _constant(0.0, *size, 3 * width)
        self.leave, self.leave_bias = _xavier(*size, width, width), _constant(0.0, *size, width)
        self.norm2, self.norm2_bias = _constant(1.0, *size, width), _constant(0.0, *size, width)
        self.up, self.up_bias = _xavier(*size, 4 * width, width), _constant(0.0, *size, 4 * width)
        self.down, self.down_bias = _xavier(*size, width, 4 * width), _constant(0.0, *size, width)
        self.norm, self.norm_bias = _constant(1.0, *size[1:], width), _constant(0.0, *size[1:], width)

    def cross(self, query: Tensor, key: Tensor, value: Tensor, rows: int) -> Tensor:
        """All steps of queries that attend to another sequence, the same embedded one in every layer.

        Args:
            query: Embedded target (S, D, B * T).
            key: Embedded source (S, D, B * T).
            value: The same source after dropout of its own.
            rows: B.

        Returns:
            (S, D, B * T).
        """
        weights = self._folded()
        enter, bias = torch.split(weights.enter, self.width, 2), torch.split(weights.enter_bias, self.width, 2)
        keys = _of_all_layers(normalised(key), enter[1], bias[1])
        values = _of_all_layers(normalised(value), enter[2], bias[2])
        x, queries = query, list(zip(enter[0].unbind(), bias[0].unbind(), strict=True))
        for layer, parts in enumerate(zip(*(part.unbind() for part in weights[2:]), strict=True)):
            asked = affine(*queries[layer], normalised(x))
            x = self._layer(x, asked, keys[layer], values[layer], parts, rows)
        return self._ended(x)

    def last_step(self, x: Tensor, rows: int) -> Tensor:
        """Self-attention; only the last step (S, D, B) of the result, which is all that the last layer computes.

        Args:
            x: Embedded sequence (S, D, B * T).
            rows: B.
        """
        weights = self._folded()
        per_layer = list(zip(*(part.unbind() for part in weights), strict=True))
        for enter, enter_bias, *parts in per_layer[:-1]:
            asked, key, value = torch.split(affine(enter, enter_bias, normalised(x)), self.width, 1)
            x = self._layer(x, asked, key, value, parts, rows)
        enter, enter_bias, *parts = per_layer[-1]
        normal = normalised(x)
        width, last = self.width, x.shape[2] // rows - 1
        key, value = torch.split(affine(enter[:, width:], enter_bias[:, width:], normal), width, 1)
        asked = affine(enter[:, :width], enter_bias[:, :width], _step(normal, rows, last))
        return self._ended(self._layer(_step(x, rows, last), asked, key, value, parts, rows))

    def embedding_dropped(self, embedded: Tensor) -> Tensor:
        """Dropout of embedded sequences."""
        return dropped(embedded, EMBEDDING_DROPOUT, self.training)

    def _layer(
        self, x: Tensor, query: Tensor, key: Tensor, value: Tensor, parts: Sequence[Tensor], rows: int
    ) -> Tensor:
        leave, leave_bias, up, up_bias, down, down_bias = parts
        x = self._added(x, affine(leave, leave_bias, self._attended(query, key, value, rows)))
        hidden = rectified(affine(up, up_bias, normalised(x)), LAYER_DROPOUT, self.training)
        return self._added(x, affine(down, down_bias, hidden))

    def _attended(self, query: Tensor, key: Tensor, value: Tensor, rows: int) -> Tensor:
        """Attention, stacks of equal dropout together."""
        counts = [count for count, _ in self.segments]
        parts = zip(*(torch.split(part, counts) for part in (query, key, value)), self.segments, strict=True)
        out = [attend(q, k, v, self.heads, rows, dropout * self.training) for q, k, v, (_, dropout) in parts]
        return out[0] if len(out) == 1 else torch.cat(out)

    def _added(self, x: Tensor, change: Tensor) -> Tensor:
        """Residual connection with dropout; the rescaling is in the weights."""
        return x + thinned(change, LAYER_DROPOUT, self.training)

    def _ended(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.norm_bias[..., None], normalised(x), self.norm[..., None])

    def _folded(self) -> _Weights:
        """Weights with the norms before them, the scale of the queries and the rescaling of dropout folded in."""
        residual = 1.0 / kept(LAYER_DROPOUT) if self.training else 1.0
        scale = torch.ones(3, self.width, 1, device=self.enter.device, dtype=self.enter.dtype)
        scale[0] = (self.width // self.heads) ** -0.5
        scale = scale.view(3 * self.width, 1)
        per_stack = [1.0 / kept(dropout * self.training) for count, dropout in self.segments for _ in range(count)]
        attention = torch.tensor(per_stack, device=self.enter.device, dtype=self.enter.dtype)[:, None, None]
        return _Weights(
            self.enter * self.norm1.unsqueeze(-2) * scale,
            _shifted(self.enter_bias, self.enter, self.norm1_bias) * scale,
            self.leave * (residual * attention),
            (residual * self.leave_bias).unsqueeze(-1),
            self.up * self.norm2.unsqueeze(-2),
            _shifted(self.up_bias, self.up, self.norm2_bias),
            residual * residual * self.down,
            (residual * self.down_bias).unsqueeze(-1),
        )


def _shifted(bias: Tensor, weight: Tensor, shift: Tensor) -> Tensor:
    """Bias (..., O, 1) of a linear layer whose input is shifted."""
    return bias.unsqueeze(-1) + weight @ shift.unsqueeze(-1)


def _of_all_layers(normal: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, ...]:
    """Projections of one normalised input (S, D, N) by the weights (L, S, D, D) of all layers: L times (S, D, N)."""
    layers, stacks, width, _ = weight.shape
    joined = weight.transpose(0, 1).reshape(stacks, layers * width, width)
    joined_bias = bias.transpose(0, 1).reshape(stacks, layers * width, 1)
    return torch.split(affine(joined, joined_bias, normal), width, 1)


def _step(x: Tensor, rows: int, step: int) -> Tensor:
    """One time step (S, D, B) of (S, D, B * T)."""
    return x.view(*x.shape[:2], rows, -1)[..., step]


def _segments(dropout: Sequence[float]) -> list[tuple[int, float]]:
    """Runs of equal values: (length, value)."""
    runs: list[tuple[int, float]] = []
    for value in dropout:
        count = runs.pop()[0] if runs and runs[-1][1] == value else 0
        runs.append((count + 1, value))
    return runs


def _constant(value: float, *shape: int) -> nn.Parameter:
    return nn.Parameter(torch.full(shape, value))


def _xavier(layers: int, stacks: int, outputs: int, inputs: int) -> nn.Parameter:
    """Xavier-uniform matrices, each with the bound of its own shape."""
    bound = (6.0 / (inputs + outputs)) ** 0.5
    return nn.Parameter(torch.empty(layers, stacks, outputs, inputs).uniform_(-bound, bound))
