"""Hostile and damaged files of every format, each read in a process of its own."""

import os
import resource
import shutil
import sys
import traceback
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from anysense.common.cache import CACHE_VARIABLE
from bench.reliability.children import in_child
from bench.reliability.mutations import CANARY, mutate
from bench.reliability.readers import Reader, examples, readers
from bench.reliability.records import Campaign, Case, Fault, Options

__all__ = ["BYTES", "CAMPAIGN", "address_space"]

FILES = 150
"""Hostile files of each reader, times its share."""
SECONDS = 20.0
BYTES = 2 << 30
REFUSED, STRANGE = 3, 4
"""Exit codes of the reading process: refused as documented, or in another way."""
NEVER_SAID = ("weights_only", "PytorchStreamReader", "RecursionError", "recursion", "Traceback", "MemoryError")
_LEAVES = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect")
_WRITES = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate")


def cases(options: Options) -> Iterator[Case]:
    """Hostile files of every reader."""
    place = options.folder / "examples"
    examples(place)
    for name, reader in readers().items():
        for number in range(4 if options.quick else round(FILES * reader.share)):
            title = f"{name}/{number}"
            yield Case(title, partial(_read, place, reader, title, options.seed))


def _read(place: Path, reader: Reader, title: str, seed: int) -> int:
    """Make one file of an example hostile and read it."""
    rng = np.random.default_rng([seed, zlib.crc32(title.encode())])
    around = place.parent / "around"
    shutil.rmtree(around, ignore_errors=True)
    folder = around / reader.example
    shutil.copytree(place / reader.example, folder)
    files = sorted(path for path in folder.glob(reader.files) if path.is_file() and path.name[0] != ".")
    path = files[int(rng.integers(len(files)))]
    done = f"{path.relative_to(folder)}: {mutate(path, rng)}"
    limits = {resource.RLIMIT_AS: address_space() + BYTES}
    ended = in_child(partial(_reading, reader, folder), around, seconds=SECONDS, limits=limits)
    faults = []
    if not ended.in_time:
        faults.append(f"takes more than {SECONDS:g} s")
    if ended.memory > BYTES:
        faults.append(f"takes {ended.memory >> 20} MB")
    if list(around.rglob(CANARY)) or "LEFT" in ended.output:
        faults.append("runs or writes what it should not")
    if ended.code not in (0, REFUSED):
        faults.append(f"ends with {ended.code}")
    said = [word for word in NEVER_SAID if word in ended.output]
    if said and ended.code:
        faults.append(f"says {said}")
    if faults:
        raise Fault(f"{done}: {', '.join(faults)}:\n{ended.output[-1200:]}")
    return 1


def _reading(reader: Reader, folder: Path) -> int:
    """Read a file; the exit code says how it went, what is printed says why."""
    os.environ[CACHE_VARIABLE] = str(folder / "cache")
    sys.addaudithook(_audit(str(folder)))
    try:
        reader.read(folder)
    except SystemExit as leaving:
        return REFUSED if leaving.code in (1, 2) else STRANGE
    except (ValueError, OSError) as error:
        named = any(one.name in str(error) for one in (folder, *folder.rglob("*"))) and not reader.remade
        print(f"{type(error).__name__}: {error}")
        if not named:
            traceback.print_exc()
        return REFUSED if named else STRANGE
    except BaseException:
        traceback.print_exc()
        return STRANGE
    return 0


def _audit(folder: str) -> Callable[[str, tuple[Any, ...]], None]:
    """A hook that tells of every process that is started, and of all that is written outside a folder."""
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _LEAVES:
            os.write(1, f"LEFT {event} {arguments}\n".encode())
        if event in _WRITES and isinstance(arguments[0], str | bytes | os.PathLike):
            if event == "open" and not ((arguments[2] or 0) & writing or set("wax+") & set(str(arguments[1] or ""))):
                return
            path = os.path.abspath(os.fsdecode(arguments[0]))
            if not path.startswith((folder, "/dev/")):
                os.write(1, f"LEFT {event} {path}\n".encode())

    return hook


def address_space() -> int:
    """Virtual memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


CAMPAIGN = Campaign(
    "Hostile and damaged files of every format that is read: flipped, cut and repeated bytes, values of other types, "
    "deep nesting, claims of size, archives that unpack to 4 GB, pickles with code, links and pipes. None runs or "
    f"writes anything outside its folder, takes more than {SECONDS:g} s or 2 GB; each is read, or refused with its "
    "name",
    f"about {FILES} files of each reader; processes limited to 2 GiB more than they start with",
    cases,
)
