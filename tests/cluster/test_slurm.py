"""Jobs by submitit: on processes of this machine, and by a real SLURM of one node where it is installed."""

import importlib
import os
import signal
import subprocess
import sys
import threading

import pytest

from anysense.runs.cli import main
from anysense.runs.launching import slurm_queue
from anysense.runs.launching.job import Job
from anysense.runs.launching.launcher import run_jobs
from anysense.runs.launching.slurm import Slurm, SlurmOptions

from .conftest import found, wait_until
from .slurm_of_one_node import NoSlurmError, slurm_of_one_node

LOCAL = ("--launcher", "slurm", "--slurm-option", "cluster=local")
WORK = """
import time

def held(hold, folder, device):
    (folder / "begun").touch()
    while hold.exists():
        time.sleep(0.05)
    return {"name": folder.name}
"""
DRIVER = """
import importlib, pathlib, sys
from anysense.runs.launching.job import Job
from anysense.runs.launching.launcher import run_jobs
from anysense.runs.launching.slurm import Slurm, SlurmOptions
jobs, hold = map(pathlib.Path, sys.argv[1:])
work = importlib.import_module("held_work").held
run_jobs([Job(name, jobs / name, work, hold) for name in "ab"], Slurm(SlurmOptions.of((), "cpu", 1)), "held")
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A SLURM of one node, which the commands of SLURM in this process and its children find."""
    with pytest.MonkeyPatch.context() as patch:
        try:
            with slurm_of_one_node(tmp_path_factory.mktemp("slurm")) as path:
                patch.setenv("SLURM_CONF", str(path))
                yield
        except NoSlurmError as error:
            pytest.skip(str(error))


@pytest.fixture
def hold(tmp_path, monkeypatch):
    """A file that jobs wait for to go; it is gone after the test in any case."""
    path = tmp_path / "hold"
    path.touch()
    monkeypatch.setenv("ANYSENSE_TEST_HOLD", str(path))
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def held(tmp_path, hold, monkeypatch):
    """Two jobs that wait for the file to go, of a module that other processes find as well."""
    (tmp_path / "held_work.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    work = importlib.import_module("held_work").held
    yield [Job(name, tmp_path / "jobs" / name, work, hold) for name in "ab"]
    sys.modules.pop("held_work")


@pytest.fixture
def quickly(monkeypatch):
    """Ask SLURM often, and do not wait for files on slow disks."""
    monkeypatch.setattr(slurm_queue, "SECONDS_BETWEEN_QUESTIONS", 0.5)
    monkeypatch.setattr(slurm_queue, "SECONDS_TO_ARRIVE", 2.0)


def begun(jobs):
    """How often each job has begun to read its data."""
    return [log.read_text().count("reading") for log in sorted(jobs.glob("gmc-?/log.txt"))]


def asked(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def in_the_middle(jobs, hold, count, interrupt):
    """A thread that interrupts the first job when all have begun, and lets all go on when it has begun again."""

    def run():
        try:
            wait_until(lambda: begun(jobs) == [1] * count)
            interrupt()
            wait_until(lambda: begun(jobs) == [2] + [1] * (count - 1))
        finally:
            hold.unlink()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_job_that_is_preempted_goes_on_and_finds_what_the_local_launcher_finds(classify, hold, tmp_path, monkeypatch):
    """With processes of this machine."""
    jobs = tmp_path / "classify" / "tried" / "jobs"

    def preempt():
        owner = (jobs / "gmc-0" / ".owner.json").read_text()
        os.kill(int(owner.partition('"pid": ')[2].partition(",")[0]), signal.SIGUSR2)

    thread = in_the_middle(jobs, hold, 1, preempt)
    with monkeypatch.context() as patch:
        patch.setattr("anysense.runs.commands.classify.checked", lambda command, settings: (settings, ()))
        run = classify("tried", *LOCAL, "--seeds", "1")
    thread.join()
    assert found(run) == found(classify("local", "--jobs", "1", "--seeds", "1"))


def test_what_a_killed_driver_began_goes_on_by_the_local_launcher(classify, readings, tmp_path):
    """A fresh process; its job is still at work when the run goes on, and its end is awaited."""
    run, command = tmp_path / "classify" / "killed", [sys.executable, "-m", "anysense", "classify", *LOCAL]
    options = ["--data", "readings", "--preset", "smoke", "--out", str(tmp_path), "--name", "killed", "--seeds", "1"]
    later = tmp_path / "later"
    environment = {**os.environ, "PYTHONPATH": str(readings), "ANYSENSE_TEST_HOLD": str(later)}
    driver = subprocess.Popen([*command, *options], env=environment)
    try:
        wait_until((run / "jobs").exists)  # The driver itself reads the data before.
        later.touch()
        wait_until(lambda: begun(run / "jobs") == [1])
        driver.kill()
        driver.wait()
    finally:
        later.unlink(missing_ok=True)
    assert main(["classify", "--resume", "--out", str(tmp_path), "--jobs", "1"]) == 0
    assert begun(run / "jobs") == [1]
    assert found(run) == found(classify("local", "--jobs", "1", "--seeds", "1"))


def test_a_job_array_of_slurm_finds_what_the_local_launcher_finds(slurm, classify, hold, tmp_path, monkeypatch):
    """One of two jobs is taken from its node in the middle, and queued again."""
    jobs = tmp_path / "classify" / "slurm" / "jobs"

    def requeue():
        name = asked("squeue", "--noheader", "--array", "--format=%i").split()[0].partition("_")[0] + "_0"
        asked("scontrol", "requeue", name)
        wait_until(lambda: "PENDING" in asked("squeue", "--noheader", "--array", "--format=%T"))
        asked("scontrol", "update", f"JobId={name}", "StartTime=now")  # SLURM would wait for two minutes

    thread = in_the_middle(jobs, hold, 2, requeue)
    with monkeypatch.context() as patch:
        patch.setattr("anysense.runs.commands.classify.checked", lambda command, settings: (settings, ()))
        run = classify("slurm", "--launcher", "slurm", "--seeds", "2")
    thread.join()
    assert found(run) == found(classify("local", "--jobs", "1", "--seeds", "2"))
    wait_until(lambda: not asked("squeue", "--noheader"))


def test_a_killed_driver_leaves_the_array_which_the_next_one_finds_again(slurm, held, hold, tmp_path, capsys):
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path / "jobs"), str(hold)])
    try:
        wait_until(lambda: len(list(tmp_path.glob("jobs/*/begun"))) == 2)
        driver.kill()
        driver.wait()
        before = asked("squeue", "--noheader", "--array", "--format=%i")
        letting = threading.Timer(1.0, hold.unlink)
        letting.start()
        assert run_jobs(held, Slurm(SlurmOptions.of((), "cpu", 1)), "held") == [{"name": "a"}, {"name": "b"}]
        letting.join()
    finally:
        driver.kill()
        hold.unlink(missing_ok=True)
    said = capsys.readouterr().err
    assert all(f"is in the queue of SLURM since before, as {name}" in said for name in before.split())
    assert len(list((tmp_path / "jobs" / "slurm").glob("*_submission.sh"))) == 1


def test_a_job_that_is_cancelled_in_slurm_ends_the_run_and_the_others(slurm, held, tmp_path, quickly):
    """Without accounting, `squeue` says so."""

    def cancel():
        wait_until(lambda: len(list(tmp_path.glob("jobs/*/begun"))) == 2)
        asked("scancel", asked("squeue", "--noheader", "--array", "--format=%i").split()[0])

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(RuntimeError, match=r"\(SLURM \d+_\d, CANCELLED\) ended before it was done; see .*err"):
        run_jobs(held, Slurm(SlurmOptions.of((), "cpu", 1)), "held")
    thread.join()
    wait_until(lambda: not asked("squeue", "--noheader"))


def test_what_sbatch_refuses_is_passed_on(slurm, held):
    with pytest.raises(RuntimeError, match="invalid partition specified: nowhere"):
        run_jobs(held, Slurm(SlurmOptions.of(("partition=nowhere",), "cpu", 1)), "held")
