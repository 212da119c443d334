"""Exported agents: one folder with everything needed to act, readable without running anybody's code (no pickle)."""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import Tensor

from anysense.agents.actor import Actor, ActorSpec
from anysense.agents.frozen import PRESENT, FrozenEncoder
from anysense.common.errors import unknown_name
from anysense.common.files import read_description, recover_folder, replace_folder, sha256_of, write_json
from anysense.envs.world import World, stored_world
from anysense.representations.modality import Modality
from anysense.representations.files import save_representation

__all__ = ["AGENT_FORMAT_VERSION", "Agent"]

AGENT_FORMAT = "anysense-agent"
AGENT_FORMAT_VERSION = 2
DESCRIPTION_FILE = "agent.json"
POLICY_FILE = "policy.safetensors"
REPRESENTATION_FOLDER = "representation"
ENTRIES = ("algorithm", "modalities", "actor", "world", "facts", "policy_sha256", "representation_sha256")


class Agent:
    """A trained agent: raw observations with any non-empty subset of modalities in, actions out.

    ``Agent.load("out/train/001/agent").act({"sound": sound})``

    Attributes:
        actor: Network from latents to actions.
        encoder: Frozen representation.
        algorithm: Name of the algorithm that trained it.
        trained_with: Modalities that it was trained with.
        world: Where it was trained.
        facts: What is worth knowing about its training, as plain values.
    """

    def __init__(
        self,
        actor: Actor,
        encoder: FrozenEncoder,
        algorithm: str,
        world: World,
        modalities: Iterable[str],
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        if actor.spec.latent_dim != encoder.latent_dim:
            raise ValueError(
                f"`actor` takes latents of length {actor.spec.latent_dim}, `encoder` makes {encoder.latent_dim}."
            )
        self.actor = actor.to(encoder.representation.device)
        self.encoder = encoder
        self.algorithm = algorithm
        self.trained_with = tuple(modalities)
        self.world = world
        self.facts = dict(facts or {})

    @classmethod
    def from_model(
        cls,
        model: BaseAlgorithm,
        encoder: FrozenEncoder,
        algorithm: str,
        world: World,
        modalities: Iterable[str] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> "Agent":
        """Export a model of Stable-Baselines3 that was trained on the latents of `encoder`.

        Args:
            model: The model.
            encoder: The encoder.
            algorithm: Name of the algorithm.
            world: Where it was trained.
            modalities: Modalities that it was trained with; all of the encoder by default.
            facts: What is worth knowing about its training, as plain values.

        Raises:
            TypeError: The policy is of another form than those of PPO, A2C, SAC, TQC, TD3 and DDPG.
        """
        trained_with = modalities or encoder.modalities or tuple(encoder.representation.modalities)
        return cls(Actor.from_model(model), encoder, algorithm, world, trained_with, facts)

    @property
    def modalities(self) -> dict[str, Modality]:
        """What each modality looks like."""
        return self.encoder.representation.modalities

    @property
    def device(self) -> torch.device:
        """Device that it runs on."""
        return self.encoder.representation.device

    def to(self, device: str | torch.device) -> "Agent":
        """Move it to a device."""
        self.actor.to(device)
        self.encoder.to(device)
        return self

    def act(
        self, observation: Mapping[str, Any], deterministic: bool = True, generator: torch.Generator | None = None
    ) -> NDArray[np.float32]:
        """Actions for raw observations.

        Args:
            observation: Arrays by modality, of one observation or of a batch of B: image uint8 0 to 255 (or float in
                [0, 1]), sound float in physical units. Modalities may be left out; an entry ``present`` (one 0/1
                per given modality, in sorted order) marks them as absent row by row.
            deterministic: Take the mode; otherwise a random action as in training (TD3 and DDPG have none).
            generator: Source of randomness on the device of the agent.

        Returns:
            float32, (A,) for one observation, (B, A) for a batch.

        Raises:
            TypeError: Wrong container or dtype.
            ValueError: Unknown modality, none at all, wrong shape, or values that are not finite.
        """
        arrays = _as_arrays(observation, self.modalities)
        if _is_batched(arrays, self.modalities):
            return self.act_batch(arrays, deterministic, generator)
        single = self.act_batch({name: array[None] for name, array in arrays.items()}, deterministic, generator)
        action: NDArray[np.float32] = single[0]
        return action

    def act_batch(
        self,
        observation: Mapping[str, NDArray[Any]],
        deterministic: bool = True,
        generator: torch.Generator | None = None,
    ) -> NDArray[np.float32]:
        """The same for a batch of arrays, without looking for single observations: float32 (B, A)."""
        tensors = {name: torch.as_tensor(array, device=self.device) for name, array in observation.items()}
        latents = self.encoder.encode(tensors)
        with torch.no_grad():
            actions: Tensor = self.actor(latents, None if deterministic else self._noise(len(latents), generator))
        result: NDArray[np.float32] = actions.cpu().numpy()
        return result

    def _noise(self, count: int, generator: torch.Generator | None) -> Tensor:
        if generator is None:
            raise ValueError(
                "`generator` is needed for random actions; pass a torch.Generator or `deterministic=True`."
            )
        return torch.randn((count, len(self.actor.spec.action_low)), generator=generator, device=self.device)

    def save(self, folder: str | Path) -> None:
        """Write the agent into `folder`, in the place of one that may be there; a kill leaves one of them whole."""
        with replace_folder(Path(folder)) as new:
            save_representation(self.encoder.representation, new / REPRESENTATION_FOLDER)
            state = {name: value.detach().cpu().contiguous() for name, value in self.actor.state_dict().items()}
            (new / POLICY_FILE).write_bytes(safetensors.torch.save(state))
            description = {
                "format": AGENT_FORMAT,
                "format_version": AGENT_FORMAT_VERSION,
                "anysense_version": version("anysense"),
                "algorithm": self.algorithm,
                "modalities": list(self.trained_with),
                "actor": self.actor.spec.to_json(),
                "world": self.world.to_json(),
                "facts": self.facts,
                "policy_sha256": sha256_of(new / POLICY_FILE),
                "representation_sha256": sha256_of(new / REPRESENTATION_FOLDER / "representation.safetensors"),
            }
            write_json(new / DESCRIPTION_FILE, description)

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> "Agent":
        """Read an exported agent.

        Raises:
            FileNotFoundError: The folder or one of its files is missing.
            ValueError: Something in it is damaged, altered, or of another version.
        """
        folder = Path(folder)
        recover_folder(folder)
        description = read_description(
            folder / DESCRIPTION_FILE, AGENT_FORMAT, AGENT_FORMAT_VERSION, "an exported agent"
        )
        absent = [entry for entry in ENTRIES if entry not in description]
        if absent:
            raise ValueError(f"`{folder / DESCRIPTION_FILE}` is damaged: it lacks {absent}. Export the agent again.")
        _check_digest(folder / POLICY_FILE, description["policy_sha256"])
        encoder = FrozenEncoder(folder / REPRESENTATION_FOLDER)
        _check_digest(
            folder / REPRESENTATION_FOLDER / "representation.safetensors", description["representation_sha256"]
        )
        actor = _restored_actor(folder, description["actor"])
        facts = {name: description[name] for name in ("algorithm", "modalities", "facts")}
        return cls(actor, encoder, world=stored_world(description["world"]), **facts).to(device)


def _check_digest(path: Path, expected: str) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` is missing; copy the whole folder of the exported agent.")
    if sha256_of(path) != expected:
        raise ValueError(
            f"`{path}` is truncated or altered: its SHA-256 is not that in {DESCRIPTION_FILE}. Export the agent again."
        )


def _restored_actor(folder: Path, spec: Mapping[str, Any]) -> Actor:
    try:
        with torch.random.fork_rng(devices=[]):
            actor = Actor(ActorSpec(**spec))
        actor.load_state_dict(safetensors.torch.load_file(folder / POLICY_FILE))
    except (TypeError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        raise ValueError(f"`{folder}` is damaged: its policy does not fit {DESCRIPTION_FILE} ({error}).") from error
    return actor.requires_grad_(False).eval()


def _as_arrays(observation: Mapping[str, Any], modalities: Mapping[str, Modality]) -> dict[str, NDArray[Any]]:
    if not isinstance(observation, Mapping):
        raise TypeError(f"`observation` must map modalities to arrays; got {type(observation).__name__}.")
    arrays = {}
    for name, value in observation.items():
        if name != PRESENT and name not in modalities:
            raise ValueError(unknown_name("observation", name, modalities))
        array = np.asarray(value)
        arrays[name] = array.astype(np.float32) if array.dtype.kind == "f" else array
    if not set(arrays) - {PRESENT}:
        raise ValueError(f"`observation` is empty; expected at least one of {list(modalities)}.")
    return arrays


def _is_batched(arrays: Mapping[str, NDArray[Any]], modalities: Mapping[str, Modality]) -> bool:
    """Whether there is a batch axis; wrong shapes are an error here, where both readings can be named."""
    batched = set()
    for name, array in arrays.items():
        shape = (len(arrays) - 1,) if name == PRESENT else modalities[name].shape
        if array.shape != shape and array.shape[1:] != shape:
            listed = ", ".join(map(str, shape))
            raise ValueError(
                f"`observation[{name!r}]` must have shape {shape}, or (B, {listed}) for a batch; got {array.shape}."
            )
        batched.add(array.shape != shape)
    if len(batched) > 1:
        raise ValueError(
            f"`observation` mixes single and batched arrays: { ({n: a.shape for n, a in arrays.items()}) }."
        )
    return batched.pop()
