"""Frozen features: a representation that an agent uses and cannot change."""

import copy
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor

from anysense.common.errors import unknown_name
from anysense.representations.contract import Representation
from anysense.representations.files import load_representation

__all__ = ["PRESENT", "FrozenEncoder", "FrozenExtractor"]

PRESENT = "present"
"""Entry of an observation that says which modalities are there: one 0/1 per modality, in sorted order of names."""


class FrozenEncoder:
    """A representation in evaluation mode, without gradients, that belongs to nobody's parameters.

    Deliberately no `torch.nn.Module`: whatever walks through the modules of a policy (optimisers, orthogonal
    initialisation, train mode, Polyak updates, state dictionaries) does not find it.

    Args:
        representation: Folder of a saved representation, or a representation in memory (copied, so that training it
            further does not reach the agent).
        modalities: Modalities to encode; all that an observation holds when None.

    Raises:
        TypeError: `representation` is neither a path nor a `Representation`.
        ValueError: `modalities` is empty or names a modality that the representation does not know.
    """

    def __init__(self, representation: str | Path | Representation, modalities: Iterable[str] | None = None) -> None:
        self.representation = _frozen(representation)
        self.modalities = _checked_modalities(modalities, self.representation)

    @property
    def latent_dim(self) -> int:
        """Length of a latent."""
        return self.representation.latent_dim

    @property
    def latent_space(self) -> spaces.Box:
        """Space of one latent: every entry lies in [-1, 1]."""
        return spaces.Box(-1.0, 1.0, (self.latent_dim,), np.float32)

    def to(self, device: torch.device | str) -> Self:
        """Move the weights to a device."""
        self.representation.to(device)
        return self

    def check_space(self, space: spaces.Space[Any]) -> None:
        """Check that observations of a space can be encoded.

        Raises:
            TypeError: `space` is not a `Dict` space.
            ValueError: A modality is unknown, has another shape or dtype, or no modality is left.
        """
        if not isinstance(space, spaces.Dict):
            raise TypeError(
                f"`observation_space` must be a gymnasium.spaces.Dict of Box entries; got {type(space).__name__}."
            )
        used = [
            name for name in space.spaces if name != PRESENT and (self.modalities is None or name in self.modalities)
        ]
        for name in used:
            self._check_entry(name, space.spaces[name])
        if not used:
            raise ValueError(
                "`observation_space` holds none of the modalities "
                f"{list(self.modalities or self.representation.modalities)}; got {list(space.spaces)}."
            )
        _check_present_space(space)

    def _check_entry(self, name: str, entry: spaces.Space[Any]) -> None:
        if name not in self.representation.modalities:
            raise ValueError(unknown_name("observation_space", name, self.representation.modalities))
        modality = self.representation.modalities[name]
        if not isinstance(entry, spaces.Box) or entry.shape != modality.shape or str(entry.dtype) != modality.dtype:
            raise ValueError(
                f"`observation_space[{name!r}]` must be a Box of shape {modality.shape} and dtype {modality.dtype}, "
                f"for which the representation was built; got {entry}. Use the frame stack and receivers it had."
            )

    def encode(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Latents (B, latent_dim), float32, of a batch of raw observations, with an optional entry ``present``.

        Raises:
            TypeError, ValueError: The observation does not fit, see `Representation.encode`.
        """
        modalities, present = _split_present(observation)
        if self.modalities is not None:
            modalities = {name: value for name, value in modalities.items() if name in self.modalities}
            present = {name: mask for name, mask in present.items() if name in self.modalities}
        device = next((value.device for value in modalities.values()), self.representation.device)
        if device != self.representation.device:
            self.to(device)
        with torch.no_grad():
            return self.representation.encode(modalities, present or None)

    def encode_arrays(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The same for arrays, encoded on the device of the representation: float32 (B, latent_dim)."""
        device = self.representation.device
        tensors = {name: torch.as_tensor(value, device=device) for name, value in observation.items()}
        latents: NDArray[np.float32] = self.encode(tensors).to("cpu", torch.float32).numpy()
        return latents


class FrozenExtractor(BaseFeaturesExtractor):
    """Features extractor for Stable-Baselines3 that encodes observations with a frozen representation.

    Use it with ``MultiInputPolicy`` and a ``Dict`` observation space::

        policy_kwargs = dict(features_extractor_class=FrozenExtractor,
                             features_extractor_kwargs=dict(representation="out/pretrain/001/representation"))

    The representation is not part of the module: it appears in no parameter list, optimiser, state dictionary or
    target network. Constructing the extractor draws no random numbers. Saved models hold the path (or the
    representation object that was given), not the weights.

    Args:
        observation_space: Any non-empty subset of the modalities, plus optionally ``present`` (`MultiBinary`, one entry
            per modality in sorted order).
        representation: Folder of a saved representation, or a representation in memory.
        modalities: Modalities to use; all in the space when None.

    Raises:
        TypeError, ValueError: The space or the modalities do not fit the representation.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        representation: str | Path | Representation,
        modalities: Iterable[str] | None = None,
    ) -> None:
        encoder = FrozenEncoder(representation, modalities)
        encoder.check_space(observation_space)
        super().__init__(observation_space, features_dim=encoder.latent_dim)
        self.encoder = encoder

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Latents (B, latent_dim) of observations as Stable-Baselines3 passes them (images divided by 255)."""
        return self.encoder.encode(observations)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Follow the device of ``.to()`` and its kin; the dtype of the weights stays."""
        device = fn(torch.zeros(0, device=self.encoder.representation.device)).device
        if device.type != "meta":
            self.encoder.to(device)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self


def _frozen(representation: str | Path | Representation) -> Representation:
    if isinstance(representation, str | Path):
        frozen = load_representation(Path(representation))
    elif isinstance(representation, Representation):
        frozen = copy.deepcopy(representation)
    else:
        raise TypeError(
            "`representation` must be the folder of a saved representation or a Representation; "
            f"got {type(representation).__name__}."
        )
    return frozen.requires_grad_(False).eval()


def _checked_modalities(modalities: Iterable[str] | None, representation: Representation) -> tuple[str, ...] | None:
    if modalities is None:
        return None
    if isinstance(modalities, str):
        raise TypeError(
            f"`modalities` must be a sequence of names; got the string {modalities!r}. Write ({modalities!r},)."
        )
    names = tuple(modalities)
    for name in names:
        if name not in representation.modalities:
            raise ValueError(unknown_name("modalities", name, representation.modalities))
    if not names:
        raise ValueError(f"`modalities` is empty; expected at least one of {list(representation.modalities)}.")
    return names


def _check_present_space(space: spaces.Dict) -> None:
    entry = space.spaces.get(PRESENT)
    count = len(space.spaces) - 1
    if entry is not None and (not isinstance(entry, spaces.MultiBinary) or entry.shape != (count,)):
        raise ValueError(
            f"`observation_space[{PRESENT!r}]` must be MultiBinary({count}), one entry per modality; got {entry}."
        )


def _split_present(observation: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Modalities and their boolean masks (B,); the columns of ``present`` follow the sorted names of the modalities."""
    modalities = {name: value for name, value in observation.items() if name != PRESENT}
    flags = observation.get(PRESENT)
    if flags is None:
        return modalities, {}
    if flags.ndim != 2 or flags.shape[1] != len(modalities):
        raise ValueError(
            f"`observation[{PRESENT!r}]` must have shape (B, {len(modalities)}), one column per modality "
            f"{sorted(modalities)}; got {tuple(flags.shape)}."
        )
    return modalities, {name: flags[:, column] > 0.5 for column, name in enumerate(sorted(modalities))}
