"""Full and unusable disks: every writing call fails once, files may not grow, file systems are small or read-only."""

import contextlib
import errno
import resource
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.reliability.children import Ended, in_child
from bench.reliability.content import content, differences
from bench.reliability.faults import Faults
from bench.reliability.records import Campaign, Case, Fault, Options
from bench.reliability.works import References, Work, command, finished, works

__all__ = ["CAMPAIGN"]

MOST = {"pretrain": 20, "train-sac": 6}
"""Most writing calls of a work that are tried, spread evenly from the first to the last; of the others `FEW`."""
FEW = 2
ERRORS = (errno.ENOSPC, errno.ENOSPC, errno.EIO, errno.EDQUOT)
"""What the calls fail with, in turn."""
SHARES = (0.3, 0.7)
"""Sizes of the small file systems, as shares of what a run needs; of the longest files, for the limit of their size."""
LONG_NAME = "x" * 300


def cases(options: Options) -> Iterator[Case]:
    """Every work in impossible places, with limits of file size, on small file systems and with calls that fail."""
    references = References(options.folder)
    known = [work for work in works() if work.name != "classify-2-jobs"]  # its workers are processes of their own
    mountable = _mountable(options.folder)
    for place in ("file", "long", *(("read-only",) if mountable else ())):
        for work in known:
            if work.resumable:
                yield Case(f"place-{place}/{work.name}", partial(_impossible, references, work, place))
    for share in SHARES[:1] if options.quick else SHARES:
        for work in known:
            yield Case(f"size-{work.name}/{share}", partial(_limited_size, references, work, share))
            if mountable:
                yield Case(f"quota-{work.name}/{share}", partial(_small_disk, references, work, share))
    for work in known:
        calls = spread(references.of(work).calls, 2 if options.quick else MOST.get(work.name, FEW))
        for number, call in enumerate(calls):
            error = ERRORS[number % len(ERRORS)]
            yield Case(f"call-{work.name}/{call}", partial(_failing_call, references, work, call, error))


def spread(count: int, most: int) -> list[int]:
    """The numbers from 1 to `count`, or `most` of them from the first to the last."""
    if count <= most:
        return list(range(1, count + 1))
    return sorted({1 + round(place * (count - 1) / (most - 1)) for place in range(most)})


def _failing_call(references: References, work: Work, call: int, error: int) -> int:
    folder = references.fresh(work)

    def faulty() -> int:
        Faults(folder, call, error)
        return command(*work.arguments)

    _check_failure(references, work, in_child(faulty, folder))
    _check_resumed(references, work, folder)
    return 1


def _limited_size(references: References, work: Work, share: float) -> int:
    """No file may become longer than a share of the longest one."""
    limits = {resource.RLIMIT_FSIZE: int(references.of(work).longest * share)}
    folder = references.fresh(work)
    _check_failure(references, work, in_child(partial(command, *work.arguments), folder, limits=limits))
    _check_resumed(references, work, folder)
    return 1


def _small_disk(references: References, work: Work, share: float) -> int:
    """A file system that holds a share of what a run makes; it is made larger before the run goes on."""
    reference = references.of(work)
    folder = references.fresh(work)
    with _mounted(folder, f"size={reference.given + int(reference.needed * share)}k"):
        references.fill(work)
        _check_failure(references, work, in_child(partial(command, *work.arguments), folder))
        _mount(folder, f"remount,size={8 * (reference.given + reference.needed)}k")
        _check_resumed(references, work, folder)
    return 1


def _impossible(references: References, work: Work, place: str) -> int:
    """`--out` names what can be no folder; nothing may be written, and the message names it."""
    references.of(work)
    folder = references.fresh(work)
    (folder / "file").touch()
    (folder / "read-only").mkdir()
    named = {"file": "file/out", "long": LONG_NAME, "read-only": "read-only/out"}[place]
    arguments = (*work.arguments, "--out", named)
    read_only = _mounted(folder / "read-only", "ro") if place == "read-only" else contextlib.nullcontext()
    with read_only:
        ended = in_child(partial(command, *arguments), folder)
    if ended.code not in (1, 2) or named not in ended.output or "Traceback" in ended.output:
        raise Fault(f"anysense {' '.join(arguments)} ended with {ended.code}:\n{ended.output}")
    left = sorted(path.name for path in folder.rglob("*"))
    if left != ["file", "read-only"]:
        raise Fault(f"anysense {' '.join(arguments)} left {left}")
    return 1


def _check_failure(references: References, work: Work, ended: Ended) -> None:
    """A run that could not write says what; one that could do without ends well."""
    if ended.code == 0:
        return
    last = ended.output.strip().rpartition("\nError: ")[2]
    named = any(part in last for part in (work.made, "out/", str(references.folder)))
    if ended.code not in (1, 2) or not ended.in_time or "Traceback" in ended.output or not named:
        raise Fault(f"anysense {' '.join(work.arguments)} ended with {ended.code}:\n{ended.output}")


def _check_resumed(references: References, work: Work, folder: Path) -> None:
    expected = references.of(work).files
    arguments = work.again(folder)
    finished(in_child(partial(command, *arguments), folder), arguments)
    other = differences(expected, content(folder / work.made))
    if other:
        raise Fault(f"anysense {' '.join(arguments)} then made something else: {'; '.join(other)}")


def _mountable(folder: Path) -> bool:
    """Whether file systems can be mounted, which takes an administrator."""
    place = folder / "mount"
    place.mkdir(parents=True, exist_ok=True)
    try:
        with _mounted(place, "size=4k"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@contextlib.contextmanager
def _mounted(folder: Path, options: str) -> Iterator[None]:
    _mount(folder, options)
    try:
        yield
    finally:
        _system("umount", "--lazy", str(folder))


def _mount(folder: Path, options: str) -> None:
    _system("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))


def _system(*arguments: str) -> None:
    subprocess.run(arguments, check=True, capture_output=True)


CAMPAIGN = Campaign(
    "Disks that are full, broken or of no use: a writing call and all after it fail, files may not grow, small file "
    "systems (where they can be mounted), `--out` that can be no folder. The run ends with a message that names the "
    "path, or does without; resumed, it makes the same files as an undisturbed one",
    f"of the writing calls of each work {FEW} from the first to the last ("
    f"{', '.join(f'{most} of {name}' for name, most in MOST.items())}); sizes {SHARES}",
    cases,
)
