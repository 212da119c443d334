"""Several causal pre-norm transformers of one size, computed as one.

Letters: S stacks (transformers), L layers, D channels, H heads of size d = D / H, B rows, T time steps, N = B * T
columns. Activations are (S, D, N): sums over channels and products with weights run along contiguous columns, which
processors do faster than the usual rows of 30 channels.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from anysense.representations.networks.kernels.dropout import dropped

__all__ = ["LAYER_DROPOUT", "StackedTransformer", "attended", "normalised"]

LAYER_DROPOUT = 0.1
BLOCK = 17
"""Queries that are answered at once, by the keys up to the last of them: a third of the scores is never made."""


class StackedTransformer(nn.Module):
    """S transformers with their own weights, run side by side (Tsai et al., ACL 2019, section 3.2).

    Each layer: ``x = x + drop(attention(norm(x), norm(key), norm(value)))``, then
    ``x = x + drop(down(drop(relu(up(norm(x))))))``; the first norm is shared by query, key and value. One more norm
    ends the stack. Weights are Xavier-uniform, biases 0. With the same weights it equals a stack built on
    `torch.nn.MultiheadAttention`.

    Args:
        attention_dropout: Dropout of the attention weights of each stack; gives S. Equal values are best adjacent.
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
        self.segments = [(len(list(equal)), dropout) for dropout, equal in groupby(attention_dropout)]
        size = (layers, len(attention_dropout))
        self.norm1, self.norm1_bias = _constant(1.0, *size, width), _constant(0.0, *size, width)
        self.enter, self.enter_bias = _xavier(*size, 3 * width, width), _constant(0.0, *size, 3 * width)
        self.leave, self.leave_bias = _xavier(*size, width, width), _constant(0.0, *size, width)
        self.norm2, self.norm2_bias = _constant(1.0, *size, width), _constant(0.0, *size, width)
        self.up, self.up_bias = _xavier(*size, 4 * width, width), _constant(0.0, *size, 4 * width)
        self.down, self.down_bias = _xavier(*size, width, 4 * width), _constant(0.0, *size, width)
        self.norm, self.norm_bias = _constant(1.0, *size[1:], width), _constant(0.0, *size[1:], width)

    def cross(self, query: Tensor, key: Tensor, value: Tensor, rows: int, lengths: Tensor | None = None) -> Tensor:
        """All steps of queries that attend to another sequence, the same embedded one in every layer.

        Args:
            query: Embedded target (S, D, N).
            key: Embedded source (S, D, N).
            value: The same source after dropout of its own.
            rows: B.
            lengths: Steps of each source before its padding, int64 (S, B), at least 1; None: all are whole.

        Returns:
            (S, D, N).
        """
        x, source = query, (normalised(key), normalised(value))
        for layer in range(self.layers):
            x = self._layer(layer, x, (normalised(x), *source), rows, lengths)
        return self._ended(x)

    def last_step(self, x: Tensor, rows: int, lengths: Tensor | None = None) -> Tensor:
        """Self-attention; only the last step (S, D, B) of the result, which is all that the last layer computes.

        Args:
            x: Embedded sequence (S, D, N).
            rows: B.
            lengths: Steps of each sequence before its padding, int64 (S, B), at least 1; None: all are whole.
        """
        for layer in range(self.layers):
            query = normal = normalised(x)
            if layer == self.layers - 1:
                x, query = (_last(part.view(*part.shape[:2], rows, -1), lengths) for part in (x, normal))
            x = self._layer(layer, x, (query, normal, normal), rows, lengths)
        return self._ended(x)

    def _layer(self, layer: int, x: Tensor, normals: Sequence[Tensor], rows: int, lengths: Tensor | None) -> Tensor:
        """One layer, from x and the normalised sources of query, key and value."""
        weight, bias = _after_norm(self.enter[layer], self.enter_bias[layer], self.norm1[layer], self.norm1_bias[layer])
        parts = zip(torch.split(weight, self.width, 1), torch.split(bias, self.width, 1), normals, strict=True)
        query, key, value = (_affine(*part) for part in parts)
        answer = self._attended(query, key, value, rows, lengths)
        x = x + self._dropped(_affine(self.leave[layer], self.leave_bias[layer], answer))
        up = _after_norm(self.up[layer], self.up_bias[layer], self.norm2[layer], self.norm2_bias[layer])
        hidden = self._dropped(_affine(*up, normalised(x))).relu_()
        return x + self._dropped(_affine(self.down[layer], self.down_bias[layer], hidden))

    def _attended(self, query: Tensor, key: Tensor, value: Tensor, rows: int, lengths: Tensor | None) -> Tensor:
        """Attention, adjacent stacks of equal dropout together."""
        counts = [count for count, _ in self.segments]
        own: Any = [None] * len(counts) if lengths is None else torch.split(lengths, counts)
        parts = zip(*(torch.split(part, counts) for part in (query, key, value)), own, self.segments, strict=True)
        return torch.cat(
            [attended(q, k, v, self.heads, rows, dropout * self.training, n) for q, k, v, n, (_, dropout) in parts]
        )

    def _dropped(self, value: Tensor) -> Tensor:
        return dropped(value, LAYER_DROPOUT, self.training)

    def _ended(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.norm_bias[..., None], normalised(x), self.norm[..., None])


def attended(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    heads: int,
    rows: int,
    dropout: float,
    lengths: Tensor | None = None,
) -> Tensor:
    """Causal attention of each head: softmax of the products over the root of d, with dropout of the weights.

    Args:
        query: (S, D, B * Tq).
        key: (S, D, B * T).
        value: (S, D, B * T).
        heads: H.
        rows: B.
        dropout: Probability of dropping an attention weight after the softmax; 0 in evaluation.
        lengths: How many keys each row has, int64 (S, B), at least 1; no query sees the others. None: all.

    Returns:
        (S, D, B * Tq). Query step i sees the key steps 0 to i + T - Tq: the last query sees every key.
    """
    q, k, v = (_by_head(part, heads, rows) for part in (query, key, value))
    earlier, answers = k.shape[2] - q.shape[2], []
    for start in range(0, q.shape[2], BLOCK):
        asking = q[..., start : start + BLOCK].transpose(1, 2)
        seen = earlier + start + asking.shape[1]
        mask = asking.new_full((asking.shape[1], seen), -torch.inf).triu(earlier + start + 1)
        if lengths is not None:
            own = lengths.flatten().repeat_interleave(heads)[:, None, None]
            mask = mask.masked_fill(torch.arange(seen, device=mask.device) >= own, -torch.inf)
        scores = torch.baddbmm(mask, asking, k[..., :seen], alpha=q.shape[1] ** -0.5)
        weights = dropped(scores.softmax(dim=2), dropout, training=True)
        answer = torch.bmm(v[..., :seen], weights.transpose(1, 2))
        answers.append(answer.view(len(query), rows, heads, *answer.shape[1:]).permute(0, 2, 3, 1, 4))
    return torch.cat(answers, dim=4).flatten(3).flatten(1, 2)


def normalised(value: Tensor, eps: float = 1e-5) -> Tensor:
    """Layer norm over the channels of (S, D, N), without weight and bias; differentiable once."""
    result: Tensor = _Normalise.apply(value, eps)  # type: ignore[no-untyped-call]
    return result


class _Normalise(torch.autograd.Function):
    """Twice as fast as what autograd makes of the same sums, which beat a transposed `layer_norm`."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, eps: float) -> Tensor:
        result = value - value.mean(dim=-2, keepdim=True)
        scale = (result * result).mean(dim=-2, keepdim=True).add_(eps).rsqrt_()
        result.mul_(scale)
        ctx.save_for_backward(result, scale)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        result, scale = ctx.saved_tensors
        along = (gradient * result).mean(dim=-2, keepdim=True)
        out = gradient - gradient.mean(dim=-2, keepdim=True)
        return out.addcmul_(result, along, value=-1.0).mul_(scale), None


def _last(value: Tensor, lengths: Tensor | None) -> Tensor:
    """The last step (S, D, B) of (S, D, B, T), of sequences of the given lengths (S, B)."""
    if lengths is None:
        return value[..., -1]
    return value.take_along_dim((lengths - 1)[:, None, :, None], dim=3).squeeze(3)


def _affine(weight: Tensor, bias: Tensor, value: Tensor) -> Tensor:
    """(S, O, D), (S, O) and (S, D, N) to (S, O, N)."""
    return torch.bmm(weight, value).add_(bias.unsqueeze(-1))


def _after_norm(weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Weight (S, O, D) and bias (S, O) that take up the scale and shift (S, D) of the norm before them."""
    return weight * scale.unsqueeze(-2), bias + (weight @ shift.unsqueeze(-1)).squeeze(-1)


def _by_head(value: Tensor, heads: int, rows: int) -> Tensor:
    """(S, H * d, B * T) as (S * B * H, d, T)."""
    split = value.view(len(value), heads, value.shape[1] // heads, rows, -1)
    return split.permute(0, 3, 1, 2, 4).flatten(0, 2)


def _constant(value: float, *shape: int) -> nn.Parameter:
    return nn.Parameter(torch.full(shape, value))


def _xavier(layers: int, stacks: int, outputs: int, inputs: int) -> nn.Parameter:
    """Xavier-uniform matrices, each with the bound of its own shape."""
    bound = (6.0 / (inputs + outputs)) ** 0.5
    return nn.Parameter(torch.empty(layers, stacks, outputs, inputs).uniform_(-bound, bound))
