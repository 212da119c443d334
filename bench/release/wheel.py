"""A built sdist and wheel: what is in them, and the wheel at work from an empty environment and folder."""

import argparse
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from anysense.common.progress import duration
from bench.release.environments import Environment

__all__ = ["COMMANDS", "check_contents", "check_sdist", "expected_files", "main", "only_one"]

ROOT = Path(__file__).parents[2]
MOST_BYTES = 5_000_000
"""A wheel or sdist that is larger holds something that does not belong there."""
COMMANDS = (
    ("anysense", "--version"),
    ("anysense", "demo", "--preset", "smoke"),
    ("anysense", "evaluate", "--agent", "pendulum", "--episodes", "2"),
)
"""What has to work from a wheel alone."""
_ROOMS = {"agents", "anysense", "common", "envs", "representations", "runs"}
_SDIST = {
    *_ROOMS,
    *("CHANGELOG.md", "CITATION.cff", "LICENSE", "MANIFEST.in", "PKG-INFO", "README.md"),
    *("anysense.egg-info", "constraints.txt", "pyproject.toml", "setup.cfg"),
}
"""Top level of an sdist."""


def main(arguments: Sequence[str]) -> None:
    """Check what is in a folder of distributions, then install the wheel and call it."""
    parser = argparse.ArgumentParser(prog="python -m bench.release wheel", description=__doc__)
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("dist"), help="folder with one wheel and one sdist"
    )
    parser.add_argument("--contents-only", action="store_true", help="install nothing")
    given = parser.parse_args(arguments)
    wheel, sdist = only_one(given.folder, "*.whl"), only_one(given.folder, "*.tar.gz")
    check_contents(wheel, expected_files(ROOT))
    check_sdist(sdist)
    for path in (sdist, wheel):
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    if not given.contents_only:
        _try(wheel)


def only_one(folder: Path, pattern: str) -> Path:
    """The one file of a form in a folder.

    Raises:
        FileNotFoundError: There is none, or more than one.
    """
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise FileNotFoundError(f"`{folder}` must hold one {pattern}, got {len(found)}; build with `make dist`.")
    return found[0]


def expected_files(root: Path) -> dict[str, Path]:
    """Every file that the wheel must have, by its name there: modules of the listed packages and their data."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    places, data = settings["package-dir"], settings["package-data"]
    found = {}
    for package in settings["packages"]:
        parts = package.split(".")
        folder = root.joinpath(places[".".join(parts[:2])], *parts[2:])
        for pattern in ("*.py", *data["*"], *data.get(package, ())):
            for path in folder.glob(pattern):
                if path.is_file():
                    found[str(PurePosixPath(*parts, *path.relative_to(folder).parts))] = path
    return found


def check_contents(wheel: Path, expected: Mapping[str, Path]) -> None:
    """Compare a wheel with the files that it shall hold.

    Raises:
        ValueError: Something is missing or altered, there is something else, or it is too large.
    """
    with zipfile.ZipFile(wheel) as archive:
        inside = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    faults = {
        "lacks": set(expected) - set(inside),
        "has besides": set(inside) - set(expected),
        "has other bytes of": {
            name for name in set(inside) & set(expected) if inside[name] != expected[name].read_bytes()
        },
    }
    if any(faults.values()):
        told = "; ".join(f"{fault} {', '.join(sorted(names))}" for fault, names in faults.items() if names)
        raise ValueError(f"`{wheel}` {told}. Build anew from a clean tree: make dist.")
    check_size(wheel)


def check_sdist(sdist: Path) -> None:
    """Raise ValueError if an sdist holds what nobody builds a package from, or is too large."""
    with tarfile.open(sdist) as archive:
        tops = {PurePosixPath(name).parts[1] for name in archive.getnames() if "/" in name}
    if tops - _SDIST or _SDIST - tops:
        raise ValueError(
            f"`{sdist}` must hold {', '.join(sorted(_SDIST))}; it has besides {sorted(tops - _SDIST)} and lacks "
            f"{sorted(_SDIST - tops)}. MANIFEST.in decides that."
        )
    check_size(sdist)


def check_size(path: Path) -> None:
    """Raise ValueError if a file is larger than `MOST_BYTES`."""
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"`{path}` takes {path.stat().st_size:,} bytes, expected at most {MOST_BYTES:,}.")


def _try(wheel: Path) -> None:
    """Install the wheel into an empty environment, and call it in an empty folder."""
    with tempfile.TemporaryDirectory() as temporary:
        environment = Environment.make(Path(temporary) / "environment")
        seconds = environment.pip("install", "-c", str(ROOT / "constraints.txt"), str(wheel.resolve()))
        print(f"installed with constraints.txt in {duration(seconds)}", flush=True)
        folder = Path(temporary) / "folder"
        folder.mkdir()
        for command in COMMANDS:
            print(f"{' '.join(command)}: {duration(environment.run(command, folder))}", flush=True)
