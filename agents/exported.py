"""Exported agents: one folder with everything needed to act, readable without running anybody's code (no pickle).

Letters: B rows, A numbers of an action.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from torch import Tensor

from anysense.agents.actor import Actor, ActorSpec
from anysense.agents.description import (
    AGENT,
    AGENT_FORMAT,
    AGENT_FORMAT_VERSION,
    DESCRIPTION_FILE,
    POLICY_FILE,
    REPRESENTATION_FOLDER,
    WEIGHTS_FILE,
    read_agent_description,
)
from anysense.agents.frozen import FrozenEncoder
from anysense.common.errors import reading
from anysense.common.files import current_folder, replace_folder, sha256_of, write_json
from anysense.common.hub.download import local_folder
from anysense.common.machine import resolve_device, usual_torch
from anysense.common.tensors import read_tensors
from anysense.common.validation import check_choice, check_names
from anysense.envs.mirror import Mirror
from anysense.envs.sensors.model import PRESENT
from anysense.envs.world import World, stored_world
from anysense.representations.arrays import tensor_of
from anysense.representations.files import save_representation
from anysense.representations.modality import Modality
from anysense.representations.settings import settings_from

__all__ = ["AGENT_FORMAT_VERSION", "Agent", "mirror_of"]

ADVICE = "Export the agent again."


class Agent:
    """A trained agent: raw observations with any non-empty subset of modalities in, actions out.

    ``Agent.load("out/train/001/agent").act({"sound": sound})``

    Args:
        actor: Network from latents to actions; `Actor.from_model` makes it from a model of Stable-Baselines3.
        encoder: Frozen representation.
        algorithm: Name of the algorithm that trained it.
        world: Where it was trained. Another one may be set afterwards; the mirror image is then that of the other one.
        trained_with: Modalities that it was trained with; all of the encoder by default.
        facts: What is worth knowing about its training, as plain values.
        symmetric: Deterministic actions are the mean of that for the observation and the mirror image of that for its
            mirror image, see `anysense.envs.World.mirror`.

    Raises:
        ValueError: Actor and encoder do not fit, a modality is unknown, or the agent cannot be symmetric.
    """

    def __init__(
        self,
        actor: Actor,
        encoder: FrozenEncoder,
        algorithm: str,
        world: World,
        trained_with: Sequence[str] | None = None,
        facts: Mapping[str, Any] | None = None,
        symmetric: bool = False,
    ) -> None:
        if actor.spec.latent_dim != encoder.features_dim:
            sizes = f"latents of length {actor.spec.latent_dim}, `encoder` makes {encoder.features_dim}"
            raise ValueError(f"`actor` takes {sizes}.")
        known = tuple(encoder.representation.modalities)
        used = encoder.modalities or known if trained_with is None else trained_with
        self.actor = actor.to(encoder.representation.device)
        self.encoder = encoder
        self.algorithm = algorithm
        self.trained_with = check_names("modalities", used, known)
        self.world = world
        self.facts = dict(facts or {})
        self.symmetric = symmetric
        if symmetric:
            _check_symmetric(world, actor, encoder)

    @property
    def modalities(self) -> dict[str, Modality]:
        """What each modality looks like."""
        return self.encoder.representation.modalities

    @property
    def mirror(self) -> Mirror | None:
        """By which a symmetric agent reflects: that of the world where it acts, None where that has none."""
        return self.world.mirror if self.symmetric else None

    @property
    def _passed(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the entries that reach the actor as they are."""
        return self.encoder.passthrough.shapes

    @property
    def device(self) -> torch.device:
        """Device that it runs on."""
        return self.encoder.representation.device

    def to(self, device: str | torch.device) -> "Agent":
        """Move it to a device; ValueError if this machine has none of that name."""
        self.encoder.to(device)
        self.actor.to(self.device)
        return self

    @usual_torch()
    def act(
        self, observation: Mapping[str, Any], deterministic: bool = True, generator: torch.Generator | None = None
    ) -> NDArray[Any]:
        """Actions for raw observations.

        Args:
            observation: Arrays by modality, and those of ``passthrough``, of one observation or of a batch of B: uint8
                modalities as they are, 0 to 255 (or as floats in [0, 1]), others in physical units. Modalities may be
                left out; an entry ``present`` (one 0/1 per given entry, in sorted order) marks absent ones row by row.
            deterministic: Take the mode; otherwise a random action as in training (TD3 and DDPG have none).
            generator: Source of randomness on the device of the agent.

        Returns:
            float32, or int64 for discrete actions: one for one observation, (B, *shape of an action) for a batch.

        Raises:
            TypeError: Wrong container or dtype.
            ValueError: Unknown modality, none at all, wrong shape, or values that are not finite.
        """
        if not deterministic and generator is None:
            raise ValueError(
                "`generator` is needed for random actions; pass a torch.Generator or `deterministic=True`."
            )
        shapes = {name: modality.shape for name, modality in self.modalities.items()}
        arrays = _as_arrays(observation, tuple(shapes), tuple(self._passed))
        batched, spec = _is_batched(arrays, shapes | self._passed), self.actor.spec
        rows = {name: it if batched else it[None] for name, it in arrays.items()}
        mirror = self.mirror if deterministic else None
        if mirror is not None:
            reflected = mirror.observation(rows)
            rows = {name: np.concatenate((it, reflected[name])) for name, it in rows.items()}
        tensors = {name: tensor_of(f"`observation[{name!r}]`", it, device=self.device) for name, it in rows.items()}
        latents = self.encoder.encode(tensors)
        noise = None if deterministic else self._noise(len(latents), generator)
        actions: NDArray[Any] = self.actor(latents, noise).cpu().numpy().reshape(-1, *spec.action_shape)
        if mirror is not None:
            here, there = np.split(actions, 2)
            actions = 0.5 * (here + mirror.action(there))
        return actions if batched else actions[0]

    def _noise(self, rows: int, generator: torch.Generator | None) -> Tensor:
        """What makes actions random, (B, outputs): normal, or Gumbel noise where they are discrete."""
        empty = torch.empty((rows, self.actor.spec.outputs), dtype=torch.float32, device=self.device)
        if self.actor.spec.choices:
            return -empty.exponential_(generator=generator).log()
        return empty.normal_(generator=generator)

    def save(self, folder: str | Path, half: bool = False) -> None:
        """Write the agent into `folder`, in the place of one that may be there; a kill leaves one of them whole.

        ``half`` as in `save_representation`; the actor is small and stays as it is.
        """
        policy = safetensors.torch.save({name: it.cpu().contiguous() for name, it in self.actor.state_dict().items()})
        with replace_folder(Path(folder)) as new:
            save_representation(self.encoder.representation, new / REPRESENTATION_FOLDER, half)
            (new / POLICY_FILE).write_bytes(policy)
            description = {
                "format": AGENT_FORMAT,
                "format_version": AGENT_FORMAT_VERSION,
                "anysense_version": version("anysense"),
                "algorithm": self.algorithm,
                "modalities": list(self.trained_with),
                "actor": asdict(self.actor.spec),
                "world": self.world.to_json(),
                "facts": self.facts,
                "passthrough": [{"name": name, "shape": shape} for name, shape in self._passed.items()],
                "standardise": self.encoder.standardise,
                "symmetric": self.mirror is not None,
                "policy_sha256": hashlib.sha256(policy).hexdigest(),
                "representation_sha256": sha256_of(new / REPRESENTATION_FOLDER / WEIGHTS_FILE),
            }
            write_json(new / DESCRIPTION_FILE, description)

    @classmethod
    @usual_torch()
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> "Agent":
        """Read an exported agent: from a folder, or from a hub, as ``"hub:OWNER/NAME@REVISION"``.

        The description is checked before anything is built, and what it says of sizes against the weights.

        Raises:
            TypeError: `folder` is no path.
            ModuleNotFoundError, PermissionError, ConnectionError: As `anysense.common.hub.download.downloaded`.
            FileNotFoundError: The folder or one of its files is missing.
            ValueError: This machine has no such device, or something in it is damaged, altered, or of another version.
        """
        place = resolve_device(device)
        folder = current_folder(local_folder(folder, AGENT))
        path, description = folder / DESCRIPTION_FILE, read_agent_description(folder)
        passed = {entry["name"]: tuple(entry["shape"]) for entry in description.get("passthrough", ())}
        standardise = description.get("standardise", False)
        with reading(path, ADVICE):
            encoder = FrozenEncoder(folder / REPRESENTATION_FOLDER, None, tuple(passed), standardise)
        encoder.passthrough.shapes = passed
        policy, _, _ = read_tensors(folder / POLICY_FILE, ADVICE)
        with reading(path, "", "names a world that cannot be made"):
            world = stored_world(description["world"])
        with reading(path, ADVICE, "does not fit what lies beside it"):
            actor = Actor(settings_from(ActorSpec, description["actor"], "the actor"), policy)
            names, facts = description["modalities"], description["facts"]
            symmetric = description.get("symmetric", False)
            return cls(actor, encoder, description["algorithm"], world, names, facts, symmetric).to(place)


def mirror_of(world: World) -> Mirror:
    """The mirror of a world, for an agent that is to be symmetric; ValueError if it has none, or discrete actions."""
    mirror = world.mirror
    if mirror is None:
        raise ValueError(
            f"`symmetric` needs a mirror image of {world.id} with the options {dict(world.options)}; none is known. "
            "Leave it False, or give the world a `mirror`."
        )
    if not isinstance(world.action_space, Box):
        raise ValueError(f"`symmetric` needs continuous actions; {world.id} has {world.action_space}. Leave it False.")
    return mirror


def _check_symmetric(world: World, actor: Actor, encoder: FrozenEncoder) -> None:
    """Raise ValueError unless an agent can be symmetric in a world."""
    if actor.spec.choices or encoder.passthrough.names:
        raise ValueError("`symmetric` needs continuous actions and latents alone; leave it False.")
    mirror_of(world)


def _as_arrays(
    observation: Mapping[str, Any], modalities: Sequence[str], passed: Sequence[str]
) -> dict[str, NDArray[Any]]:
    if not isinstance(observation, Mapping):
        raise TypeError(f"`observation` must map modalities to arrays; got {type(observation).__name__}.")
    arrays = {name: np.asarray(value) for name, value in observation.items()}
    for name in arrays:
        if name != PRESENT:
            check_choice("observation", name, (*modalities, *passed))
    if not set(arrays) & set(modalities):
        raise ValueError(f"`observation` is empty; expected at least one of {list(modalities)}.")
    return {name: array.astype(np.float32) if array.dtype.kind == "f" else array for name, array in arrays.items()}


def _is_batched(arrays: Mapping[str, NDArray[Any]], known: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether all arrays have a batch axis; False if none has."""
    shapes = {name: (len(arrays) - 1,) if name == PRESENT else known[name] for name in arrays}
    batched = {name: array.shape != shapes[name] for name, array in arrays.items()}
    for name, array in arrays.items():
        if batched[name] and array.shape[1:] != shapes[name]:
            raise ValueError(
                f"`observation[{name!r}]` must have shape {shapes[name]}, or (B, {', '.join(map(str, shapes[name]))}) "
                f"for a batch; got {array.shape}."
            )
    if len(set(batched.values())) > 1:
        given = {name: array.shape for name, array in arrays.items()}
        raise ValueError(f"`observation` mixes single and batched arrays: {given}.")
    return all(batched.values())
