"""The world of a run on the command line: which environment, and options that stay the same from pretraining on."""

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anysense.envs.faults import EnvironmentFaultError
from anysense.envs.making import Vector
from anysense.envs.world import DEFAULT_WORLD, WORLDS, World, world
from anysense.runs.method_options import value_in
from anysense.runs.settings import value_of, values_of

__all__ = [
    "NoOptions",
    "VectorSettings",
    "before_writing",
    "changed_world",
    "check_fits",
    "chosen_world",
    "environments",
    "named_world",
    "options_of",
    "parsed",
    "world_from",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoOptions:
    """No typed options: those of the environment are given with --env-option."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class VectorSettings:
    """How several environments become one."""

    vector: Vector = "auto"
    """Several environments: sync, all in this process; async, each in a process of its own, which pays where a step is
    slow; auto, the vector form that is registered, else sync. The results are the same."""

    def vectorised(self, known: World) -> World:
        """The world with this choice."""
        return known if known.vector == self.vector else dataclasses.replace(known, vector=self.vector)


@contextmanager
def before_writing() -> Iterator[None]:
    """What is tried inside comes before anything is written, so a broken environment is wrong input (ValueError)."""
    try:
        yield
    except EnvironmentFaultError as error:
        raise ValueError(str(error)) from error


def check_fits(now: World, trained: World, shapes: Mapping[str, tuple[int, ...]], who: str) -> None:
    """Raise ValueError, which names the options at fault, where a world gives modalities of other shapes.

    Args:
        now: The world that was asked for.
        trained: The one that what is used in it was trained in.
        shapes: Shape of each modality there.
        who: What was trained, for the message: ``agent`` or ``representation``.
    """
    wrong = _other_shapes(now, shapes)
    if not wrong:
        return
    if now.id != trained.id:
        raise ValueError(
            f"`env`: the {who} was trained in {trained.id}; in {now.id} {wrong}. Leave --env out, or train in {now.id}."
        )
    before, given = trained.options, now.options
    changed = [name for name in {**before, **given} if before.get(name) != given.get(name)]
    alone = {name: {**before, name: given[name]} for name in changed if name in given}
    guilty = [name for name, options in alone.items() if _other_shapes(world(now.id, options), shapes)] or changed
    then = ", ".join(_pair(name, before) for name in guilty)
    got = ", ".join(_pair(name, given) for name in guilty)
    raise ValueError(
        f"`env-option`: the {who} was trained with {then}; got {got}, so that {wrong}. Leave the option out, or train "
        f"with it."
    )


def _other_shapes(known: World, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Modalities of the world that have other shapes, in words; empty if none has."""
    spaces = known.observation_space.spaces
    found = {name: spaces[name].shape for name in shapes if name in spaces}
    return ", ".join(
        f"`{name}` has shape {shape} instead of {shapes[name]}"
        for name, shape in found.items()
        if shape != shapes[name]
    )


def _pair(name: str, options: Mapping[str, Any]) -> str:
    """An option as it is typed."""
    if name not in options:
        return f"no `{name}`"
    value = options[name]
    return f"`{name}={value if isinstance(value, str) else json.dumps(value)}`"


def named_world(env: str, options: Mapping[str, Any] | None = None) -> World:
    """The world of an id that was given on the command line; the module of ``module:Name-v0`` may lie in this folder.

    Raises:
        ValueError: The id is not known, or its module cannot be imported.
    """
    if ":" in env and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    known = world(env)
    return world(env, {name: _as_list(known, name, value) for name, value in (options or {}).items()})


def changed_world(stored: World, given: Sequence[str]) -> World:
    """A world that was stored, with the options that were given as key=value in the place of its own.

    Raises:
        ValueError: An option is not of the form key=value, is given twice, or is unknown.
    """
    changes = {name: _as_list(stored, name, value) for name, value in parsed(given).items()}
    return world(stored.id, {**stored.options, **changes})


def environments() -> list[str]:
    """What --env may name, for help: the worlds that are known, and any other."""
    return [*WORLDS.names(), "MODULE:NAME"]


def chosen_world(arguments: Sequence[str]) -> World:
    """The world of --env and --env-option: known before the other settings, whose defaults depend on it."""
    return named_world(value_of(arguments, "--env") or DEFAULT_WORLD, parsed(values_of(arguments, "--env-option")))


def options_of(known: World, preset: str) -> Any:
    """Typed options of a world with the values of a preset, for the command line."""
    if known.options_class is None:
        return NoOptions()
    return known.options_class(**known.option_presets.get(preset, {}))


def world_from(env: str, options: Any, given: Mapping[str, str] | Sequence[str]) -> World:
    """The world with its typed options and those that were given as key=value.

    Raises:
        ValueError: An option is not of the form key=value, or is given twice.
    """
    typed = {} if isinstance(options, NoOptions) else dataclasses.asdict(options)
    return named_world(env, {**_plain(typed), **parsed(given)})


def parsed(given: Mapping[str, str] | Sequence[str], option: str = "env-option") -> dict[str, Any]:
    """Values of key=value pairs: as JSON where they are JSON (numbers, true, lists), else as text.

    Raises:
        ValueError: A pair has another form, or a key comes twice.
    """
    found: dict[str, Any] = {}
    for pair in given:
        key, separator, text = pair.partition("=")
        if not separator or not key.isidentifier():
            raise ValueError(f"`{option}` must be written key=value, for example sound_obs=true; got {pair!r}.")
        if key in found:
            raise ValueError(f"`{option}` names {key!r} twice.")
        found[key] = value_in(text)
    return found


def _as_list(known: World, name: str, value: Any) -> Any:
    """A word, or words with commas between them, as a list, where a typed option of the world takes several."""
    usual = getattr(known.options_class, name, None)
    return [word.strip() for word in value.split(",")] if isinstance(usual, tuple) and isinstance(value, str) else value


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON gives them back, so that a stored world equals the one it was made of."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(options)))
    return plain
