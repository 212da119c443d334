"""Layers of several equal transformers at once, channels first, with backward passes that touch memory rarely.

Letters: S stacks (transformers of the same size), D channels, H heads of size d = D / H, B rows, T time steps,
N = B * T columns. Activations are (S, D, N): sums over channels and products with weights run along contiguous columns,
which processors do several times faster than the usual rows of 30 channels.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

__all__ = ["affine", "attend", "dropped", "kept", "normalised", "rectified", "thinned"]

_LEVELS = 65_536
_SAFE_EXPONENT = 80.0
_BLOCK = 25


class Thinning:
    """Which entries of a tensor dropout keeps: independent, from torch's default generator, not rescaled.

    An entry is dropped with the probability nearest to ``dropout`` among the multiples of 1/65536: four entries share
    one 64-bit random number, which costs a fifth of `Tensor.bernoulli_`, and no mask is made of them: the kernel of the
    ReLU's backward pass, "this where that is above a threshold, else 0", applies them in one pass.
    """

    def __init__(self, dropout: float, like: Tensor) -> None:
        count = like.numel()
        bits = torch.empty(-(-count // 4), dtype=torch.int64, device=like.device).random_(-(2**63), None)
        self.levels = bits.view(torch.int16)[:count].view(like.shape).to(like.dtype)
        self.threshold = round(dropout * _LEVELS) - _LEVELS // 2 - 0.5

    def __call__(self, value: Tensor) -> Tensor:
        """``value`` with zeros where it is dropped."""
        thinned: Tensor = torch.ops.aten.threshold_backward(value, self.levels, self.threshold)
        return thinned

    def over(self, value: Tensor) -> None:
        """The same, written over ``value``."""
        torch.ops.aten.threshold_backward.grad_input(value, self.levels, self.threshold, grad_input=value)


def kept(dropout: float) -> float:
    """Probability that an entry is kept."""
    return 1.0 - round(dropout * _LEVELS) / _LEVELS


def dropped(value: Tensor, dropout: float, training: bool) -> Tensor:
    """Inverted dropout, as `torch.nn.functional.dropout`."""
    return thinned(value, dropout, training) / kept(dropout) if training and dropout > 0.0 else value


def thinned(value: Tensor, dropout: float, training: bool) -> Tensor:
    """Dropout *without* rescaling."""
    if not training or dropout == 0.0:
        return value
    result: Tensor = _Thin.apply(value, dropout)  # type: ignore[no-untyped-call]
    return result


def affine(weight: Tensor, bias: Tensor, value: Tensor) -> Tensor:
    """``weight @ value + bias``: (S, O, D), (S, O, 1) and (S, D, N) to (S, O, N)."""
    result: Tensor = _Affine.apply(weight, bias, value)  # type: ignore[no-untyped-call]
    return result


def normalised(value: Tensor, eps: float = 1e-5) -> Tensor:
    """Layer norm over the channels of (S, D, N), without weight and bias."""
    result: Tensor = _Normalise.apply(value, eps)  # type: ignore[no-untyped-call]
    return result


def rectified(value: Tensor, dropout: float, training: bool) -> Tensor:
    """ReLU and dropout *without* rescaling, written over ``value``."""
    result: Tensor = _Rectify.apply(value, dropout if training else 0.0)  # type: ignore[no-untyped-call]
    return result


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, rows: int, dropout: float) -> Tensor:
    """Causal attention of each head, with dropout of the attention weights *without* rescaling.

    Args:
        query: (S, D, B * Tq), already scaled by ``d ** -0.5``.
        key: (S, D, B * T).
        value: (S, D, B * T).
        heads: H.
        rows: B.
        dropout: Probability of dropping an attention weight after the softmax; 0 in evaluation.

    Returns:
        (S, D, B * Tq). Query step i sees the key steps 0 to i + T - Tq: the last query sees every key.
    """
    result: Tensor = _Attend.apply(query, key, value, heads, rows, dropout)  # type: ignore[no-untyped-call]
    return result


class _Affine(torch.autograd.Function):
    """As `torch.baddbmm`, which first copies the bias to all N columns."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor, value: Tensor) -> Tensor:
        ctx.save_for_backward(weight, value)
        return torch.bmm(weight, value).add_(bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weight, value = ctx.saved_tensors
        of_weight = torch.bmm(gradient, value.transpose(1, 2))
        return of_weight, gradient.sum(dim=2, keepdim=True), torch.bmm(weight.transpose(1, 2), gradient)


class _Normalise(torch.autograd.Function):
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


class _Thin(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, dropout: float) -> Tensor:
        ctx.keep = Thinning(dropout, value)
        thinned: Tensor = ctx.keep(value)
        return thinned

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.keep(gradient), None


class _Rectify(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, dropout: float) -> Tensor:
        value.clamp_min_(0.0)
        if dropout > 0.0:
            Thinning(dropout, value).over(value)
        ctx.mark_dirty(value)
        ctx.save_for_backward(value)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        # What passed is above 0, what was dropped or rectified is 0: the mask need not be kept.
        return torch.ops.aten.threshold_backward(gradient, ctx.saved_tensors[0], 0.0), None


class _Attend(torch.autograd.Function):
    """Softmax over keys (axis -2), with its division postponed to the output, which is d / T times smaller.

    Queries are taken in blocks, each with the keys up to its end: half of the scores of long sequences are never made.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, heads: int, rows: int, dropout: float) -> Tensor:
        ctx.heads, ctx.rows, ctx.stacks = heads, rows, len(query)
        q, k, v = (_by_head(part, heads, rows) for part in (query, key, value))
        out, total, kept_blocks = torch.empty_like(q), torch.empty_like(q[:, :1]), []
        small = _are_small(q, k)
        for queries, keys in _blocks(q.shape[2], k.shape[2]):
            powers = _powers(q[..., queries], k[..., keys], small)
            total[..., queries] = powers.sum(dim=-2, keepdim=True)
            weights = powers if dropout == 0.0 else Thinning(dropout, powers)(powers)
            out[..., queries] = torch.bmm(v[..., keys], weights)
            kept_blocks += [powers, weights]
        ctx.save_for_backward(q, k, v, total, out.div_(total), *kept_blocks)
        return _by_channel(out, ctx.stacks, heads, rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, total, out, *kept_blocks = ctx.saved_tensors
        scaled = _by_head(gradient, ctx.heads, ctx.rows).div_(total)
        along = (scaled * out).sum(dim=-2, keepdim=True)
        of_query, of_key, of_value = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for block, (queries, keys) in enumerate(_blocks(q.shape[2], k.shape[2])):
            powers, weights = kept_blocks[2 * block : 2 * block + 2]
            scores = torch.bmm(v[..., keys].transpose(1, 2), scaled[..., queries])
            if weights is powers:
                scores.sub_(along[..., queries]).mul_(powers)
            else:
                scores.mul_(weights).addcmul_(powers, along[..., queries], value=-1.0)
            of_query[..., queries] = torch.bmm(k[..., keys], scores)
            of_key[..., keys].add_(torch.bmm(q[..., queries], scores.transpose(1, 2)))
            of_value[..., keys].add_(torch.bmm(scaled[..., queries], weights.transpose(1, 2)))
        gradients = (of_query, of_key, of_value)
        return *(_by_channel(part, ctx.stacks, ctx.heads, ctx.rows) for part in gradients), None, None, None


def _blocks(queries: int, keys: int) -> list[tuple[slice, slice]]:
    """Slices of the queries, and of the keys that they may see."""
    count = max(1, round(queries / _BLOCK))
    ends = [queries * (block + 1) // count for block in range(count)]
    return [
        (slice(start, end), slice(0, keys - queries + end)) for start, end in zip([0, *ends[:-1]], ends, strict=True)
    ]


def _are_small(query: Tensor, key: Tensor) -> bool:
    """Whether no product of a query and a key can leave the range of `exp` (Cauchy-Schwarz).

    Not asked on accelerators, where the answer would make the processor wait.
    """
    if query.device.type != "cpu":
        return False
    longest = [float(part.square().sum(dim=-2).amax()) for part in (query, key)]
    return longest[0] * longest[1] < _SAFE_EXPONENT**2


def _powers(query: Tensor, key: Tensor, small: bool) -> Tensor:
    """Exponentials (.., T, Tq) of the causal scores, up to a factor per query.

    Nothing needs to be subtracted before the exponential where all scores are small; else the softmax is taken.
    """
    powers = torch.bmm(key.transpose(1, 2), query)
    steps, queries = powers.shape[-2:]
    seen = torch.ones(queries, queries, dtype=powers.dtype, device=powers.device).triu()
    last = powers[:, steps - queries :]
    if not small:
        last.masked_fill_(seen == 0.0, -torch.inf)
        return functional.softmax(powers, dim=-2)
    # Exponentials of minus infinity take ten times as long as those of numbers: mask afterwards.
    powers.exp_()
    if queries > 1:
        last.mul_(seen)
    return powers


def _by_head(value: Tensor, heads: int, rows: int) -> Tensor:
    """A copy of (S, H * d, B * T) as (S * B * H, d, T)."""
    split = value.view(len(value), heads, value.shape[1] // heads, rows, value.shape[2] // rows)
    ordered = split.permute(0, 3, 1, 2, 4)
    return torch.empty(ordered.shape, dtype=value.dtype, device=value.device).copy_(ordered).flatten(0, 2)


def _by_channel(value: Tensor, stacks: int, heads: int, rows: int) -> Tensor:
    """Inverse of `_by_head`."""
    split = value.view(stacks, rows, heads, *value.shape[1:])
    return split.permute(0, 2, 3, 1, 4).reshape(stacks, heads * value.shape[1], rows * value.shape[2])
