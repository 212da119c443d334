"""The plain training loops that `python -m bench` compares with, for the pendulum, MHD and CMU-MOSEI.

GMC written the direct way: float32 tensors in a `Dataset` that is read item by item and collated by PyTorch's
`DataLoader`, one module per encoder with its own pass, the contrastive loss in exponentials and logarithms without
subtracting a maximum (which overflows for small temperatures), and Adam as it comes. Architectures and settings are the
published ones (Poklukar et al., "Geometric Multimodal Contrastive Representation Learning", ICML 2022; for sequences
Tsai et al., "Multimodal Transformer for Unaligned Multimodal Language Sequences", ACL 2019). They are measuring sticks,
not part of the library. B: rows of a batch.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from anysense.representations.data.samples import Samples
from tests.oracles.mult import PlainMulT

__all__ = ["PlainMHD", "PlainPendulum", "PlainSentiment", "Rows", "StoredDigits", "plain_loss", "plain_training"]

CLASSES = 10
SLICES = 4
"""A stored sound of MHD consists of 4 slices of 32 mel bins by 32 frames."""
WIDTH, LATENT = 30, 60
"""Of GRUs and of what all encoders of sequences share."""


class Rows(Dataset[tuple[Tensor, ...]]):
    """Tensors (N, ...) in memory, read one sample at a time."""

    def __init__(self, *tensors: Tensor) -> None:
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)


class StoredDigits(Dataset[tuple[Tensor, ...]]):
    """Images (N, 1, 28, 28), sounds (N, 4, 32, 32), trajectories (N, 200) and labels (N,), read one by one."""

    def __init__(self, samples: Samples):
        values = samples.values
        self.image, self.trajectory = values["image"], values["trajectory"]
        self.sound = values["sound"].transpose(2, 3).reshape(-1, SLICES, 32, 32).contiguous()
        self.label = values["label"].argmax(dim=1)

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        slices = self.sound[index]
        sound = torch.cat([slices[number] for number in range(len(slices))], dim=0)
        return self.image[index], sound.unsqueeze(0).transpose(1, 2), self.trajectory[index], self.label[index]


class PlainPendulum(nn.Module):
    """Image, sound and joint encoder (each with its own weights) and the shared head: 1 933 386 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.image_trunk, self.image_projector = _image_trunk(2, 32), nn.Linear(14400, 64)
        self.sound_trunk, self.sound_projector = _dense_trunk(12, 50), nn.Linear(50, 64)
        self.joint_image_trunk, self.joint_sound_trunk = _image_trunk(2, 32), _dense_trunk(12, 50)
        self.joint_projector = nn.Linear(14450, 64)
        self.head = nn.Sequential(nn.Linear(64, 128), nn.SiLU(), nn.Linear(128, 10))

    def forward(self, image: Tensor, sound: Tensor) -> list[Tensor]:
        """Latents of image, of sound and of both, each (B, 10) and of unit length."""
        joint = [self.joint_image_trunk(image), self.joint_sound_trunk(sound)]
        features = [
            self.image_projector(self.image_trunk(image)),
            self.sound_projector(self.sound_trunk(sound)),
            self.joint_projector(torch.cat(joint, dim=-1)),
        ]
        return [functional.normalize(self.head(feature), dim=-1) for feature in features]


class PlainMHD(nn.Module):
    """Four encoders, the joint one with its own weights, and the shared head: 2 884 224 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.image_trunk, self.image_projector = _image_trunk(1, 64), nn.Linear(6272, 64)
        self.sound_trunk, self.sound_projector = _spectrogram_trunk(), nn.Linear(2048, 64)
        self.trajectory_trunk, self.trajectory_projector = _dense_trunk(200, 512), nn.Linear(512, 64)
        self.label_projector = nn.Linear(CLASSES, 64)
        self.joint_image_trunk, self.joint_sound_trunk = _image_trunk(1, 64), _spectrogram_trunk()
        self.joint_trajectory_trunk = _dense_trunk(200, 512)
        self.joint_projector = nn.Linear(8842, 64)
        self.head = nn.Sequential(nn.Linear(64, 512), nn.SiLU(), nn.Linear(512, 512), nn.SiLU(), nn.Linear(512, 64))

    def forward(self, image: Tensor, sound: Tensor, trajectory: Tensor, label: Tensor) -> list[Tensor]:
        """Latents of image, sound, trajectory, label (B,) and of all together, each (B, 64) and of unit length."""
        one_hot = functional.one_hot(label, CLASSES).float()
        joint = [
            self.joint_image_trunk(image),
            self.joint_sound_trunk(sound),
            self.joint_trajectory_trunk(trajectory),
            one_hot,
        ]
        features = [
            self.image_projector(self.image_trunk(image)),
            self.sound_projector(self.sound_trunk(sound)),
            self.trajectory_projector(self.trajectory_trunk(trajectory)),
            self.label_projector(one_hot),
            self.joint_projector(torch.cat(joint, dim=-1)),
        ]
        return [functional.normalize(self.head(feature), dim=-1) for feature in features]


class PlainGRU(nn.Module):
    """One-layer GRU; the outputs of all 50 steps, joined, to 60 numbers."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.gru = nn.GRU(features, WIDTH, batch_first=True)
        self.project = nn.Linear(50 * WIDTH, LATENT)

    def forward(self, value: Tensor) -> Tensor:
        """Sequences (B, 50, F) to (B, 60)."""
        common: Tensor = self.project(self.gru(value)[0].flatten(1))
        return common


class PlainSentiment(nn.Module):
    """Encoders of each modality and of all, the shared head, and the prediction: 1 411 081 parameters for MOSEI."""

    def __init__(self, features: Mapping[str, int]) -> None:
        super().__init__()
        self.single = nn.ModuleDict({name: PlainGRU(size) for name, size in features.items()})
        self.joint = PlainMulT(features)
        self.head = nn.Linear(LATENT, LATENT)
        self.answer_in, self.answer_out = nn.Linear(LATENT, LATENT), nn.Linear(LATENT, LATENT)
        self.answer = nn.Linear(LATENT, 1)

    def forward(self, *values: Tensor) -> list[Tensor]:
        """Latents of each modality and joint latents, each (B, 60), and predictions (B, 1)."""
        inputs = dict(zip(self.single, values, strict=True))
        commons = [*(encoder(inputs[name]) for name, encoder in self.single.items()), self.joint(inputs)]
        latents = [functional.normalize(self.head(common), dim=-1) for common in commons]
        joint = latents[-1]
        return [*latents, self.answer(joint + self.answer_out(torch.relu(self.answer_in(joint))))]


def plain_loss(latents: Sequence[Tensor], temperature: float) -> Tensor:
    """InfoNCE of each modality with the joint latent, which comes last, summed, by exponentials as they are."""
    *modalities, joint = latents
    batch = len(joint)
    mask = torch.ones(2 * batch, 2 * batch) - torch.eye(2 * batch)
    loss = torch.zeros(2 * batch)
    for modality in modalities:
        stacked = torch.cat([joint, modality])
        denominator = (torch.exp(stacked @ stacked.T / temperature) * mask).sum(dim=-1)
        positive = torch.exp((joint * modality).sum(dim=-1) / temperature)
        loss = loss - torch.log(torch.cat([positive, positive]) / denominator)
    return loss.mean()


def plain_training(
    make: Callable[[], nn.Module],
    data: Dataset[Any],
    batch_size: int,
    temperature: float,
    seed: int,
    supervised: bool = False,
) -> Iterator[int]:
    """Train without end with Adam at 1e-3; yields the number of samples after each step.

    Args:
        make: Makes the model, from samples to latents, the joint one last.
        data: The samples; with the target last if `supervised`.
        batch_size: B.
        temperature: Of the contrastive loss.
        seed: Seed of weights and order.
        supervised: Whether the model predicts targets besides; gradients are then clipped at 0.8.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = make()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    shuffling = torch.Generator().manual_seed(seed)
    loader: DataLoader[Any] = DataLoader(data, batch_size=batch_size, shuffle=True, generator=shuffling)
    while True:
        for batch in loader:
            *values, target = batch if supervised else (*batch, None)
            outputs = model(*values)
            if supervised:
                *outputs, answer = outputs
                loss = plain_loss(outputs, temperature) + (answer - target).abs().mean()
            else:
                loss = plain_loss(outputs, temperature)
            optimizer.zero_grad()
            loss.backward()
            if supervised:
                torch.nn.utils.clip_grad_norm_(model.parameters(), 0.8)
            optimizer.step()
            yield len(batch[0])


def _image_trunk(channels: int, width: int) -> nn.Sequential:
    first, second = nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False)
    return nn.Sequential(first, nn.SiLU(), second, nn.SiLU(), nn.Flatten())


def _dense_trunk(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())


def _spectrogram_trunk() -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(1, 128, (1, 128), bias=False), nn.BatchNorm2d(128), nn.ReLU()]
    for inputs, outputs in ((128, 128), (128, 256)):
        halving = nn.Conv2d(inputs, outputs, (4, 1), (2, 1), (1, 0), bias=False)
        layers += [halving, nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten())
