import importlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from anysense.common.files import write_text
from anysense.runs.launching import launcher, local
from anysense.runs.launching.job import Job
from anysense.runs.launching.launcher import run_jobs
from anysense.runs.launching.local import Local, side_by_side

WORK = """
import os, signal, sys, time

class Stubborn(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")

def double(number, folder, device):
    print("half way", file=sys.stderr)
    return {"value": 2 * number, "process": os.getpid()}

def wrong(number, folder, device):
    raise ValueError(f"`number` {number} is wrong")

def stubborn(number, folder, device):
    raise Stubborn("an error", "its two arguments")

def killed(number, folder, device):
    os.kill(os.getpid(), signal.SIGKILL)

def gone(number, folder, device):
    os._exit(7)

def slow(number, folder, device):
    (folder / "process").write_text(str(os.getpid()))
    try:
        time.sleep(60)
    finally:
        (folder / "cleaned").touch()
"""

PARENT = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in the background without it
sys.path.insert(0, {folder!r})
import work_of_jobs
from anysense.runs.launching.job import Job
from anysense.runs.launching.launcher import run_jobs
from anysense.runs.launching.local import Local
if __name__ == "__main__":
    try:
        run_jobs([Job(name, Path({folder!r}) / name, work_of_jobs.slow, 0) for name in "abc"], Local(2), "slow")
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A module that other processes can import as well."""
    write_text(tmp_path / "work_of_jobs.py", WORK)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("work_of_jobs")
    sys.modules.pop("work_of_jobs")


@pytest.fixture
def done():
    """Arguments of the jobs that were done, in order."""
    return []


@pytest.fixture
def job(tmp_path, done):
    """A function that makes the job with a number."""

    def square(number, folder, device):
        done.append(number)
        if number < 0:
            raise ArithmeticError("no root")
        return {"value": number**2}

    return lambda number, **options: Job(f"job {number}", tmp_path / f"job{number}", square, number, **options)


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_results_come_in_the_order_of_the_jobs_and_each_end_is_told(job, done, capsys, monkeypatch):
    """With an estimate from the first one on: each takes an hour and a half of this clock."""
    monkeypatch.setattr(launcher.time, "perf_counter", lambda: 5400.0 * len(done))
    assert [result["value"] for result in run_jobs([job(3), job(1), job(2)], Local(1), "squares")] == [9, 1, 4]
    assert done == [3, 1, 2]
    told = [line for line in capsys.readouterr().err.splitlines() if "done" in line]
    assert told == [
        "  job 3: done (1 of 3; about 3 h 00 min left)",
        "  job 1: done (2 of 3; about 1 h 30 min left)",
        "  job 2: done (3 of 3)",
    ]


def test_no_jobs_have_no_results():
    assert run_jobs([], Local(1), "none") == []


def test_what_is_done_is_not_done_again(job, done, capsys):
    run_jobs([job(3), job(1)], Local(1), "squares")
    assert [result["value"] for result in run_jobs([job(5), job(1), job(3)], Local(1), "squares")] == [25, 1, 9]
    assert done == [3, 1, 5]
    assert "2 of 3 jobs were done before" in capsys.readouterr().err


def test_an_error_passes_through_and_the_finished_stay(job, done, tmp_path):
    with pytest.raises(ArithmeticError, match="no root"):
        run_jobs([job(2), job(-1), job(4)], Local(1), "squares")
    assert done == [2, -1]
    assert json.loads((tmp_path / "job2" / "result.json").read_text()) == {"value": 4}
    assert [job(number).done for number in (2, -1, 4)] == [True, False, False]


def test_a_result_that_json_cannot_hold_leaves_no_file(tmp_path):
    bad = Job("nan", tmp_path / "nan", lambda argument, folder, device: {"value": float("nan")}, None)
    with pytest.raises(ValueError, match="JSON compliant"):
        run_jobs([bad], Local(1), "nan")
    assert not bad.done


def test_spare_folders_go_when_the_job_is_done(job, tmp_path):
    for number in (2, -1):
        (tmp_path / f"job{number}" / "checkpoints").mkdir(parents=True)
    with pytest.raises(ArithmeticError):
        run_jobs([job(2, spare=("checkpoints", "never_made")), job(-1, spare=("checkpoints",))], Local(1), "squares")
    assert not (tmp_path / "job2" / "checkpoints").exists()
    assert (tmp_path / "job-1" / "checkpoints").is_dir()


@pytest.mark.parametrize("count", [0, -2])
def test_at_least_one_at_a_time(count, job, done):
    with pytest.raises(ValueError, match=f"`jobs` must be at least 1; got {count}"):
        run_jobs([job(1)], Local(count), "squares")
    assert done == []


def test_usual_number_of_jobs(monkeypatch):
    for processors, expected in ((1, 1), (4, 4), (64, 8)):
        monkeypatch.setattr(local, "processors", lambda count=processors: count)
        assert side_by_side(None, 100) == expected
    assert side_by_side(None, 3) == side_by_side(5, 3) == 3
    assert side_by_side(20, 100) == 20


def test_other_processes(work, tmp_path, capsys):
    some = [Job(f"double {number}", tmp_path / str(number), work.double, number) for number in (4, 5, 6)]
    results = run_jobs(some, Local(2), "doubles")
    assert [result["value"] for result in results] == [8, 10, 12]
    processes = {result["process"] for result in results}
    assert len(processes) == 3
    assert os.getpid() not in processes
    said = capsys.readouterr().err
    assert "half way" not in said
    assert all(f"  double {number}: done (" in said for number in (4, 5, 6))
    assert [(tmp_path / str(number) / "log.txt").read_text() for number in (4, 5, 6)] == ["half way\n"] * 3


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("wrong", ValueError, "`number` 0 is wrong"),
        ("stubborn", RuntimeError, "Stubborn: an error and its two arguments"),
        (
            "killed",
            RuntimeError,
            r"was killed by signal 9, perhaps for lack of memory; then fewer `--jobs` help",
        ),
        ("gone", RuntimeError, r"ended with code 7 before it was done; see `.*log\.txt`"),
    ],
)
def test_a_job_that_fails_in_another_process_stops_the_others(name, kind, message, work, tmp_path):
    bad = Job("bad", tmp_path / "bad", getattr(work, name), 0)
    slow = Job("slow", tmp_path / "slow", work.slow, 0)
    start = time.monotonic()
    with pytest.raises(kind, match=message):
        run_jobs([slow, bad], Local(2), "jobs")
    assert time.monotonic() - start < 20
    assert not bad.done
    assert not slow.done


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGKILL, -9)])
def test_processes_end_when_the_run_is_interrupted_or_gone(number, code, work, tmp_path):
    """The signal reaches the parent alone."""
    write_text(tmp_path / "parent.py", PARENT.format(folder=str(tmp_path)))
    parent = subprocess.Popen([sys.executable, str(tmp_path / "parent.py")], stderr=subprocess.DEVNULL)
    files = [tmp_path / name / "process" for name in "ab"]
    assert wait_for(lambda: all(file.is_file() and file.read_text() for file in files))
    parent.send_signal(number)
    assert parent.wait(30) == code
    for file in files:
        assert wait_for(lambda file=file: not alive(int(file.read_text())), 20)
    assert not (tmp_path / "c").exists()
    if number == signal.SIGINT:  # The parent tells them; otherwise they notice that it is gone.
        assert all((tmp_path / name / "cleaned").is_file() for name in "ab")


def test_a_program_from_standard_input_has_jobs(work, tmp_path):
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import work_of_jobs
from pathlib import Path
from anysense.runs.launching.job import Job
from anysense.runs.launching.launcher import run_jobs
from anysense.runs.launching.local import Local
jobs = [Job(str(number), Path({str(tmp_path)!r}) / str(number), work_of_jobs.double, number) for number in (1, 2)]
print([result["value"] for result in run_jobs(jobs, Local(2), "doubles")])
"""
    done = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[2, 4]\n"), done.stderr
