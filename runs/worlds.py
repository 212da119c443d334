"""The world of a run: settings of the environment that stay the same from pretraining to evaluation."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

from anysense.envs.pendulum.simulation import DEFAULT_RECEIVERS
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import Preset

__all__ = ["World", "WorldChanges", "world_of"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class World:
    """Settings of the pendulum."""

    receivers: tuple[str, ...] = DEFAULT_RECEIVERS
    """Where the microphones stand: {left,middle,right}_{bottom,middle,top}, except the middle of the middle."""
    frame_stack: int = 2
    """How many recent frames an observation holds."""
    physics: Literal["gymnasium", "gym-0.19"] = "gymnasium"
    """Order in which speed and angle are integrated; gym-0.19 is the published one."""
    antialias: bool = True
    """Smooth edges of the rod; without, the published binary mask."""
    initial_steps: int = 0
    """Steps without torque after each reset; published: 1."""

    @classmethod
    def of(cls, preset: Preset) -> World:
        """The published world for `paper`, ours for all other presets."""
        return cls(physics="gym-0.19", antialias=False, initial_steps=1) if preset == "paper" else cls()

    def env_kwargs(self) -> dict[str, Any]:
        """Keyword arguments of the environment."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorldChanges:
    """What shall differ from the world that a representation was pretrained in."""

    receivers: tuple[str, ...] | None = None
    """Where the microphones stand; as in pretraining if not given."""
    physics: Literal["gymnasium", "gym-0.19"] | None = None
    """Order of integration; as in pretraining if not given."""
    antialias: bool | None = None
    """Smooth edges of the rod; as in pretraining if not given."""
    initial_steps: int | None = None
    """Steps without torque after each reset; as in pretraining if not given."""

    def apply(self, world: World) -> World:
        """`world` with the changes."""
        given = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        return dataclasses.replace(world, **given)


def world_of(representation: Path, preset: Preset) -> World:
    """The world of the run that made a representation; that of `preset` if the run is not there any more."""
    for folder in (representation.parent, representation.parent.parent):
        if (folder / "run.json").is_file():
            stored = RunFolder.open(folder).record["settings"].get("world")
            if stored is not None:
                return World(**{**stored, "receivers": tuple(stored["receivers"])})
    return World.of(preset)
