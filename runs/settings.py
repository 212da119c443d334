"""Settings that every command shares, and how they come from presets and the command line."""

import dataclasses
import inspect
import shutil
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import tyro

from anysense.common.errors import unknown_name
from anysense.common.validation import check_seed
from anysense.runs.offering import Names, list_options, offered, option_names, restored
from anysense.runs.option_types import OPTION_TYPES

__all__ = [
    "PRESETS",
    "CommonSettings",
    "Flat",
    "Preset",
    "ResumableSettings",
    "TracebackSettings",
    "check_positive",
    "parse",
    "peek",
    "preset_in",
    "smoke_caution",
    "use_machine",
    "value_of",
    "values_of",
    "widened",
]

Preset = Literal["smoke", "default", "paper"]
PRESETS: tuple[Preset, ...] = ("smoke", "default", "paper")

DataT = TypeVar("DataT")

Flat: Any = tyro.conf.OmitArgPrefixes
"""Marks settings whose options carry no prefix; help shows them as a group."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TracebackSettings:
    """What every command and part of one has."""

    traceback: bool = False
    """Show the Python traceback of an error."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CommonSettings(TracebackSettings):
    """Options that mean the same in every command."""

    preset: Preset = "default"
    """Where the other values come from: smoke (seconds, to try things), default (ours), paper (as published)."""
    out: Path = Path("out")
    """Folder that holds all runs."""
    name: str | None = None
    """Name of the run folder; the next free number if not given."""
    seed: int = 0
    """Seed of everything random in this run."""
    device: str = "auto"
    """Where networks run: cpu, cuda, cuda:1, ..., or auto: a GPU if there is one."""
    threads: int | None = None
    """Processor threads of torch; what is fastest for the command if not given."""

    def __post_init__(self) -> None:
        check_seed("seed", self.seed)
        check_positive(self, "threads")

    @property
    def here(self) -> bool:
        """Whether networks run on this machine, so that `device` can be checked here."""
        return True


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResumableSettings(CommonSettings):
    """Options of the commands that can be continued after a kill."""

    resume: bool = False
    """Continue the run --name, or else the newest unfinished one, with the settings that it was started with."""

    def grown(self, given: Any) -> Mapping[str, list[str]]:
        """What the same run is asked for besides, when it goes on with ``given``: words to type, by setting."""
        return {}


def smoke_caution(commands: Iterable[str]) -> str:
    """What is said of all that commands made with the preset smoke."""
    named = ", ".join(dict.fromkeys(commands))
    return f"Preset smoke ({named}): too short to learn or to measure anything; it only shows that everything runs."


def check_positive(settings: Any, *names: str) -> None:
    """Raises ValueError unless the named fields are at least 1, or None."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise ValueError(f"`{name}` must be at least 1; got {value}.")


RENAMED = {
    "--senses": "--modalities",
    "--max-torque": "--reference-option max_torque=...",
    "report --docs": "--out",
    **dict.fromkeys(("train --action-doubling", "train --action-scaling"), "--published"),
    **{
        f"train --{name.replace('_', '-')}": f"--env-option {name}=..."
        for name in ("physics", "antialias", "receivers", "initial_steps")
    },
}
"""Options of earlier versions, of one command where it is named: what they are called now."""
_WITH_COMMAS = ("--space",)
"""Options, besides those of key=value, whose values may hold commas."""
Others = Callable[[], Mapping[str, Any]]
"""Gives settings, or classes of them, that other choices on the command line have: ``--method mvae``."""


def value_of(arguments: Sequence[str], option: str) -> str | None:
    """The value of one option as it was typed, the last one if there are several; None where it was not given."""
    value = None
    for index, argument in enumerate(arguments):
        if argument == option and index + 1 < len(arguments):
            value = arguments[index + 1]
        elif argument.startswith(f"{option}="):
            value = argument.partition("=")[2]
    return value


def values_of(arguments: Sequence[str], option: str) -> list[str]:
    """The values of an option that takes several, as they were typed."""
    values, taking = [], False
    for argument in arguments:
        if argument.startswith("--"):
            taking = argument.partition("=")[0] == option
            values += [argument.partition("=")[2]] if taking and "=" in argument else []
        elif taking:
            values.append(argument)
    return values


def peek(arguments: Sequence[str], option: str, default: str, valid: Sequence[str]) -> str:
    """The value of one option, read before the others because their defaults depend on it; ValueError if unknown."""
    value = value_of(arguments, option) or default
    if value not in valid:
        raise ValueError(unknown_name(option.lstrip("-"), value, valid))
    return value


def preset_in(arguments: Sequence[str]) -> Preset:
    """The preset that was typed; ValueError for an unknown one."""
    name = peek(arguments, "--preset", "default", PRESETS)
    return next(preset for preset in PRESETS if preset == name)


def parse(
    default: DataT, arguments: Sequence[str], command: str, names: Names | None = None, others: Others = dict
) -> DataT:
    """Read `arguments` over the values of `default`; prints help or a parse error and leaves with `SystemExit`.

    ``names`` are what help lists for an option, by field of ``default`` or of settings in it. A form of an earlier
    version, or an option that belongs to another choice (``others``), is a ValueError that says what to write.
    """
    _check_form(default, arguments, command)
    _check_names(default, command, {})
    _check_others(default, arguments, command, others)
    found = tyro.cli(
        type(offer := offered(default, names or {})),
        default=offer,
        args=list(arguments),
        prog=f"anysense {command}",
        description=_description(type(default)),
        registry=OPTION_TYPES,
    )
    return restored(default, found)


def _description(cls: type[Any]) -> str:
    """The docstring, in lines that fit the terminal; tyro would join them if they were not indented."""
    width, paragraphs = min(shutil.get_terminal_size().columns, 100), (inspect.getdoc(cls) or "").split("\n\n")
    return "\n\n".join(textwrap.indent(textwrap.fill(part, width - 1), " ") for part in paragraphs)


def _check_form(default: Any, arguments: Sequence[str], command: str) -> None:
    for argument in arguments:
        option = argument.partition("=")[0]
        now = RENAMED.get(option) or RENAMED.get(f"{command} {option}")
        if now is not None:
            raise ValueError(f"`{option}` is called `{now}` now.")
    for option in list_options(default):
        values = [argument for argument in arguments if argument.partition("=")[0] == option]
        if len(values) > 1:
            raise ValueError(f"`{option}` was given {len(values)} times; give it once, with all values after it.")
        value = value_of(arguments, option) or ""
        if "," in value and not option.endswith("-option") and option not in _WITH_COMMAS:
            spaced = " ".join(value.replace(",", " ").split())
            raise ValueError(f"`{option}` takes values separated by spaces: {option} {spaced}; got {value!r}.")


def _check_others(default: Any, arguments: Sequence[str], command: str, others: Others) -> None:
    """Refuse an option that only other choices have, such as one of another method, and say which have it."""
    known = set(option_names(default))
    typed = [argument.partition("=")[0].replace("_", "-") for argument in arguments if argument.startswith("--")]
    options = [option.replace("--no-", "--", 1) if option not in known else option for option in typed]
    unknown = [option for option in options if option not in known and option != "--help"]
    for option in unknown:
        found = [choice for choice, settings in others().items() if option in option_names(settings)]
        if found:
            kinds = {choice.partition(" ")[0] for choice in found}
            owners = " or ".join(
                f"{kind} {', '.join(choice.partition(' ')[2] for choice in found if choice.startswith(f'{kind} '))}"
                for kind in sorted(kinds)
            )
            raise ValueError(
                f"`{option}` is an option of {owners}, and has no meaning for what was chosen. Leave it out; "
                f"`anysense {command} --help` with the same choices lists what applies."
            )


def _check_names(settings: Any, command: str, owners: dict[str, str]) -> None:
    """Raise ValueError where two parts of the settings have an option of one name, as methods of others might."""
    for field in dataclasses.fields(settings):
        value, owner = getattr(settings, field.name), type(settings).__name__
        if dataclasses.is_dataclass(value):
            _check_names(value, command, owners)
        elif "Suppress" not in str(field.type) and owners.setdefault(field.name, owner) != owner:
            raise ValueError(
                f"`{field.name}` is a setting of {owners[field.name]} and of {owner}; `anysense {command}` offers "
                "both, so rename that of your own class."
            )


def use_machine(settings: CommonSettings) -> str:
    """Apply `threads` and resolve `device` to the name of a device; ValueError if it is not on this machine.

    What runs elsewhere has the device that was typed.
    """
    import torch

    from anysense.common.machine import resolve_device

    device = resolve_device(settings.device) if settings.here else settings.device
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    return str(device)


def widened(cls: type[DataT], value: Any) -> DataT:
    """`value`, of a base class of `cls`, as an instance of `cls`."""
    return cls(**{field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
