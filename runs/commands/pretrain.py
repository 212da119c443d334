"""`anysense pretrain`: collect observations, train a representation on them, save it."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from anysense.common.loggers.catalogue import LOGGERS
from anysense.common.progress import say, stage
from anysense.envs.world import DEFAULT_WORLD, WORLDS, World
from anysense.representations.benchmarks import presets
from anysense.representations.methods.catalogue import settings_of as method_settings
from anysense.representations.networks.catalogue import NETWORKS, Networks, settings_of
from anysense.representations.pretrain_settings import CollectSettings
from anysense.representations.settings import MethodSettings, NetworkSettings
from anysense.runs.collecting import check_collecting, collected, of_something, read_data
from anysense.runs.execute import execute
from anysense.runs.logging_options import LoggingSettings, check_logger
from anysense.runs.next_steps import typed_next
from anysense.runs.policies import OTHER_POLICIES
from anysense.runs.reading import ReadingSettings
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import Flat, Preset, parse, peek, preset_in, smoke_caution, value_of, widened
from anysense.runs.training_options import Training
from anysense.runs.worlds import VectorSettings, chosen_world, environments, named_world, options_of, world_from

if TYPE_CHECKING:
    from anysense.representations.data import Samples, Transitions
    from anysense.representations.modality import Modality
    from anysense.representations.training.pretrain import PretrainResult

__all__ = ["PretrainCommand", "check_pretraining", "main", "pretrain_run"]


@dataclasses.dataclass(frozen=True)
class NoNetworks(NetworkSettings):
    """The method has an architecture of its own."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainCommand(VectorSettings, LoggingSettings):
    """Collect observations of an environment and pretrain a representation of its modalities on them.

    The result is the folder `representation/` in the run folder, which `anysense train` takes. The options of method,
    networks and environment change with --method, --networks and --env.
    """

    env: str = DEFAULT_WORLD
    """Gymnasium id of the environment; `module:Name-v0` imports the module first."""
    env_option: tuple[str, ...] = ()
    """Options of the environment as key=value."""
    method: str = "gmc"
    """Method of the representation."""
    networks: str | None = None
    """Family of networks; the one that suits the environment if not given."""
    data: Path | None = None
    """Recorded observations to train on, instead of collecting them: a file of --save-data, or an .npz file of your own
    with an array (N, ...) for each modality, and lengths (N,) of sequences as `lengths.NAME`."""
    save_data: bool = False
    """Keep the collected transitions in the run folder, as `transitions.npz`."""
    devices: int = 1
    """Processes of this machine that share every batch: each on a GPU of its own with --device cuda, else all on the
    CPU."""
    probe: tuple[str, ...] = ()
    """Arrays of `info` that read-outs of the latents are measured on, such as --probe state, or none; what the
    environment's world names if not given."""
    world: Annotated[Any, Flat]
    reading: Annotated[ReadingSettings, Flat] = dataclasses.field(default_factory=ReadingSettings)
    collection: Annotated[CollectSettings, Flat]
    representation: Annotated[MethodSettings, Flat]
    architecture: Annotated[NetworkSettings, Flat]
    training: Annotated[Training, Flat]

    @classmethod
    def of(cls, preset: Preset, method: str, world: World, family: str | None = None) -> "PretrainCommand":
        """The values of a preset.

        Raises:
            ValueError: The method is not for this environment, or uses no family of networks.
        """
        suited = presets(world.benchmark)
        usual = suited.network_settings(method, preset)
        chosen = usual if family is None else _family(method, usual, family)
        collection = suited.collection(preset)
        if collection.policy not in world.policies:
            collection = dataclasses.replace(collection, policy=world.policies[0])
        return cls(
            preset=preset,
            env=world.id,
            method=method,
            networks=family,
            world=options_of(world, preset),
            collection=collection,
            representation=suited.method_settings(method, preset),
            architecture=NoNetworks() if chosen is None else chosen,
            training=widened(Training, suited.training(preset)),
        )

    def made_world(self) -> World:
        """The world with all options."""
        return self.vectorised(world_from(self.env, self.world, self.env_option))

    def made_networks(self) -> Networks | None:
        """The family of networks with its settings."""
        if isinstance(self.architecture, NoNetworks):
            return None
        family = self.networks or presets(self.made_world().benchmark).family
        return NETWORKS.get(family, "networks")(self.architecture)


def main(arguments: Sequence[str]) -> None:
    """Pretrain a representation in a new run folder, or go on with one."""
    execute("pretrain", arguments, read, _work, _checked)


def read(arguments: Sequence[str]) -> PretrainCommand:
    """Settings from the command line."""
    preset = preset_in(arguments)
    world = chosen_world(arguments)
    methods = presets(world.benchmark).methods
    method = peek(arguments, "--method", "gmc", methods)
    default = PretrainCommand.of(preset, method, world, value_of(arguments, "--networks"))
    names = {
        "env": environments(),
        "method": methods,
        "networks": NETWORKS.names(),
        "logger": LOGGERS.names(),
        "policy": (*world.policies, *OTHER_POLICIES),
    }

    def others() -> dict[str, Any]:
        found: dict[str, Any] = {f"--method {name}": method_settings(name) for name in methods}
        found |= {f"--networks {name}": settings_of(name) for name in NETWORKS.names()}
        return found | {f"--env {name}": options_of(named_world(name), preset) for name in WORLDS.names()}

    return parse(default, arguments, "pretrain", names, others)


def _checked(settings: PretrainCommand) -> tuple[PretrainCommand, Sequence[str]]:
    check_pretraining(settings)
    check_logger(settings)
    return settings, ()


def check_pretraining(settings: PretrainCommand) -> None:
    """Find out before anything is written whether the environment can be made and networks and data fit it.

    Raises:
        FileNotFoundError: The data are not there.
        ValueError: Something is unknown, damaged, or does not fit.
    """
    from anysense.common.machine import resolve_device
    from anysense.representations.data.bounds import with_assumed_bounds
    from anysense.representations.registry import METHODS, build
    from anysense.representations.training.shared import check_devices

    check_devices(settings.devices, resolve_device(settings.device), settings.training.batch_size)
    world, networks = settings.made_world(), settings.made_networks()
    modalities = settings.reading.modalities(world, networks)
    fitting = with_assumed_bounds(modalities) if METHODS.get(settings.method).generative else modalities
    representation = build(settings.method, fitting, settings.representation, networks)
    if not 0 < settings.collection.validation_fraction < 1:
        raise ValueError(
            f"`validation_fraction` must lie between 0 and 1, got {settings.collection.validation_fraction}."
        )
    if settings.data is None:
        check_collecting(settings.collection, world, settings.probe, modalities)
    else:
        data = read_data(settings.data, world, settings.probe, modalities)
        representation.check_lengths(data.steps([0]))


def _work(settings: PretrainCommand, run: RunFolder, device: str) -> list[str]:
    result = pretrain_run(settings, run.path, device)
    path = run.path / "representation"
    return [
        _summary(result),
        *([smoke_caution(["pretrain"])] if settings.preset == "smoke" else []),
        f"Representation: {path}",
        typed_next("Train an agent on it", "train", "--representation", path, env=settings.env),
    ]


def pretrain_run(settings: PretrainCommand, folder: Path, device: str) -> "PretrainResult":
    """Do the work of the command in `folder`; used by the demo and comparisons as well."""
    from anysense.representations.registry import build
    from anysense.representations.training.pretrain import pretrain

    world, networks = settings.made_world(), settings.made_networks()
    modalities = settings.reading.modalities(world, networks)
    for modality in modalities.values():
        say(modality.explained())
    data = of_something(_data(settings, world, folder, modalities))
    train, validation = data.split(settings.collection.validation_fraction, settings.seed)
    say(f"{len(train)} samples to train on, {len(validation)} to validate on")
    representation = build(settings.method, modalities, settings.representation, networks, settings.seed, train)
    representation.world = world.to_json()
    training = dataclasses.replace(settings.training, device=device, threads=settings.threads, seed=settings.seed)
    where = device if settings.devices == 1 else f"{settings.devices} processes ({device.partition(':')[0]})"
    with stage(f"Pretraining {settings.method} for {training.epochs} epochs on {where}"):
        return pretrain(
            representation,
            train,
            validation,
            training,
            folder,
            settings.resume,
            logger=settings.logger,
            devices=settings.devices,
        )


def _summary(result: "PretrainResult") -> str:
    metrics = result.metrics
    modalities = [name.split("/")[1] for name in metrics if name.startswith("retrieval/")]
    found = ", ".join(f"{metrics[f'retrieval/{modality}']:.0%} by {modality}" for modality in sorted(modalities))
    return (
        f"Best epoch {result.epoch + 1} of {len(result.history)}: validation loss {metrics['validation/total']:.4f}; "
        f"of up to 256 joint latents, the right one is found {found}."
    )


def _family(method: str, usual: NetworkSettings | None, family: str) -> NetworkSettings:
    """The default settings of another family of networks."""
    if usual is None:
        raise ValueError(f"the method {method!r} uses no family of networks; leave out `--networks {family}`.")
    return settings_of(family)()


def _data(
    settings: PretrainCommand, world: World, folder: Path, modalities: "Mapping[str, Modality]"
) -> "Transitions | Samples":
    if settings.data is not None:
        return read_data(settings.data, world, settings.probe, modalities)
    keep = folder / "transitions.npz" if settings.save_data else None
    return collected(settings.collection, world, settings.probe, modalities, settings.seed, keep)
