"""Models of Stable-Baselines3 with a `FrozenExtractor`: loaded where folders were moved, told of absent modalities."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BaseModel
from stable_baselines3.common.save_util import load_from_zip_file

from anysense.agents.frozen import FrozenExtractor
from anysense.common.hub.reference import reference_in
from anysense.envs.sensors.model import PRESENT, present_modalities

__all__ = ["accept_present", "load_model"]

Model = TypeVar("Model", bound=BaseAlgorithm)


def load_model(cls: type[Model], path: str | Path, representation: str | Path | None = None, **options: Any) -> Model:
    """Load a saved model whose `FrozenExtractor` reads a representation that may lie elsewhere now.

    As ``cls.load`` does, it unpickles parts of the file: load only models that you trust.

    Args:
        cls: Class of the model, such as ``stable_baselines3.SAC``.
        path: File that ``model.save`` wrote.
        representation: Folder of the representation. None: the folder that the model was made with, else one of the
            same name as far as possible, sought from the folder of the file upwards.
        options: What else ``cls.load`` takes, such as ``env`` and ``device``.

    Raises:
        FileNotFoundError: There is no such file, or no representation was found.
        TypeError: The model has no `FrozenExtractor`.
        RuntimeError: The weights of the representation are not those that the model was trained on (by SHA-256).
    """
    file = _model_file(Path(path))
    custom = options.pop("custom_objects", None) or {}
    data, _, _ = load_from_zip_file(file, device="cpu", custom_objects=custom)
    policy = dict((data or {}).get("policy_kwargs", {}))
    if policy.get("features_extractor_class") is not FrozenExtractor:
        raise TypeError(f"`path` {file} is a model without FrozenExtractor; load it with {cls.__name__}.load.")
    keywords = dict(policy.get("features_extractor_kwargs") or {})
    before = keywords.get("representation")
    if representation is not None or isinstance(before, str | Path):
        keywords["representation"] = representation or _found(Path(str(before)), file)
    policy["features_extractor_kwargs"] = keywords
    return cls.load(file, custom_objects={**custom, "policy_kwargs": policy}, **options)


def accept_present(model: Model) -> Model:
    """Let a model that was trained on complete observations act on ones with an entry ``present``.

    An environment that is wrapped in `anysense.envs.MissingModalities` after training adds ``present`` to its
    observations, which Stable-Baselines3 does not expect. This tells the policy of the entry, so that ``predict`` and
    ``evaluate_policy`` understand observations with and without it. Call it again after loading the model; train on
    with the space that the model was made with.

    Returns:
        The same model.

    Raises:
        TypeError: The observations of the model are no ``Dict``, or it has no `FrozenExtractor`.
    """
    flags = spaces.MultiBinary(len(present_modalities(model.observation_space)))
    modules = list(model.policy.modules())
    if not any(isinstance(module, FrozenExtractor) for module in modules):
        raise TypeError(
            f"`model` is a {type(model).__name__} without FrozenExtractor, which alone understands {PRESENT!r}; give "
            "an agent on latents its observations through LatentVecEnv or EncodeObservation."
        )
    for module in modules:
        if isinstance(module, BaseModel) and isinstance(module.observation_space, spaces.Dict):
            entries = module.observation_space.spaces
            module.observation_space = spaces.Dict({**entries, PRESENT: entries.get(PRESENT, flags)})
    return model


def _model_file(path: Path) -> Path:
    found = next((it for it in (path, Path(f"{path}.zip")) if it.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"`path` {path} is no file; expected a model that `model.save` wrote.")
    return found.resolve()


def _found(before: Path, file: Path) -> Path:
    """The folder itself, or one whose path ends alike, sought in the folders above the model; one on a hub as it is."""
    if reference_in(before) is not None:
        return before
    places = list(_places(before, file))
    folder = next((place for place in places if (place / "representation.json").is_file()), None)
    if folder is None:
        raise FileNotFoundError(
            f"the representation of the model lay in {before}, and there is none like it in {file.parent} or above; "
            "give its folder as `representation`."
        )
    return folder


def _places(before: Path, file: Path) -> Iterator[Path]:
    yield before
    parts = before.parts[1:] if before.is_absolute() else before.parts
    for above in file.parents:
        for start in range(len(parts)):
            yield above.joinpath(*parts[start:])
