"""What a worker does with a job: in the same version, folder and conditions as where the job comes from."""

import dataclasses
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from anysense import __version__
from anysense.common.files import write_bytes
from anysense.runs.launching.job import RESULT, Job
from anysense.runs.launching.sharing import holds

__all__ = ["Files", "Parcel", "parcel_of", "unpack"]

Files = Mapping[str, bytes]
"""Content by path below the folder of a job."""
PASSED_ON = ("ANYSENSE_", "KMP_", "MKL_", "NUMBA_", "OMP_", "OPENBLAS_")
"""How environment variables begin that may decide about a result, or say where data are."""


@dataclasses.dataclass(frozen=True)
class Parcel:
    """A job on its way to a worker."""

    version: str
    job: bytes
    folder: Path
    """Where the token is."""
    token: str
    device: str
    place: str
    """Working folder."""
    path: tuple[str, ...]
    """Where Python looks for modules."""
    environment: Mapping[str, str]

    def deliver(self, do: Callable[[Job, str], None]) -> Files:
        """Do the job; gives the files of its folder, or its result alone where the folder is shared.

        Args:
            do: Does a job on a device.

        Raises:
            RuntimeError: This is another version of anysense. Errors of the job are passed on.
        """
        if self.version != __version__:
            raise RuntimeError(wrong_version(f"process {os.getpid()}", __version__, self.version))
        self._arrange()
        job: Job = pickle.loads(self.job)
        if holds(self.folder, self.token):
            do(job, self.device)
            return {RESULT: (job.folder / RESULT).read_bytes()}
        with tempfile.TemporaryDirectory(prefix="anysense-") as place:
            own = dataclasses.replace(job, folder=Path(place) / job.folder.name)
            do(own, self.device)
            paths = [path for path in own.folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
            return {path.relative_to(own.folder).as_posix(): path.read_bytes() for path in paths}

    def _arrange(self) -> None:
        """Make this process like the one that the job comes from."""
        for name in [name for name in os.environ if name.startswith(PASSED_ON)]:
            del os.environ[name]
        os.environ.update(self.environment)
        sys.path += [path for path in self.path if path not in sys.path]
        with suppress(OSError):
            os.chdir(self.place)


def parcel_of(job: Job, folder: Path, token: str, device: str) -> Parcel:
    """A job with what a worker must know; paths are made absolute."""
    own = dataclasses.replace(job, folder=job.folder.absolute())
    environment = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    place, path = str(Path.cwd()), tuple(str(Path(one).absolute()) for one in sys.path)
    return Parcel(__version__, pickle.dumps(own), folder.absolute(), token, device, place, path, environment)


def unpack(files: Files, folder: Path) -> None:
    """Put files that came back into the folder of their job, the result at last, unless they are there already."""
    if (folder / RESULT).is_file():
        return
    for name in sorted(files, key=lambda name: name == RESULT):
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{name!r} is no file of the job in `{folder}`.")
        write_bytes(path, files[name])


def wrong_version(where: str, found: str, expected: str) -> str:
    """The message that a worker has another version."""
    return (
        f"{where} has anysense {found}, and this machine {expected}; the same version must be installed on all "
        "machines."
    )
