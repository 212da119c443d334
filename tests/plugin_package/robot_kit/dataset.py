"""A data set: which of three grips a hand has, from joint angles over time and from pressure."""

import torch

from anysense.representations import Modality
from anysense.representations.benchmarks import Benchmark, DataRequest, Presets
from anysense.representations.data import Samples, Splits
from anysense.representations.evaluation.tasks import Classification

MODALITIES = {
    "joints": Modality("joints", (8, 3), "float32", -2.0, 2.0),
    "touch": Modality("touch", (5,), "float32", -2.0, 2.0),
}
GRIPS_PRESETS = Presets(
    name="grips",
    family="flat",
    settings={"gmc": {"*": {"latent_dim": 8, "head_widths": (32,)}}, "vicreg": {"*": {"latent_dim": 8}}},
    training_settings={"*": {"epochs": 2, "batch_size": 32, "schedule": "constant"}},
)


def draw(count: int, seed: int) -> Samples:
    """Samples whose modalities both depend on the grip."""
    generator = torch.Generator().manual_seed(seed)
    grips = torch.randint(3, (count,), generator=generator)
    time = torch.linspace(0, 3, 8)[None, :, None]
    joints = torch.sin(time * (1 + grips[:, None, None]) + torch.arange(3.0))
    touch = torch.nn.functional.one_hot(grips, 5).float()
    joints = joints + 0.1 * torch.randn(joints.shape, generator=generator)
    touch = touch + 0.1 * torch.randn(touch.shape, generator=generator)
    return Samples(MODALITIES, {"joints": joints, "touch": touch}, targets=grips)


def load(request: DataRequest, progress: object) -> Splits:
    seed = request.data_seed
    return Splits(draw(request.train or 200, seed), draw(40, seed + 1), draw(request.test or 100, seed + 2))


GRIPS = Benchmark(
    name="grips",
    title="Grips of a hand",
    task=Classification(),
    presets=GRIPS_PRESETS,
    modalities=MODALITIES,
    load=load,
    methods={"gmc": "gmc", "vicreg": "vicreg"},
)
