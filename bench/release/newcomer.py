"""The way of a newcomer: from pip install to a video of an agent that acts on sound; commands and seconds."""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from anysense.common.files import write_json
from anysense.common.machine import describe_machine, machine_line
from anysense.runs.tables import Table, print_table
from bench.release.environments import Environment
from bench.release.wheel import ROOT, only_one

__all__ = ["PATHS", "Step", "main"]

INSTALL = "pip install 'anysense[video]'"
EVALUATE = ("anysense", "evaluate", "--agent", "pendulum", "--episodes", "50", "--video")
DEMO = ("anysense", "demo")
PATHS = {
    "the agent that comes along": ((EVALUATE,), "out/evaluate/001/clips/sound.mp4"),
    "one of your own": ((DEMO,), "out/demo/001/clips/sound.mp4"),
}
"""By name: what is typed after `pip install`, and the video that it ends with."""


@dataclass(frozen=True)
class Step:
    """One command that was typed, or one part of it: on which path, and the seconds that it took."""

    path: str
    command: str
    seconds: float


def main(arguments: Sequence[str]) -> None:
    """Walk the paths with a built wheel, and write down what they took.

    Raises:
        RuntimeError: A command failed, or the video is not there.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.release newcomer", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("dist"), help="folder with one wheel")
    parser.add_argument("--own", action="store_true", help="train an agent of one's own too (minutes)")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder for the figures")
    given = parser.parse_args(arguments)
    steps = _walk(only_one(given.folder, "*.whl"), list(PATHS) if given.own else list(PATHS)[:1])
    path = write_json(
        given.out / "newcomer.json", {"machine": describe_machine(), "steps": [asdict(step) for step in steps]}
    )
    rows = [(step.path, step.command, f"{step.seconds:.1f}") for step in steps]
    print_table(f"From nothing to a video ({machine_line(describe_machine())})", Table(("path", "command", "s"), rows))
    print(f"Written to {path}")


def _walk(wheel: Path, names: Sequence[str]) -> list[Step]:
    with tempfile.TemporaryDirectory(prefix="anysense-newcomer-") as temporary:
        environment, wheels = Environment.make(Path(temporary) / "environment"), Path(temporary) / "wheels"
        wanted = f"anysense[video] @ {wheel.resolve().as_uri()}"
        constraints = ("-c", str(ROOT / "constraints.txt"))
        fetched = environment.pip("download", "--no-cache-dir", "--dest", str(wheels), *constraints, wanted)
        offline = ("--no-index", "--find-links", str(wheels))
        installed = environment.pip("install", *constraints, *offline, "anysense[video]")
        size = sum(path.stat().st_size for path in wheels.iterdir()) / 1e6
        steps = [
            Step("both", f"{INSTALL} (downloads, {size:,.0f} MB)", fetched),
            Step("both", f"{INSTALL} (installation)", installed),
        ]
        for number, name in enumerate(names):
            folder = Path(temporary) / f"folder-{number}"
            folder.mkdir()
            commands, video = PATHS[name]
            steps += [Step(name, " ".join(command), environment.run(command, folder)) for command in commands]
            if not (folder / video).is_file():
                raise RuntimeError(f"`{' '.join(commands[-1])}` ended, but there is no {video}.")
        return steps
