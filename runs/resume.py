"""Going on with a run: its settings are those that it was started with, its inputs are found again."""

import os
import shlex
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from anysense.runs.errors import refuses_input
from anysense.runs.inputs import found_again, holds, replaced
from anysense.runs.launching.settings import LAUNCHING
from anysense.runs.run_folder import RunFolder, newest_run, plain
from anysense.runs.settings import CommonSettings, ResumableSettings, parse, value_of, values_of

__all__ = ["advising", "changes", "going_on", "resumed"]

ResumableT = TypeVar("ResumableT", bound=ResumableSettings)

_MACHINE = ("device", "devices", "threads")
_FREE = ("out", "name", "resume", *_MACHINE, "traceback", "logger", *LAUNCHING, "docs", "readme", "extend")
"""What may differ between a run and its continuation: none of it changes the result that the settings ask for."""
_PLACES = ("--out", "--name", "--docs", "--readme")
"""Options that decide where files go; never taken from a record."""
_WORK = ("--launcher", "--ray-option", "--slurm-option")
"""Options that decide where work is done; never taken from a record either."""
_LISTS = ("--ray-option", "--slurm-option", "--methods")
"""Options among those that are left out of records that take any number of values."""
_CONFIRMED = ("--folder", "--env")
"""Options that are taken from a record only if they are given again, because of what they decide."""


@contextmanager
def advising(run: RunFolder, arguments: Sequence[str]) -> Iterator[None]:
    """Let what interrupts a run, or makes it fail, say what to type to go on (a note of the error, which is shown)."""
    try:
        yield
    except BaseException as error:
        if not refuses_input(error):
            error.add_note(_advice(run, arguments))
        raise


def _advice(run: RunFolder, arguments: Sequence[str]) -> str:
    """The command that goes on with a run, or makes it anew where its command cannot; ``arguments`` were typed now."""
    name, recorded = run.record["command"], run.record["arguments"]
    if "resume" not in run.record["settings"]:
        again = shlex.join(["anysense", *name.split("/"), *without(recorded, ("--name",))])
        return f"`{run.path}` keeps what was written, but cannot go on; to do it again, type: {again}"
    return f"`{run.path}` keeps what was written; to go on with it, type: {shlex.join(going_on(run, arguments))}"


def going_on(run: RunFolder, arguments: Sequence[str]) -> list[str]:
    """The words of the command that goes on with a run; ``arguments`` were typed, to start it or to go on with it."""
    name, recorded = run.record["command"], run.record["arguments"]
    places = {option: value_of(arguments, option) for option in _PLACES if option != "--name"}
    confirmed = {option: value_of(recorded, option) for option in _CONFIRMED if _needs_confirming(run, option)}
    given = {option: value_of(arguments, option) or value for option, value in confirmed.items()}
    chosen = {"--name": run.path.name, **places, **given}
    typed = [part for option, value in chosen.items() if value is not None for part in (option, value)]
    for option in _WORK:
        values = values_of(arguments, option)
        typed += [option, *values] if values else []
    return ["anysense", *name.split("/"), "--resume", *typed]


def resumed(
    settings: ResumableT, arguments: Sequence[str], command: str, read: Callable[[Sequence[str]], ResumableT]
) -> tuple[ResumableT, RunFolder]:
    """The stored settings of the run to continue, with `out`, `device` and the like as given now.

    Raises:
        FileNotFoundError: There is no such run, none that is unfinished, or an input of it is gone.
        ValueError: An option was given that differs from what the run was started with.
    """
    run = _run_to_resume(settings, command)
    _check_record(run, arguments)
    before = without(run.record["arguments"], (*_PLACES, *_WORK))
    typed = {}
    for name, recorded in run.record["inputs"].items():
        option = f"--{name.rpartition('.')[2].replace('_', '-')}"
        value = value_of(arguments, option)
        if value is None and recorded["typed"] in arguments:  # typed without an option, as the run of `align`
            value = recorded["typed"]
        if value is None:
            path = found_again(run.path, name, recorded)
        else:
            path = Path(value).expanduser()
            if not holds(path, recorded):
                raise ValueError(
                    f"`{option}` {value} holds something else than what `{run.path}` was started with "
                    f"({recorded.get('hub', recorded['path'])}). Leave the option out, name where that is now, or "
                    "start a new run."
                )
            typed[name] = value
        before = replaced(before, recorded["typed"], path)
    stored = read(before)
    given = parse(stored, arguments, command)
    grown = stored.grown(given)
    different = "; ".join(changes(plain(stored), plain(given), (*_FREE, *typed, *grown)))
    if different:
        raise ValueError(
            f"`--resume` continues `{run.path}` with the settings it was started with, but other ones were given "
            f"({different}). Leave these options out or start a new run."
        )
    if grown:
        kept = without(run.record["arguments"], [words[0] for words in grown.values()])
        run.grow(given, [*kept, *(word for words in grown.values() for word in words)])
    return given, run


def _run_to_resume(settings: CommonSettings, command: str) -> RunFolder:
    if settings.name is not None:
        return RunFolder.open(settings.out / command / settings.name, command)
    run = newest_run(settings.out, (command,), finished=False)
    if run is None:
        raise FileNotFoundError(
            f"`--resume` found no unfinished run in `{settings.out / command}`, apart from any whose input was wrong. "
            "Name one with --name, or start one."
        )
    return run


def _check_record(run: RunFolder, arguments: Sequence[str]) -> None:
    """Refuse what a record of somebody else must not decide: which files are written, which code is imported."""
    for option in _CONFIRMED:
        if _needs_confirming(run, option) and value_of(arguments, option) is None:
            recorded = value_of(run.record["arguments"], option) or ""
            raise ValueError(
                f"`{option}` {recorded!r} in `{run.path}/run.json` is not taken over, because files must not decide "
                f"where others are written or which code runs. If it is right, give it again: --resume {option} "
                f"{shlex.quote(recorded)}"
            )
    inside = run.path.resolve()
    for folder, folders, files in os.walk(run.path):
        for path in (Path(folder, name) for name in (*folders, *files)):
            if path.is_symlink() and not path.resolve().is_relative_to(inside):
                raise ValueError(f"`{path}` is a link out of the run folder; remove it, or start a new run.")


def _needs_confirming(run: RunFolder, option: str) -> bool:
    """Whether the record of a run gives an option that is not taken over from it."""
    recorded = value_of(run.record["arguments"], option) or ""
    return bool(recorded) if option == "--folder" else ":" in recorded


def without(arguments: Sequence[str], options: Collection[str]) -> list[str]:
    """The arguments without these options and their values: one, or all up to the next option."""
    kept, left = [], 0
    for argument in arguments:
        option = argument.partition("=")[0]
        if option in options:
            left = 0 if "=" in argument else len(arguments) if option in _LISTS else 1
        elif argument.startswith("--") or not left:
            kept.append(argument)
            left = 0
        else:
            left -= 1
    return kept


def changes(before: Any, now: Any, free: Collection[str], name: str = "") -> list[str]:
    """Settings that differ, in words; but for those in ``free``, whose names have dots where they lie deeper."""
    if isinstance(before, dict) and isinstance(now, dict):
        inside = f"{name}." if name else ""
        keys = [key for key in dict.fromkeys((*before, *now)) if f"{inside}{key}" not in free]
        return [text for key in keys for text in changes(before.get(key), now.get(key), free, f"{inside}{key}")]
    return [] if before == now else [f"{name}: {before!r} -> {now!r}"]
