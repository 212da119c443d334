"""Options of the commands that do many jobs: by which launcher, how many at a time, with which resources."""

import dataclasses
from collections.abc import Callable

from anysense.common.registry import Registry
from anysense.runs.launching.launcher import Launcher
from anysense.runs.settings import ResumableSettings, check_positive

__all__ = ["LAUNCHERS", "LAUNCHING", "LaunchSettings", "launcher_of"]

LAUNCHING = ("launcher", "jobs", "ray_option", "slurm_option", "dry_run")
"""The options below."""

LAUNCHERS: Registry[Callable[["LaunchSettings"], Launcher]] = Registry(
    "launcher",
    "anysense.launchers",
    {name: f"anysense.runs.launching.settings:{name}" for name in ("local", "ray", "slurm")},
)
"""Functions that make a launcher of the settings, and check what can be checked before anything is written."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaunchSettings(ResumableSettings):
    """Options of commands that do many jobs. None of them decides about a result."""

    launcher: str = "local"
    """Where jobs are done: local, processes of this machine; ray, a Ray cluster (RAY_ADDRESS, or one that is started
    here); slurm, a job array. A run that one has begun goes on with any."""
    jobs: int | None = None
    """Jobs at a time, each with one thread; if not given one per GPU or processor of this machine, and what a cluster
    has resources for."""
    ray_option: tuple[str, ...] = ()
    """What --launcher ray uses, as key=value: address=HOST:PORT; cpus=1 gpus=0.5 memory=4GB for each job, or resources
    of your own by their names."""
    slurm_option: tuple[str, ...] = ()
    """What --launcher slurm asks for, as key=value: partition=gpu time=60 gpus_per_node=1 and all that `sbatch` knows;
    cluster=local tries it without SLURM."""
    dry_run: bool = False
    """List the jobs, which of them are done and which would be, and leave without writing anything."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "jobs")
        LAUNCHERS.get(self.launcher)
        for name in ("ray", "slurm"):
            if getattr(self, f"{name}_option") and self.launcher != name:
                raise ValueError(
                    f"`{name}-option` is an option of --launcher {name}, and has no meaning for --launcher "
                    f"{self.launcher}. Leave it out, or choose that launcher."
                )

    @property
    def here(self) -> bool:
        """Whether networks run on this machine, so that `device` can be checked here."""
        return self.launcher == "local"


def launcher_of(settings: LaunchSettings) -> Launcher:
    """The launcher that was chosen.

    Raises:
        ModuleNotFoundError: Its package is not installed; the message names the extra.
        ConnectionError: It cannot be reached.
        ValueError: An option is not possible.
    """
    return LAUNCHERS.get(settings.launcher)(settings)


def local(settings: LaunchSettings) -> Launcher:
    """Processes of this machine, one for each GPU if it has any."""
    from anysense.runs.launching.devices import cuda_devices, devices_of
    from anysense.runs.launching.local import Local

    return Local(settings.jobs, *devices_of(settings.device, cuda_devices()))


def ray(settings: LaunchSettings) -> Launcher:
    """A Ray cluster."""
    from anysense.runs.launching.ray_cluster import RayCluster
    from anysense.runs.launching.ray_options import RayOptions

    options = RayOptions.of(settings.ray_option, settings.device, settings.threads)
    return RayCluster(options, settings.jobs, settings.device)


def slurm(settings: LaunchSettings) -> Launcher:
    """A job array of SLURM."""
    from anysense.runs.launching.slurm import Slurm, SlurmOptions

    options = SlurmOptions.of(settings.slurm_option, settings.device, settings.threads)
    return Slurm(options, settings.jobs, settings.device)
