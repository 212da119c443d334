"""What the main function of every command does: read settings, make or enter a run folder, work, say what came out."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from anysense.common.files import explained
from anysense.runs.comparisons.blocks import check_block
from anysense.runs.from_hub import pinned
from anysense.runs.launching.settings import LaunchSettings, launcher_of
from anysense.runs.resume import advising, resumed
from anysense.runs.run_folder import RunFolder, check_place
from anysense.runs.settings import CommonSettings, ResumableSettings, use_machine
from anysense.runs.tables import Table, print_table

if TYPE_CHECKING:
    from anysense.runs.comparisons.grid import Cell

__all__ = ["execute"]

SettingsT = TypeVar("SettingsT", bound=CommonSettings)

Read = Callable[[Sequence[str]], SettingsT]
Resolve = Callable[[SettingsT], tuple[SettingsT, Sequence[str]]]
Work = Callable[[SettingsT, RunFolder, str], Iterable[str]]


def _as_given(settings: SettingsT) -> tuple[SettingsT, Sequence[str]]:
    return settings, ()


def execute(
    command: str,
    arguments: Sequence[str],
    read: Read[Any],
    work: Work[Any],
    resolve: Resolve[Any] = _as_given,
    cells: Callable[[Any], "Sequence[Cell]"] | None = None,
    listed: Callable[[Any, RunFolder | None], Table] | None = None,
) -> None:
    """Run one command.

    Args:
        command: Its name, also that of its folder below ``out/``.
        arguments: What was typed after the name.
        read: Settings from the arguments.
        work: Does the work in the run folder, on the named device; gives the lines to print at the end.
        resolve: Finds inputs that were not typed, such as the newest representation, and checks all input before
            anything is written. Gives the settings with what it found, and the arguments that stand for it.
        cells: The jobs, of a command that has many.
        listed: What --dry-run lists, of a command whose jobs are not known beforehand.
    """
    arguments = pinned(arguments)
    settings = read(arguments)
    run = None
    if isinstance(settings, ResumableSettings) and settings.resume:
        settings, run = resumed(settings, arguments, command, read)
    device = use_machine(settings)
    if run is None:
        check_place(Path(settings.out) / command, settings.name, isinstance(settings, ResumableSettings))
    if getattr(settings, "docs", None) is not None:
        if not settings.docs.name:
            raise ValueError("`docs` is empty; expected the name of a file, such as docs/results/digits.")
        check_place(settings.docs.parent, None)
    if getattr(settings, "readme", None) is not None:
        check_block(settings.readme, settings.docs.name)
    if isinstance(settings, LaunchSettings) and cells is not None:
        if settings.dry_run:
            from anysense.runs.comparisons.grid import planned

            print_table(f"anysense {command} --dry-run", planned(settings, command, cells(settings), run))
            return
        launcher_of(settings)
    if isinstance(settings, LaunchSettings) and listed is not None:
        if settings.dry_run:
            print_table(f"anysense {command} --dry-run", listed(settings, run))
            return
        launcher_of(settings)
    with nullcontext() if run is None else advising(run, arguments):
        settings, chosen = resolve(settings)
    if getattr(settings, "docs", None) is not None:
        with explained(settings.docs.parent):
            settings.docs.parent.mkdir(parents=True, exist_ok=True)
    if run is None:
        run = RunFolder.create(settings, command, arguments, chosen)
    with advising(run, arguments), run.working():
        lines = list(work(settings, run, device))
    print("\n".join(lines))
