"""The plain form of the multimodal transformer and of supervised GMC that `anysense bench mosei` compares with.

Written the direct way: nine separate stacks of `torch.nn.MultiheadAttention` and `torch.nn.Dropout`, one `torch.nn.GRU`
per modality, a `Dataset` of NumPy rows read item by item and collated by PyTorch's `DataLoader`, and the contrastive
loss in exponentials and logarithms without subtracting a maximum, which overflows for small temperatures. Architecture
and settings are the published ones (Tsai et al., "Multimodal Transformer for Unaligned Multimodal Language Sequences",
ACL 2019; Poklukar et al., "Geometric Multimodal Contrastive Representation Learning", ICML 2022). It is a measuring
stick, not part of the library.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

__all__ = ["PlainGMC", "PlainMulT", "PlainTransformer", "Rows", "plain_loss", "plain_training"]

_WIDTH, _HEADS, _LAYERS, _LATENT = 30, 5, 5, 60
_SOURCES = {"text": ("audio", "vision"), "audio": ("text", "vision"), "vision": ("text", "audio")}

Row = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


class Rows(Dataset[Row]):
    """Text, audio and vision (N, 50, F) and sentiment (N, 1), read one sample at a time."""

    def __init__(self, *arrays: NDArray[np.float32]) -> None:
        self.arrays = arrays

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: int) -> Row:
        text, audio, vision, label = (array[index] for array in self.arrays)
        return text, audio, vision, label


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


class PlainGRU(nn.Module):
    """One-layer GRU; the outputs of all 50 steps, joined, to 60 numbers."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.gru = nn.GRU(features, _WIDTH, batch_first=True)
        self.project = nn.Linear(50 * _WIDTH, _LATENT)

    def forward(self, value: Tensor) -> Tensor:
        common: Tensor = self.project(self.gru(value)[0].flatten(1))
        return common


class PlainGMC(nn.Module):
    """Encoders of each modality and of all, the shared head, and the prediction: 1 411 081 parameters for MOSEI."""

    def __init__(self, features: Mapping[str, int]) -> None:
        super().__init__()
        self.single = nn.ModuleDict({name: PlainGRU(size) for name, size in features.items()})
        self.joint = PlainMulT(features)
        self.head = nn.Linear(_LATENT, _LATENT)
        self.answer_in, self.answer_out = nn.Linear(_LATENT, _LATENT), nn.Linear(_LATENT, _LATENT)
        self.answer = nn.Linear(_LATENT, 1)

    def forward(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, list[Tensor], Tensor]:
        """Joint latents (B, 60), those of each modality, and predictions (B, 1)."""
        single = [self._latent(encoder(inputs[name])) for name, encoder in self.single.items()]
        joint = self._latent(self.joint(inputs))
        answer = self.answer(joint + self.answer_out(torch.relu(self.answer_in(joint))))
        return joint, single, answer

    def _latent(self, common: Tensor) -> Tensor:
        return functional.normalize(self.head(common), dim=-1)


def plain_loss(joint: Tensor, single: list[Tensor], temperature: float) -> Tensor:
    """InfoNCE of each modality with the joint latent, summed, by exponentials as they are."""
    batch = len(joint)
    mask = torch.ones(2 * batch, 2 * batch) - torch.eye(2 * batch)
    loss = torch.zeros(2 * batch)
    for modality in single:
        stacked = torch.cat([joint, modality])
        denominator = (torch.exp(stacked @ stacked.T / temperature) * mask).sum(dim=-1)
        positive = torch.exp((joint * modality).sum(dim=-1) / temperature)
        loss = loss - torch.log(torch.cat([positive, positive]) / denominator)
    return loss.mean()


def plain_training(
    arrays: Mapping[str, NDArray[np.float32]], labels: NDArray[np.float32], batch_size: int, seed: int
) -> Iterator[int]:
    """Train without end; yields the number of samples after each step."""
    names = list(arrays)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = PlainGMC({name: array.shape[-1] for name, array in arrays.items()})
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader: DataLoader[Any] = DataLoader(
        Rows(*arrays.values(), labels.reshape(-1, 1)),
        batch_size=batch_size,
        shuffle=True,
        generator=torch.Generator().manual_seed(seed),
    )
    while True:
        for *values, label in loader:
            joint, single, answer = model(dict(zip(names, values, strict=True)))
            loss = plain_loss(joint, single, temperature=0.3) + (answer - label).abs().mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.8)
            optimizer.step()
            yield len(label)
