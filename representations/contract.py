"""The contract of every representation: raw observations with any modalities in, one latent vector per row out."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from anysense.common.machine import usual_torch
from anysense.representations.arrays import Array, tensor_of
from anysense.representations.batch import Batch
from anysense.representations.latents import LatentStatistics
from anysense.representations.lengths import Lengths
from anysense.representations.maths.gathering import Gather
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import Networks
from anysense.representations.observations import Observation, Present, check_batch
from anysense.representations.settings import MethodSettings

__all__ = ["Batch", "Representation", "SupervisedRepresentation"]


class Representation(nn.Module, ABC):
    """Maps observations with any non-empty subset of modalities to latents of one size.

    Raw observations go in: ``uint8`` modalities as they are (0 to 255) or as ``float32`` already divided by 255,
    ``float32`` modalities in physical units. Normalisation happens inside, from the bounds stored in ``modalities``.

    Attributes:
        method: Name in the registry.
        settings_class: Class of ``settings``.
        needs_target: Whether `loss` needs a target (supervised methods).
        uses_networks: Whether the encoders come from a family of networks.
        generative: Whether the method takes generative encoders and decoders of the family.
        settings: What the loss and the method's own layers depend on.
        networks: The family of networks that the encoders come from; None for a method that uses none.
        modalities: What each modality looks like, in a fixed order.
        latent_dim: Length of a latent vector; set by the method.
        unit_latents: Whether latents have unit length, or are means of such: they need no other scale.
        filling: What the method puts in the place of a missing modality, for reports; nothing by default.
        world: Where it was trained, as `anysense.envs.World.to_json` gives it; None if unknown. Set by who trains it.
        latents: Mean and spread of the latents of its training data; None if unknown. Set by who trains it.
        gather: Joins rows of several processes that train it together, see `anysense.representations.maths.gathering`;
            set by who trains it, during a step. Contrastive methods use it: the rows of all processes are negatives.
    """

    method: ClassVar[str]
    settings_class: ClassVar[type[MethodSettings]]
    needs_target: ClassVar[bool] = False
    uses_networks: ClassVar[bool] = True
    generative: ClassVar[bool] = False
    unit_latents: ClassVar[bool] = False
    filling: ClassVar[str] = ""

    settings: Any
    networks: Networks | None
    modalities: dict[str, Modality]
    latent_dim: int
    world: dict[str, Any] | None
    latents: LatentStatistics | None
    gather: Gather | None = None

    def __init__(self, modalities: Mapping[str, Modality], settings: MethodSettings, networks: Networks | None) -> None:
        super().__init__()
        if not modalities:
            raise ValueError("`modalities` is empty; expected at least one modality.")
        misnamed = [key for key, modality in modalities.items() if key != modality.name]
        if misnamed:
            raise ValueError(f"`modalities` must be keyed by the name of each modality; these keys differ: {misnamed}.")
        if not isinstance(settings, self.settings_class):
            raise TypeError(
                f"`settings` must be {self.settings_class.__name__} for method {self.method!r}; "
                f"got {type(settings).__name__}."
            )
        self._check_networks(networks)
        self.settings = settings
        self.networks = networks
        self.modalities = dict(modalities)
        self.world = None
        self.latents = None

    def _check_networks(self, networks: Networks | None) -> None:
        """Raises unless the networks are those that the method needs, and no setting of theirs is without effect."""
        if not self.uses_networks:
            if networks is None:
                return
            raise ValueError(f"the method {self.method!r} uses no family of networks; leave out `networks`.")
        if not isinstance(networks, Networks):
            raise TypeError(
                f"`networks` must be an instance of Networks for method {self.method!r}; got {networks!r}. "
                "Make one with networks(name)."
            )
        if not self.generative:
            reason = f"on the method {self.method!r}, which is not generative"
            networks.settings.require_default(*networks.generative_only, reason=reason)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.parameters()).device

    def encode(
        self,
        observation: Observation,
        present: Present | None = None,
        *,
        lengths: Lengths | None = None,
        validate: bool = True,
    ) -> Tensor:
        """Latents of a batch of B observations, each with any non-empty subset of modalities.

        Args:
            observation: Tensors on the device of the weights, or arrays, (B, *modality.shape) by modality name, in any
                layout; floats of another precision become float32. A modality may be left out: then it is absent from
                every row.
            present: Which rows have which modality: boolean (B,) by modality name (a modality not named is present
                wherever given), or boolean (M, B) in the order of ``modalities``; also numbers 0 and 1. Absent input
                has no influence, whatever it holds.
            lengths: How many steps the rows of sequences, waveforms and spectrograms have, whole numbers (B,) by
                modality name; all if not named. What follows in the row has no influence, whatever it is; a row with 0
                steps lacks the modality. Decoded sequences always have all steps.
            validate: Check names, shapes, devices and values. Switch off only in hot loops with known input.

        Returns:
            Float tensor of shape (B, latent_dim).

        Raises:
            TypeError: Wrong container or dtype (integers for a float32 modality; objects, texts, complex numbers).
            ValueError: Unknown modality, wrong shape, batch size, device or value (NaN, infinity, image outside
                [0, 1], mask other than 0 and 1, more steps than there are), a row in which no modality is present, or
                lengths of a modality whose networks cannot leave padding out.
        """
        return self.encode_batch(self._checked(observation, present, lengths, validate=validate))

    @usual_torch()
    def loss(
        self,
        observation: Observation,
        present: Present | None = None,
        target: Array | None = None,
        lengths: Lengths | None = None,
        *,
        validate: bool = True,
    ) -> dict[str, Tensor]:
        """Training loss of a batch: scalar tensors by name, ``"total"`` is the one to minimise.

        Takes and raises what `encode` does; each method documents what it does with incomplete rows. What a method
        draws at random comes from torch's default generator, as in torch's own layers; training seeds and restores it.

        Args:
            observation: As in `encode`.
            present: As in `encode`.
            target: What a supervised method learns to predict, (B, ...); the others ignore it.
            lengths: As in `encode`; padding is not reconstructed either.
            validate: As in `encode`.

        Raises:
            ValueError: A supervised method got no target, one of another batch size, or one that is not finite.
        """
        batch = self._checked(observation, present, lengths, validate=validate)
        if self.needs_target:
            batch = replace(batch, target=_checked_target(target, batch.size, self.method, self.device))
        return self.loss_batch(batch)

    def takes_lengths(self, modality: Modality) -> bool:
        """Whether the networks leave the padding of a sequence out: what the family says, if the method does not."""
        return self.networks is not None and self.networks.takes_lengths(modality)

    def check_lengths(self, names: Iterable[str]) -> None:
        """ValueError if one of these modalities has networks that take no lengths; unknown names are ignored."""
        for name in names:
            if name in self.modalities and not self.takes_lengths(self.modalities[name]):
                owner = f"method {self.method!r}" if self.networks is None else f"networks {self.networks.name!r}"
                raise ValueError(
                    f"`lengths` of {name!r} cannot be used: the {owner} would take padding for data. Use the networks "
                    "'generic' (`--networks generic`), or cut sequences to one length."
                )

    def _checked(
        self, observation: Observation, present: Present | None, lengths: Lengths | None, *, validate: bool
    ) -> Batch:
        batch = check_batch(observation, present, self.modalities, self.device, lengths=lengths, validate=validate)
        self.check_lengths(lengths or ())
        return batch

    def begin_epoch(self, epoch: int) -> None:
        """Called at the start of each pass over the data, counted from 0; for weights of the loss that change."""

    @abstractmethod
    def encode_batch(self, batch: Batch) -> Tensor:
        """Latents (B, latent_dim) of a checked batch."""

    @abstractmethod
    def loss_batch(self, batch: Batch) -> dict[str, Tensor]:
        """Losses of a checked batch, with ``"total"``."""


class SupervisedRepresentation(Representation):
    """A representation that is trained with targets, and predicts them from any subset of modalities."""

    needs_target: ClassVar[bool] = True

    def predict(
        self,
        observation: Observation,
        present: Present | None = None,
        *,
        lengths: Lengths | None = None,
        validate: bool = True,
    ) -> Tensor:
        """Predicted targets (B,) of a batch; takes and raises what `encode` does."""
        return self.predict_batch(self._checked(observation, present, lengths, validate=validate))

    @abstractmethod
    def predict_batch(self, batch: Batch) -> Tensor:
        """Predicted targets (B,) of a checked batch."""


def _checked_target(target: Array | None, size: int, method: str, device: torch.device) -> Tensor:
    if target is None:
        raise ValueError(f"`target` is missing: {method!r} is supervised; give one target per row.")
    tensor = tensor_of("`target`", target, torch.float32, torch.int64, device=device)
    if tensor.shape[:1] != (size,):
        raise ValueError(f"`target` must have one entry per row, {size}; got shape {tuple(tensor.shape)}.")
    if not bool(torch.isfinite(tensor).all()):
        raise ValueError("`target` must be finite; got NaN or infinity. Remove or correct these samples.")
    return tensor
