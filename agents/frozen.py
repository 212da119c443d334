"""Frozen features: a representation that an agent uses and cannot change. Letters: B rows, M modalities."""

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor

from anysense.agents.passthrough import Passthrough
from anysense.common.machine import resolve_device, usual_torch
from anysense.common.validation import check_choice, check_names
from anysense.envs.sensors.model import PRESENT, present_modalities
from anysense.representations.arrays import mask_of, tensor_of
from anysense.representations.contract import Representation
from anysense.representations.files import load_representation
from anysense.representations.modality import modality_dtype

__all__ = ["FrozenEncoder", "FrozenExtractor"]


class FrozenEncoder:
    """A representation in evaluation mode, without gradients, that belongs to nobody's parameters.

    It is no `torch.nn.Module`, so what walks through the modules of a policy (optimisers, orthogonal initialisation,
    train mode, Polyak updates, state dictionaries) does not find it.

    Args:
        representation: Folder of a saved representation, ``hub:OWNER/NAME@REVISION`` for one on a hub, or a
            representation in memory (copied, so that training it further does not change the agent).
        modalities: Modalities to encode; all that an observation holds when None.
        passthrough: Other entries of observations, such as ``("goal",)``, that are appended to the latent as they are.
        standardise: Give latents with mean 0 and deviation 1 in each dimension, by the statistics of the training data
            of the representation (see `LatentStatistics`); worth it where latents are not of unit length.

    Raises:
        TypeError: `representation` is neither a path nor a `Representation`, or `modalities` no sequence of names.
        ValueError: `modalities` is empty or names a modality that the representation does not know, `passthrough`
            names one that it does, or nothing is known of the latents that shall be standardised.
    """

    def __init__(
        self,
        representation: str | Path | Representation,
        modalities: Sequence[str] | None = None,
        passthrough: Sequence[str] = (),
        standardise: bool = False,
    ) -> None:
        self.representation = _frozen(representation)
        self.standardise = standardise
        if standardise and self.representation.latents is None:
            raise ValueError(
                "`standardise` needs statistics of the latents, which this representation was saved without. Pretrain "
                "it again, set its attribute `latents`, or leave `standardise` off."
            )
        known = self.representation.modalities
        self.modalities = None if modalities is None else check_names("modalities", modalities, known)
        self.passthrough = Passthrough(passthrough, known)

    @property
    def sha256(self) -> str:
        """SHA-256 of names and values of all weights: the same wherever the representation lies."""
        content = hashlib.sha256()
        for name, tensor in sorted(self.representation.state_dict().items()):
            content.update(name.encode())
            content.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
        return content.hexdigest()

    @property
    def latent_dim(self) -> int:
        """Length of a latent."""
        return self.representation.latent_dim

    @property
    def features_dim(self) -> int:
        """Length of what `encode` gives: a latent with the entries that are passed on."""
        return self.latent_dim + self.passthrough.size

    @property
    def latent_space(self) -> spaces.Box:
        """Space of one row of `encode`, float32, without bounds: some methods normalise latents, others do not."""
        return spaces.Box(-np.inf, np.inf, (self.features_dim,), np.float32)

    def to(self, device: torch.device | str) -> Self:
        """Move the weights to a device; ValueError if this machine has none of that name."""
        self.representation.to(resolve_device(str(device)))
        return self

    def check_space(self, space: spaces.Space[Any]) -> None:
        """Check that observations of a space can be encoded.

        Raises:
            TypeError: `space` is not a `Dict` space.
            ValueError: A modality is unknown, has another shape or dtype, or no modality is left.
        """
        offered = present_modalities(space)  # refuses other spaces
        assert isinstance(space, spaces.Dict)
        self.passthrough.check_space(space)
        used = [name for name in offered if self._uses(name)]
        for name in used:
            self._check_entry(name, space[name])
        if not used:
            wanted = list(self.modalities or self.representation.modalities)
            raise ValueError(f"`observation_space` holds none of the modalities {wanted}; got {list(space)}.")
        flags = space.spaces.get(PRESENT)
        if flags is not None and not (isinstance(flags, spaces.MultiBinary) and flags.shape == (len(offered),)):
            raise ValueError(
                f"`observation_space[{PRESENT!r}]` must be MultiBinary({len(offered)}), one entry per modality; got "
                f"{flags}."
            )

    def _uses(self, name: str) -> bool:
        return name not in (PRESENT, *self.passthrough.names) and (self.modalities is None or name in self.modalities)

    def _check_entry(self, name: str, entry: spaces.Space[Any]) -> None:
        check_choice("observation_space", name, self.representation.modalities)
        modality = self.representation.modalities[name]
        box = entry if isinstance(entry, spaces.Box) else None
        if box is None or box.shape != modality.shape or modality_dtype(box) != modality.dtype:
            raise ValueError(
                f"`observation_space[{name!r}]` must be a Box of shape {modality.shape} and dtype {modality.dtype}, "
                f"for which the representation was built; got {entry}. Make the environment with the options that it "
                "had when the representation was trained."
            )

    def encode(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Latents (B, features_dim), float32, of a batch of raw observations, with an optional entry ``present``.

        The latent of a row in which ``present`` marks no modality is zero.

        Raises:
            TypeError, ValueError: The observation does not fit, see `Representation.encode`.
        """
        if not isinstance(observation, Mapping):
            raise TypeError(f"`observation` must map modality names to tensors; got {type(observation).__name__}.")
        given = {name: self._whole_as_float(name, value) for name, value in observation.items() if self._uses(name)}
        tensors = (value for value in given.values() if isinstance(value, Tensor))
        device = next((value.device for value in tensors), self.representation.device)
        if device != self.representation.device:
            self.representation.to(device)
        present = self._present(observation)
        seen = None if present is None else present.any(dim=0)
        with torch.no_grad():
            if present is None or seen is None or bool(seen.all()):
                latents = self._latents(given, present)
            else:
                latents = torch.zeros((len(seen), self.latent_dim), device=self.representation.device)
                if bool(seen.any()):
                    part = {name: value[seen] for name, value in given.items()}
                    latents[seen] = self._latents(part, present[:, seen])
            return self.passthrough.append(latents, observation)

    def _latents(self, given: Mapping[str, Any], present: Tensor | None) -> Tensor:
        latents, statistics = self.representation.encode(given, present), self.representation.latents
        return statistics.standardised(latents) if self.standardise and statistics is not None else latents

    def _whole_as_float(self, name: str, value: Any) -> Any:
        """Whole numbers and booleans of a modality in float32, such as int16 audio, as pretraining has seen them."""
        modality = self.representation.modalities.get(name)
        if not isinstance(value, Tensor):
            return value  # refused later
        whole = not (value.is_floating_point() or value.is_complex() or value.dtype == torch.uint8)
        return value.float() if whole and modality is not None and modality.dtype == "float32" else value

    def _present(self, observation: Mapping[str, Tensor]) -> Tensor | None:
        """Boolean (M, B) in the order of the representation; None if the observation has no entry ``present``.

        The entry has one column for each modality of the observation, in sorted order.
        """
        flags = observation.get(PRESENT)
        if flags is None:
            return None
        columns = sorted(name for name in observation if name != PRESENT)
        meaning = f"one row per observation, one column per modality {columns}"
        flags = mask_of(f"`observation[{PRESENT!r}]`", flags, (*flags.shape[:1], len(columns)), meaning)
        absent = torch.zeros(len(flags), dtype=torch.bool, device=flags.device)
        return torch.stack(
            [
                flags[:, columns.index(name)] if name in columns and self._uses(name) else absent
                for name in self.representation.modalities
            ]
        )

    @usual_torch()
    def encode_arrays(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The same for arrays, encoded on the device of the representation: float32 (B, features_dim)."""
        device = self.representation.device
        tensors = {
            name: tensor_of(f"`observation[{name!r}]`", value, device=device) for name, value in observation.items()
        }
        latents: NDArray[np.float32] = self.encode(tensors).to("cpu", torch.float32).numpy()
        return latents


class FrozenExtractor(BaseFeaturesExtractor):
    """Features extractor for Stable-Baselines3 that encodes observations with a frozen representation.

    Use it with ``MultiInputPolicy`` and a ``Dict`` observation space of any modalities of the representation, with or
    without ``present`` (`MultiBinary`, one entry per modality in sorted order)::

        policy_kwargs = dict(features_extractor_class=FrozenExtractor,
                             features_extractor_kwargs=dict(representation="out/pretrain/001/representation"))

    The weights are not part of the module: they appear in no parameter list, optimiser, state dictionary or target
    network. Constructing the extractor draws no random numbers. Saved models hold the path (or the representation
    object that was given) and the SHA-256 of the weights; loading one with other weights is a RuntimeError. Where
    folders were moved, `anysense.agents.load_model` finds or is told the new place. For arguments and errors see
    `FrozenEncoder` and its `check_space`.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        representation: str | Path | Representation,
        modalities: Sequence[str] | None = None,
        passthrough: Sequence[str] = (),
        standardise: bool = False,
    ) -> None:
        encoder = FrozenEncoder(representation, modalities, passthrough, standardise)
        boxes = observation_space.spaces if isinstance(observation_space, spaces.Dict) else {}
        known = encoder.representation.modalities
        transposed = [name for name in boxes if name in known and _is_transposed(boxes[name], known[name].shape)]
        images = {name: spaces.Box(0, 255, known[name].shape, np.uint8) for name in transposed}
        encoder.check_space(spaces.Dict({**boxes, **images}) if transposed else observation_space)
        super().__init__(observation_space, features_dim=encoder.features_dim)
        self.encoder = encoder
        self._transposed = transposed
        flat = [name for name, box in boxes.items() if box.dtype == np.uint8 and not is_image_space(box)]
        self._undivided = [name for name in flat if name in known]

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Latents (B, features_dim) of observations as Stable-Baselines3 hands them over.

        It turns all into float32, divides images by 255 (not other uint8 entries), and puts their channels first.
        """
        raw = dict(observations)
        for name in self._transposed:
            raw[name] = raw[name].permute(0, 2, 3, 1)
        for name in self._undivided:
            raw[name] = raw[name] / 255.0
        return self.encoder.encode(raw)

    def get_extra_state(self) -> Tensor:
        """SHA-256 of the weights of the representation, uint8 (32,), for the state dictionary."""
        return torch.tensor(list(bytes.fromhex(self.encoder.sha256)), dtype=torch.uint8, device="cpu")

    def set_extra_state(self, state: Tensor) -> None:
        """Raises RuntimeError, as torch does for what does not fit, if `state` is of another representation."""
        saved = bytes(state.tolist()).hex()
        if saved != self.encoder.sha256:
            raise RuntimeError(
                f"`representation` has weights with SHA-256 {self.encoder.sha256}; the model was saved with {saved}. "
                "Load it with the representation that it was trained on."
            )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Follow the device of ``.to()`` and the like; the dtype of the weights stays."""
        device = fn(torch.zeros(0, device=self.encoder.representation.device)).device
        if device.type != "meta":
            self.encoder.representation.to(device)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self


def _is_transposed(space: spaces.Space[Any], shape: tuple[int, ...]) -> bool:
    """Whether a space is that of an image (H, W, C) whose channels Stable-Baselines3 has put first."""
    return is_image_space(space) and space.shape == (*shape[-1:], *shape[:-1]) != shape


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
