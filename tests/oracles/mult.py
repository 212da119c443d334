"""The multimodal transformer the direct way: nine separate stacks of `torch.nn.MultiheadAttention` and `Dropout`.

Sizes are the published ones (Tsai et al., "Multimodal Transformer for Unaligned Multimodal Language Sequences", ACL
2019, as used by Poklukar et al., ICML 2022). B: rows, T: time steps, F: features.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["PlainLayer", "PlainMulT", "PlainTransformer"]

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
        mask = torch.full((len(x), len(x)), -math.inf).triu(1)
        query = self.norm1(x)
        key = query if key is None else self.norm1(key)
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
        table = torch.cat([angles.sin(), angles.cos()], dim=1).float()
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
