import importlib
import json
import os
import sys
import threading

import pytest

from anysense.common.files import write_text
from anysense.runs.comparisons import jobs
from anysense.runs.comparisons.jobs import Job, run_jobs, usual_jobs

WORK = """
import os, signal, sys

def double(number, folder):
    print("half way", file=sys.stderr)
    return {"value": 2 * number, "process": os.getpid()}

def killed(number, folder):
    os.kill(os.getpid(), signal.SIGKILL)
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

    def square(number, folder):
        done.append(number)
        if number < 0:
            raise ArithmeticError("no root")
        return {"value": number**2}

    return lambda number, **options: Job(f"job {number}", tmp_path / f"job{number}", square, number, **options)


def test_results_come_in_the_order_of_the_jobs(job, done):
    assert [result["value"] for result in run_jobs([job(3), job(1), job(2)], 1, "squares")] == [9, 1, 4]
    assert done == [3, 1, 2]


def test_no_jobs_have_no_results():
    assert run_jobs([], 1, "none") == []


def test_what_is_done_is_not_done_again(job, done, capsys):
    run_jobs([job(3), job(1)], 1, "squares")
    assert [result["value"] for result in run_jobs([job(5), job(1), job(3)], 1, "squares")] == [25, 1, 9]
    assert done == [3, 1, 5]
    assert "2 of 3 jobs were done before" in capsys.readouterr().err


def test_an_error_passes_through_and_the_finished_stay(job, done, tmp_path):
    with pytest.raises(ArithmeticError, match="no root"):
        run_jobs([job(2), job(-1), job(4)], 1, "squares")
    assert done == [2, -1]
    assert json.loads((tmp_path / "job2" / "result.json").read_text()) == {"value": 4}
    assert [job(number).done for number in (2, -1, 4)] == [True, False, False]


def test_a_result_that_json_cannot_hold_leaves_no_file(tmp_path):
    bad = Job("nan", tmp_path / "nan", lambda argument, folder: {"value": float("nan")}, None)
    with pytest.raises(ValueError, match="JSON compliant"):
        run_jobs([bad], 1, "nan")
    assert not bad.done


def test_spare_folders_go_when_the_job_is_done(job, tmp_path):
    for number in (2, -1):
        (tmp_path / f"job{number}" / "checkpoints").mkdir(parents=True)
    with pytest.raises(ArithmeticError):
        run_jobs([job(2, spare=("checkpoints", "never_made")), job(-1, spare=("checkpoints",))], 1, "squares")
    assert not (tmp_path / "job2" / "checkpoints").exists()
    assert (tmp_path / "job-1" / "checkpoints").is_dir()


@pytest.mark.parametrize("side_by_side", [0, -2])
def test_at_least_one_at_a_time(side_by_side, job, done):
    with pytest.raises(ValueError, match=f"`jobs` must be at least 1; got {side_by_side}"):
        run_jobs([job(1)], side_by_side, "squares")
    assert done == []


def test_usual_number_of_jobs(monkeypatch):
    for processors, expected in ((None, 1), (1, 1), (4, 4), (64, 8)):
        monkeypatch.setattr(jobs.os, "cpu_count", lambda count=processors: count)
        assert usual_jobs() == expected


def test_other_processes(work, tmp_path, capsys):
    some = [Job(f"double {number}", tmp_path / str(number), work.double, number) for number in (4, 5)]
    results = run_jobs(some, 2, "doubles")
    assert [result["value"] for result in results] == [8, 10]
    assert os.getpid() not in {result["process"] for result in results}
    assert "half way" not in capsys.readouterr().err
    assert [(tmp_path / str(number) / "log.txt").read_text() for number in (4, 5)] == ["half way\n", "half way\n"]
    bad = Job("killed", tmp_path / "killed", work.killed, 0)
    with pytest.raises(
        RuntimeError, match=r"A process of the run was killed.*Go on with --resume, with fewer `--jobs`"
    ):
        run_jobs([*some, bad], 2, "doubles")
    assert not bad.done


def test_a_process_whose_parent_is_gone_ends(monkeypatch):
    parents, ended, codes = iter([7, 7, 1]), threading.Event(), []

    def leave(code):
        codes.append(code)
        ended.set()

    monkeypatch.setattr(jobs.os, "getppid", lambda: next(parents))
    monkeypatch.setattr(jobs.os, "_exit", leave)
    monkeypatch.setattr(jobs.time, "sleep", lambda seconds: None)
    jobs._leave_with_parent(7)
    assert ended.wait(10)
    assert codes == [1]
    assert next(parents, "all asked") == "all asked"
