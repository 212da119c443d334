"""The command line: finds the command, reports errors, turns the outcome into an exit code."""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Protocol, cast

from anysense.common.cache import steady_caches
from anysense.common.errors import unknown_name
from anysense.runs.errors import report_error, terminable
from anysense.runs.overview import listed, wrapped
from anysense.runs.streams import steady_streams

__all__ = ["COMMANDS", "guarded", "main"]

# name: (module, one line of help); modules are imported when their command is called, so that help is quick
COMMANDS = {
    "demo": ("demo", "collect, pretrain, train, evaluate: an agent acts on one modality"),
    "pretrain": ("pretrain", "collect observations and pretrain a representation of them"),
    "train": ("train", "train an agent on a frozen representation, with any modalities of it"),
    "evaluate": ("evaluate", "evaluate an agent on every subset of modalities, with corruptions"),
    "play": ("play", "a window: drive a world by hand, or watch an agent act"),
    "compare": ("compare", "compare representations as what an agent perceives"),
    "data": ("data", "fetch, make, check and look at data sets: data PART"),
    "classify": ("classify", "compare representations on a data set with modalities missing"),
    "retrieve": ("retrieve", "find a sample's other modalities, by volume and by cosine"),
    "align": ("align", "geometry of the latents of a comparison: DCA and UMAP"),
    "tune": ("tune", "search for settings of methods and agents on validation data"),
    "push": ("push", "put an agent or a representation on a hub, with a model card"),
    "report": ("report", "finished runs as one page; several seeds as one table with curves"),
}


class Command(Protocol):
    """What the module of a command offers."""

    def main(self, arguments: Sequence[str]) -> None:
        """Parse the arguments and do the work; errors are raised."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done, 1 failed, 2 wrong input, 130 or 143 interrupted."""
    if arguments is None:
        steady_streams()
        steady_caches()
        os.environ["MPLBACKEND"] = "agg"  # Figures are files; a notebook hands down its own, which may not be here.
    return guarded(_dispatch, list(sys.argv[1:] if arguments is None else arguments))


def guarded(work: Callable[[list[str]], None], arguments: list[str]) -> int:
    """Do `work` with `arguments`, report its errors as one paragraph, and return the exit code as `main` does."""
    show_traceback = "--traceback" in arguments or bool(os.environ.get("ANYSENSE_DEBUG"))
    try:
        with terminable():
            work(arguments)
        return 0
    except SystemExit as leaving:  # tyro leaves this way after --help and after parse errors
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except (Exception, KeyboardInterrupt) as error:
        return report_error(error, show_traceback)


def _dispatch(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return
    if arguments[0] == "--version":
        print(f"anysense {version('anysense')}")
        return
    if arguments[0] == "--completion":
        from anysense.runs.completion import completion

        print(completion((arguments[1:] or [""])[0], {name: text for name, (_, text) in COMMANDS.items()}), end="")
        return
    if arguments[0] not in COMMANDS:
        raise ValueError(unknown_name("command", arguments[0], COMMANDS))
    module = importlib.import_module(f"anysense.runs.commands.{COMMANDS[arguments[0]][0]}")
    cast(Command, module).main(arguments[1:])


def _help() -> str:
    commands = listed({name: text for name, (_, text) in COMMANDS.items()}, 10)
    closing = (
        "anysense COMMAND --help lists the options of a command;",
        "--preset smoke|default|paper chooses their values.",
        "anysense --completion bash|zsh|fish prints a script that completes them.",
        "All that a run makes is in one folder below out/ (--out: another place).",
    )
    return (
        "usage: anysense COMMAND [OPTIONS]\n\n"
        f"{wrapped('Agents that keep acting when a modality goes missing.')}\n\n"
        f"commands:\n{commands}\n\n" + "\n".join(map(wrapped, closing))
    )


if __name__ == "__main__":
    sys.exit(main())
