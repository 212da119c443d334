"""The plain form of the multimodal transformer: nine separate stacks of `torch.nn.MultiheadAttention`.

Architecture and settings are the published ones (Tsai et al., "Multimodal Transformer for Unaligned Multimodal Language
Sequences", ACL 2019). Letters: B rows, T time steps.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysense.representations.networks.kernels.stacked_transformer import StackedTransformer

__all__ = ["PlainMulT", "PlainTransformer", "batched_cross", "columns_norm", "shared_parameters"]

Shared = tuple[Tensor, Tensor, tuple[int, ...]]

_WIDTH, _HEADS, _LAYERS, _LATENT = 30, 5, 5, 60
_SOURCES = {"text": ("audio", "vision"), "audio": ("text", "vision"), "vision": ("text", "audio")}


class PlainLayer(nn.Module):
    """Pre-norm attention and feed-forward; the first layer norm serves query, key and value."""

    def __init__(self, width: int, attention_dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, _HEADS, dropout=attention_dropout)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, key: Tensor | None, value: Tensor | None) -> Tensor:
        query = self.norm1(x)
        key = query if key is None else self.norm1(key)
        mask = torch.full((len(x), len(key)), -math.inf, dtype=x.dtype, device=x.device).triu(1)
        value = query if value is None else self.norm1(value)
        x = x + self.dropout(self.attention(query, key, value, attn_mask=mask, need_weights=False)[0])
        hidden = self.dropout(torch.relu(self.up(self.norm2(x))))
        result: Tensor = x + self.dropout(self.down(hidden))
        return result


class PlainTransformer(nn.Module):
    """Stack of layers on (T, B, width), with embedded queries, and sources if it is cross-modal."""

    def __init__(self, width: int, attention_dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(PlainLayer(width, attention_dropout) for _ in range(_LAYERS))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(0.25)

    def forward(self, x: Tensor, source: Tensor | None = None) -> Tensor:
        """All steps (T, B, width) of a target that reads a source, or itself."""
        x = self.embed(x)
        key, value = (None, None) if source is None else (self.embed(source), self.embed(source))
        for layer in self.layers:
            x = layer(x, key, value)
        result: Tensor = self.norm(x)
        return result

    def embed(self, x: Tensor) -> Tensor:
        """Scaled frames with their positions; steps whose first channel is 0 are padding."""
        steps, _, width = x.shape
        half = width // 2
        frequencies = torch.exp(torch.arange(half, dtype=torch.float64) * -(math.log(10_000.0) / (half - 1)))
        angles = torch.arange(steps + 1)[:, None] * frequencies
        table = torch.cat([angles.sin(), angles.cos()], dim=1).float().to(x.dtype)
        table[0] = 0.0
        index = torch.where(x[:, :, 0] == 0.0, 0, torch.arange(1, steps + 1)[:, None])
        embedded: Tensor = self.dropout(math.sqrt(width) * x + table[index])
        return embedded


class PlainMulT(nn.Module):
    """Six cross-modal stacks, three memory stacks, and the residual layers after their last time steps."""

    def __init__(self, features: Mapping[str, int]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleDict({n: nn.Conv1d(f, _WIDTH, 1, bias=False) for n, f in features.items()})
        self.cross = nn.ModuleDict(
            {
                f"{target}_{source}": PlainTransformer(_WIDTH, 0.1 if source == "text" else 0.0)
                for target, sources in _SOURCES.items()
                for source in sources
            }
        )
        self.memory = nn.ModuleDict({name: PlainTransformer(2 * _WIDTH, 0.1) for name in _SOURCES})
        self.residual_in, self.residual_out = nn.Linear(6 * _WIDTH, 6 * _WIDTH), nn.Linear(6 * _WIDTH, 6 * _WIDTH)
        self.project = nn.Linear(6 * _WIDTH, _LATENT)
        self.dropout = nn.Dropout(0.25)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Sequences (B, T, F) by name to (B, 60)."""
        inputs = dict(inputs) | {"text": self.dropout(inputs["text"])}
        frames = {n: conv(inputs[n].transpose(1, 2)).permute(2, 0, 1) for n, conv in self.convolutions.items()}
        last = []
        for target, sources in _SOURCES.items():
            crossed = [self.cross[f"{target}_{source}"](frames[target], frames[source]) for source in sources]
            last.append(self.memory[target](torch.cat(crossed, dim=2))[-1])
        joined = torch.cat(last, dim=1)
        joined = joined + self.residual_out(torch.relu(self.residual_in(joined)))
        common: Tensor = self.project(joined)
        return common


def shared_parameters(fast: Any, plain: Any) -> Iterator[Shared]:
    """(parameter of a `PlainMulT`, parameter of a `MulT`, where in the latter)."""
    for name in _SOURCES:
        yield plain.convolutions[name].weight, fast.project[name].weight, ()
    for index, (target, source) in enumerate(fast.pairs):
        yield from _of_stack(fast.cross, index, plain.cross[f"{target}_{source}"])
    for index, name in enumerate(_SOURCES):
        yield from _of_stack(fast.memory, index, plain.memory[name])
    outer = ((plain.residual_in, fast.residual_in), (plain.residual_out, fast.residual_out))
    for mine, other in (*outer, (plain.project, fast.output)):
        yield mine.weight, other.weight, ()
        yield mine.bias, other.bias, ()


def _of_stack(stack: Any, index: int, plain: Any) -> Iterator[Shared]:
    for layer, part in enumerate(plain.layers):
        mine = (part.norm1, part.attention.out_proj, part.norm2, part.up, part.down)
        for module, name in zip(mine, ("norm1", "leave", "norm2", "up", "down"), strict=True):
            yield module.weight, getattr(stack, name), (layer, index)
            yield module.bias, getattr(stack, f"{name}_bias"), (layer, index)
        yield part.attention.in_proj_weight, stack.enter, (layer, index)
        yield part.attention.in_proj_bias, stack.enter_bias, (layer, index)
    yield plain.norm.weight, stack.norm, (index,)
    yield plain.norm.bias, stack.norm_bias, (index,)


def batched_cross(stack: StackedTransformer, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """What `stack.cross` computes, batched over the stacks S with torch's own operations on rows: (S, B, T, width)."""
    x = query
    for layer in range(stack.layers):
        projections = zip(stack.enter[layer].chunk(3, 1), stack.enter_bias[layer].chunk(3, 1), strict=True)
        parts = (_norm(part, stack.norm1[layer], stack.norm1_bias[layer]) for part in (x, key, value))
        heads = [
            _linear(part, *projection).view(*part.shape[:3], stack.heads, -1).transpose(2, 3)
            for part, projection in zip(parts, projections, strict=True)
        ]
        x = x + _dropout(_linear(_attention(stack, *heads), stack.leave[layer], stack.leave_bias[layer]), stack)
        normal = _norm(x, stack.norm2[layer], stack.norm2_bias[layer])
        hidden = _dropout(torch.relu(_linear(normal, stack.up[layer], stack.up_bias[layer])), stack)
        x = x + _dropout(_linear(hidden, stack.down[layer], stack.down_bias[layer]), stack)
    return _norm(x, stack.norm, stack.norm_bias)


def columns_norm(value: Tensor) -> Tensor:
    """Layer norm over the channels of (S, D, N), without weight and bias; faster than a transposed `layer_norm`."""
    centred = value - value.mean(dim=-2, keepdim=True)
    return centred * (centred * centred).mean(dim=-2, keepdim=True).add(1e-5).rsqrt()


def _attention(stack: StackedTransformer, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(S, B, H, T, d) to (S, B, T, H * d)."""
    counts, answers = [count for count, _ in stack.segments], []
    segments = zip(*(torch.split(part, counts) for part in (query, key, value)), stack.segments, strict=True)
    for *parts, (_, dropout) in segments:
        q, k, v = (part.flatten(0, 1) for part in parts)
        answer = functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout * stack.training, is_causal=True)
        answers.append(answer.view(parts[0].shape))
    return torch.cat(answers).transpose(2, 3).flatten(3)


def _linear(value: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    product = torch.baddbmm(bias[:, None], value.flatten(1, 2), weight.transpose(1, 2))
    return product.view(*value.shape[:3], -1)


def _norm(value: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    normal = functional.layer_norm(value, value.shape[-1:])
    return torch.addcmul(bias[:, None, None], normal, weight[:, None, None])


def _dropout(value: Tensor, stack: StackedTransformer) -> Tensor:
    return functional.dropout(value, 0.1, stack.training)
