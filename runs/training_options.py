"""Options of the training of a representation."""

import dataclasses

import tyro

from anysense.representations.pretrain_settings import PretrainSettings

__all__ = ["Training"]


@dataclasses.dataclass(frozen=True)
class Training(PretrainSettings):
    """How the representation is trained."""

    device: tyro.conf.Suppress[tyro.conf.Fixed[str]] = "auto"
    threads: tyro.conf.Suppress[tyro.conf.Fixed[int | None]] = None
    seed: tyro.conf.Suppress[tyro.conf.Fixed[int]] = 0
