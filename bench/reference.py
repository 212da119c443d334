"""The plain float32 pretraining loop that `anysense bench pretrain` compares with.

GMC for the pendulum written the direct way: float32 tensors of whole stacks in a `Dataset` that is read item by item
and collated by PyTorch's `DataLoader`, one module per encoder, each trunk with its own pass, and the contrastive loss
in exponentials and logarithms without subtracting a maximum, which overflows for small temperatures. Architecture and
settings are the published ones (Poklukar et al., "Geometric Multimodal Contrastive Representation Learning", ICML
2022). It is a measuring stick, not part of the library.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

__all__ = ["FloatFrames", "PlainGMC", "plain_loss", "plain_training"]

Sample = tuple[Tensor, Tensor]


class FloatFrames(Dataset[Sample]):
    """Images (N, 2, 60, 60) and sounds (N, 2, 3, 2) as float32 in [0, 1], read one sample at a time."""

    def __init__(self, image: Tensor, sound: Tensor):
        self.image = image
        self.sound = sound

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, index: int) -> Sample:
        return self.image[index], self.sound[index]


class PlainGMC(nn.Module):
    """Image, sound and joint encoder (each with its own weights) and the shared head: 1 933 386 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.image_trunk = _image_trunk()
        self.image_projector = nn.Linear(14400, 64)
        self.sound_trunk = _sound_trunk()
        self.sound_projector = nn.Linear(50, 64)
        self.joint_image_trunk = _image_trunk()
        self.joint_sound_trunk = _sound_trunk()
        self.joint_projector = nn.Linear(14450, 64)
        self.head = nn.Sequential(nn.Linear(64, 128), nn.SiLU(), nn.Linear(128, 10))

    def forward(self, image: Tensor, sound: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Latents of image, of sound and of both, each (B, 10) and of unit length."""
        joint = torch.cat([self.joint_image_trunk(image), self.joint_sound_trunk(sound)], dim=-1)
        features = (
            self.image_projector(self.image_trunk(image)),
            self.sound_projector(self.sound_trunk(sound)),
            self.joint_projector(joint),
        )
        seen, heard, both = (nn.functional.normalize(self.head(feature), dim=-1) for feature in features)
        return seen, heard, both


def plain_loss(seen: Tensor, heard: Tensor, both: Tensor, temperature: float) -> Tensor:
    """InfoNCE of each modality with the joint latent, summed, by exponentials as they are."""
    batch = len(both)
    mask = torch.ones(2 * batch, 2 * batch) - torch.eye(2 * batch)
    loss = torch.zeros(2 * batch)
    for modality in (seen, heard):
        stacked = torch.cat([both, modality])
        denominator = (torch.exp(stacked @ stacked.T / temperature) * mask).sum(dim=-1)
        positive = torch.exp((both * modality).sum(dim=-1) / temperature)
        loss = loss - torch.log(torch.cat([positive, positive]) / denominator)
    return loss.mean()


def plain_training(
    image: Tensor, sound: Tensor, batch_size: int, temperature: float, learning_rate: float, seed: int
) -> Iterator[int]:
    """Train without end; yields the number of samples after each step."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = PlainGMC()
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    shuffling = torch.Generator().manual_seed(seed)
    loader = DataLoader(FloatFrames(image, sound), batch_size=batch_size, shuffle=True, generator=shuffling)
    while True:
        for images, sounds in loader:
            seen, heard, both = model(images, sounds)
            loss = plain_loss(seen, heard, both, temperature)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            yield len(images)


def _image_trunk() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 32, 4, 2, 1, bias=False),
        nn.SiLU(),
        nn.Conv2d(32, 64, 4, 2, 1, bias=False),
        nn.SiLU(),
        nn.Flatten(),
    )


def _sound_trunk() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 50), nn.SiLU(), nn.Linear(50, 50), nn.SiLU())
