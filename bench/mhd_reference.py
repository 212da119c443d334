"""The plain training loop that `anysense bench mhd` compares with.

GMC for MHD written the direct way: float32 tensors as the published files hold them in a `Dataset` that is read item by
item and collated by PyTorch's `DataLoader`, plain convolutions, each trunk with its own pass, the contrastive loss in
exponentials and logarithms without subtracting a maximum, and Adam as it comes. Architecture and settings are the
published ones (Poklukar et al., "Geometric Multimodal Contrastive Representation Learning", ICML 2022). It is a
measuring stick, not part of the library.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from anysense.representations.data.samples import Samples

__all__ = ["PlainMHD", "StoredDigits", "plain_loss", "plain_training"]

CLASSES = 10
SLICES = 4
"""A stored sound consists of 4 slices of 32 mel bins by 32 frames."""

Item = tuple[Tensor, Tensor, Tensor, Tensor]


class StoredDigits(Dataset[Item]):
    """Images (N, 1, 28, 28), sounds (N, 4, 32, 32), trajectories (N, 200) and labels (N,), read one by one."""

    def __init__(self, samples: Samples):
        values = samples.values
        self.image, self.trajectory = values["image"], values["trajectory"]
        self.sound = values["sound"].transpose(2, 3).reshape(-1, SLICES, 32, 32).contiguous()
        self.label = values["label"].argmax(dim=1)

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, index: int) -> Item:
        slices = self.sound[index]
        sound = torch.cat([slices[number] for number in range(len(slices))], dim=0)
        return self.image[index], sound.unsqueeze(0).transpose(1, 2), self.trajectory[index], self.label[index]


class PlainMHD(nn.Module):
    """Four encoders, the joint one with its own weights, and the shared head: 2 884 224 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.image_trunk, self.image_projector = _image_trunk(), nn.Linear(6272, 64)
        self.sound_trunk, self.sound_projector = _sound_trunk(), nn.Linear(2048, 64)
        self.trajectory_trunk, self.trajectory_projector = _trajectory_trunk(), nn.Linear(512, 64)
        self.label_projector = nn.Linear(CLASSES, 64)
        self.joint_image_trunk, self.joint_sound_trunk = _image_trunk(), _sound_trunk()
        self.joint_trajectory_trunk = _trajectory_trunk()
        self.joint_projector = nn.Linear(8842, 64)
        self.head = nn.Sequential(nn.Linear(64, 512), nn.SiLU(), nn.Linear(512, 512), nn.SiLU(), nn.Linear(512, 64))

    def forward(self, image: Tensor, sound: Tensor, trajectory: Tensor, label: Tensor) -> list[Tensor]:
        """Latents of image, sound, trajectory, label and of all together, each (B, 64) and of unit length."""
        joint = [
            self.joint_image_trunk(image),
            self.joint_sound_trunk(sound),
            self.joint_trajectory_trunk(trajectory),
            label,
        ]
        features = [
            self.image_projector(self.image_trunk(image)),
            self.sound_projector(self.sound_trunk(sound)),
            self.trajectory_projector(self.trajectory_trunk(trajectory)),
            self.label_projector(label),
            self.joint_projector(torch.cat(joint, dim=-1)),
        ]
        return [nn.functional.normalize(self.head(feature), dim=-1) for feature in features]


def plain_loss(latents: Sequence[Tensor], temperature: float) -> Tensor:
    """InfoNCE of each modality with the joint latent, which comes last, summed, by exponentials as they are."""
    *modalities, joint = latents
    batch = len(joint)
    loss = torch.zeros(2 * batch)
    for modality in modalities:
        stacked = torch.cat([joint, modality])
        mask = torch.ones(2 * batch, 2 * batch) - torch.eye(2 * batch)
        denominator = (torch.exp(stacked @ stacked.T / temperature) * mask).sum(dim=-1)
        positive = torch.exp((joint * modality).sum(dim=-1) / temperature)
        loss = loss - torch.log(torch.cat([positive, positive]) / denominator)
    return loss.mean()


def plain_training(samples: Samples, batch_size: int, temperature: float, rate: float, seed: int) -> Iterator[int]:
    """Train without end; yields the number of samples after each step."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = PlainMHD()
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    shuffling = torch.Generator().manual_seed(seed)
    loader = DataLoader(StoredDigits(samples), batch_size=batch_size, shuffle=True, generator=shuffling)
    while True:
        for image, sound, trajectory, label in loader:
            one_hot = nn.functional.one_hot(label, CLASSES).float()
            loss = plain_loss(model(image, sound, trajectory, one_hot), temperature)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            yield len(image)


def _image_trunk() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 64, 4, 2, 1, bias=False),
        nn.SiLU(),
        nn.Conv2d(64, 128, 4, 2, 1, bias=False),
        nn.SiLU(),
        nn.Flatten(),
    )


def _sound_trunk() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 128, (1, 128), bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.Conv2d(128, 128, (4, 1), (2, 1), (1, 0), bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.Conv2d(128, 256, (4, 1), (2, 1), (1, 0), bias=False),
        nn.BatchNorm2d(256),
        nn.ReLU(),
        nn.Flatten(),
    )


def _trajectory_trunk() -> nn.Sequential:
    return nn.Sequential(nn.Linear(200, 512), nn.SiLU(), nn.Linear(512, 512), nn.SiLU())
