"""One step of training of several methods, alone or as one of the processes that a launcher started: losses, gradients.

Arguments: the file to write, and then as a launcher such as torchrun, the variables RANK, WORLD_SIZE, MASTER_ADDR, ....
"""

import os
import sys
import tempfile
import warnings

import lightning.pytorch as pl
import torch

from anysense.representations import Modality, build, make_networks, make_settings
from anysense.representations.data import Samples
from anysense.representations.methods.gmc import GMC
from anysense.representations.pretrain_settings import PretrainSettings
from anysense.representations.training.loader import BatchLoader
from anysense.representations.training.module import PretrainingModule

MODALITIES = {name: Modality(name, (3,), "float32", -5.0, 5.0) for name in ("a", "b")}
CASES = {
    "gmc": ("gmc", {}, ()),
    "gram": ("gram", {"learn_temperature": True}, (1, 3, 4)),
    "hybrid": ("gram", {"variant": "hybrid", "anchor": "a", "alignment_weight": 0.5}, (1, 4, 5)),
    "with a loss per sample": ("gmc", {}, (1,)),
}
"""Method, settings, and rows that lack a modality: none, all of one process, some of both."""


def samples(incomplete: tuple[int, ...]) -> Samples:
    """Seven rows, four and three for two processes."""
    generator = torch.Generator().manual_seed(1)
    values = {name: torch.randn(7, 3, generator=generator).clamp(-4, 4) for name in MODALITIES}
    return Samples(MODALITIES, values, masks={"b": torch.tensor([row not in incomplete for row in range(7)])})


class WithLossPerSample(GMC):
    """A contrast, and the mean of what each row gives by itself."""

    def loss_batch(self, batch):
        """The sum of both."""
        own = (self.encode_batch(batch) * torch.arange(self.latent_dim)).sum(dim=1).square().mean()
        return {"total": super().loss_batch(batch)["total"] + own}


class Recorder(PretrainingModule):
    """Keeps the loss and the gradients of the first step."""

    def training_step(self, batch, batch_idx):
        """Keeps the loss."""
        self.loss = super().training_step(batch, batch_idx)
        return self.loss

    def on_before_optimizer_step(self, optimizer):
        """Keeps the gradients, as they are after the processes have shared them."""
        parameters = self.representation.named_parameters()
        self.found = {name: parameter.grad.clone() for name, parameter in parameters} | {"": self.loss.detach()}


def first_step(method: str, settings: dict, data: Samples, kind: type | None) -> dict[str, torch.Tensor]:
    """Loss (by the name ``""``) and gradients."""
    chosen = make_settings(method, "smoke", centre=False, latent_dim=4, common_dim=4, head_widths=(4,), **settings)
    representation = build(method, MODALITIES, chosen, make_networks(method), seed=0)
    representation.__class__ = kind or representation.__class__
    how = PretrainSettings(epochs=1, batch_size=7, warmup_steps=0, schedule="constant")
    module = Recorder(representation.train(), BatchLoader(data, 7, 0, tuple(MODALITIES)), how)
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=processes,
        strategy="ddp" if processes > 1 else "auto",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=tempfile.gettempdir(),
    )
    trainer.fit(module)
    assert representation.gather is None
    return module.found


def steps() -> dict[str, dict[str, torch.Tensor]]:
    """Every case."""
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Lightning, on how it is used here
        kinds = {"with a loss per sample": WithLossPerSample}
        return {
            name: first_step(*case, samples(incomplete), kinds.get(name)) for name, (*case, incomplete) in CASES.items()
        }


if __name__ == "__main__":
    torch.save(steps(), sys.argv[1])
