"""Launchers: which job gets which device, how jobs travel, what is refused, and jobs handed to submitit."""

import contextlib
import dataclasses
import importlib
import os
import pickle
import signal
import socket
import sys
import threading
import time

import pytest

from anysense.common.files import write_text
from anysense.runs.launching import ray_cluster
from anysense.runs.launching.devices import Devices, devices_of
from anysense.runs.launching.job import Job, WorkerLostError
from anysense.runs.launching.launcher import run_jobs
from anysense.runs.launching.local import Local
from anysense.runs.launching.processes import sendable
from anysense.runs.launching.ray_events import Events
from anysense.runs.launching.ray_options import RayOptions
from anysense.runs.launching.sharing import answer, answered, token_in
from anysense.runs.launching.slurm import Slurm, SlurmOptions
from anysense.runs.launching.worker import parcel_of, unpack

WORK = """
import os, signal, time

def where(number, folder, device):
    (folder / "below").mkdir(exist_ok=True)
    (folder / "below" / "table.csv").write_text("a,b\\n")
    return {"value": 2 * number, "device": device, "process": os.getpid()}

def wrong(number, folder, device):
    raise ValueError(f"`number` {number} is wrong")

def killed(number, folder, device):
    os.kill(os.getpid(), signal.SIGKILL)

def twice(number, folder, device):
    '''Waits to be interrupted the first time.'''
    (folder / f"start-{len(list(folder.glob('start-*')))}").write_text(str(os.getpid()))
    while len(list(folder.glob("start-*"))) < 2:
        time.sleep(0.05)
    return {"value": number}
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A module that other processes can import as well."""
    write_text(tmp_path / "work_of_launchers.py", WORK)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("work_of_launchers")
    sys.modules.pop("work_of_launchers")


@pytest.fixture
def jobs(work, tmp_path):
    """Makes so many jobs of one function."""

    def make(count, name="where"):
        function = getattr(work, name)
        return [Job(f"job {number}", tmp_path / "jobs" / str(number), function, number) for number in range(count)]

    return make


@pytest.mark.parametrize(
    ("device", "gpus", "expected"),
    [
        ("auto", 0, (["cpu"], None)),
        ("auto", 1, (["cuda:0"], 1)),
        ("cuda", 3, (["cuda:0", "cuda:1", "cuda:2"], 3)),
        ("cuda:1", 3, (["cuda:1"], None)),
        ("cpu", 3, (["cpu"], None)),
    ],
)
def test_devices_of_a_machine(device, gpus, expected):
    assert devices_of(device, gpus) == expected


def test_a_job_gets_the_device_that_is_free():
    devices = Devices(["cuda:0", "cuda:1", "cuda:2"])
    assert [devices.take() for _ in range(3)] == ["cuda:0", "cuda:1", "cuda:2"]
    devices.give_back("cuda:1")
    assert devices.take() == "cuda:1"
    assert [devices.take() for _ in range(3)] == ["cuda:0", "cuda:1", "cuda:2"]


def test_jobs_take_the_devices_in_turn(jobs, capsys):
    """Nothing runs on them here: the work only says what it was given."""
    results = run_jobs(jobs(4), Local(8, *devices_of("cuda", 2)), "devices")
    assert "4 jobs, 2 at a time" in capsys.readouterr().err
    assert [result["device"] for result in results[:2]] == ["cuda:0", "cuda:1"]
    assert {result["device"] for result in results} == {"cuda:0", "cuda:1"}


def test_files_of_a_job_come_back_where_its_folder_is_not_shared(jobs, tmp_path):
    (job,) = jobs(1)
    with token_in(tmp_path) as token:
        other = parcel_of(job, tmp_path, token, "cpu")
    files = dataclasses.replace(other, place=os.getcwd()).deliver(Job.run_apart)
    assert not job.folder.exists()
    assert set(files) == {"result.json", "log.txt", "below/table.csv"}
    unpack(files, job.folder)
    assert job.result()["value"] == 0
    assert (job.folder / "below" / "table.csv").read_bytes() == b"a,b\n"


def test_a_shared_folder_gets_the_files_itself(jobs, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (job,) = jobs(1)
    with token_in(tmp_path) as token:
        files = parcel_of(job, tmp_path, token, "cpu").deliver(Job.run_apart)
        assert answer(tmp_path, token, "node")
        assert answered(tmp_path, token, "node")
        assert not answered(tmp_path, token, "other")
        assert not answer(tmp_path, "another token", "node")
    assert list(files) == ["result.json"]
    assert job.done
    assert not list(tmp_path.glob(".token*"))


def test_no_file_leaves_the_folder_of_its_job(tmp_path):
    with pytest.raises(ValueError, match="is no file of the job"):
        unpack({"../out.txt": b"", "result.json": b"{}"}, tmp_path / "job")
    assert not list(tmp_path.iterdir())


def test_another_version_is_refused(jobs, tmp_path):
    (job,) = jobs(1)
    parcel = dataclasses.replace(parcel_of(job, tmp_path, "", "cpu"), version="9.9")
    with pytest.raises(RuntimeError, match=r"has anysense .*, and this machine 9\.9; the same version must"):
        parcel.deliver(Job.run_apart)
    assert not job.folder.exists()


def test_resources_of_a_job_on_ray(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    usual = RayOptions.of((), "auto", None)
    assert (usual.address, usual.resources) == ("head:6379", {"CPU": 1.0, "GPU": 0.0})
    assert RayOptions.of((), "cuda", 4).resources == {"CPU": 4.0, "GPU": 1.0}
    own = RayOptions.of(("address=auto", "gpus=0.5", "memory=4GB", "big=1"), "auto", None)
    assert own.address == "auto"
    assert own.remote() == {"num_cpus": 1.0, "num_gpus": 0.5, "memory": 4e9, "resources": {"big": 1.0}}
    assert own.places({"CPU": 8.0, "GPU": 2.0, "memory": 64e9, "big": 3.0}) == 3
    assert own.places({"CPU": 8.0, "GPU": 2.0, "memory": 64e9}) == 0


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("cpus=many", "`ray-option` cpus expected a number such as cpus=1, got 'many'"),
        ("memory=4PB", "expected a size such as memory=4GB, got '4PB'"),
        ("cpus=-1", "got -1"),
        ("cpus", "`ray-option` must be written key=value"),
        ("address=ray://head:10001", "is the address of a Ray client"),
    ],
)
def test_wrong_options_of_ray(option, message):
    with pytest.raises(ValueError, match=message):
        RayOptions.of((option,), "auto", None)


def test_a_head_that_does_not_answer_is_told_within_seconds(monkeypatch):
    monkeypatch.setattr(ray_cluster, "SECONDS_TO_ANSWER", 0.3)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(ConnectionError, match=f"no Ray head answers at {address} within 0.3 s"):
            ray_cluster._check_head(address)
        free.listen()
        with pytest.raises(ConnectionError, match="something else listens there"):
            ray_cluster._check_head(address)
    with pytest.raises(ValueError, match="expected the head of a Ray cluster as host:port, or auto; got 'head'"):
        ray_cluster._check_head("head")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--launcher", "rey"], "`launcher` must be one of 'local', 'ray', 'slurm'; got 'rey'. Did you mean 'ray'?"),
        (["--ray-option", "cpus=2"], "`ray-option` is an option of --launcher ray, and has no meaning for"),
        (["--launcher", "ray", "--slurm-option", "time=1"], "`slurm-option` is an option of --launcher slurm"),
        (["--launcher", "slurm"], "there is no `sbatch` here. `--slurm-option cluster=local` tries"),
        (["--launcher", "slurm", "--slurm-option", "cluster=here"], "must be one of 'slurm', 'local'; got 'here'"),
        (["--launcher", "ray"], "needs ray, which is not installed: pip install 'anysense[ray]'"),
    ],
)
def test_wrong_launchers_leave_nothing(options, message, tiny, tmp_path, capsys, monkeypatch):
    from anysense.runs.cli import main

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["classify", "--preset", "smoke", "--data", "tiny", "--out", str(tmp_path), *options]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_submitit_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ModuleNotFoundError, match=r"needs submitit, .*pip install 'anysense\[slurm\]'"):
        submitted()


@pytest.mark.parametrize("time_limit", ["0", "1-00:00:00"])
def test_the_time_limit_for_slurm_is_in_whole_minutes(time_limit):
    with pytest.raises(ValueError, match="`slurm-option time` must be a whole number of at least 1, got"):
        SlurmOptions.of((f"time={time_limit}",), "cpu", None)


def test_the_time_limit_holds_for_processes_of_this_machine(tmp_path):
    """The executor's own limit is two minutes."""
    executor = Slurm(SlurmOptions.of(("cluster=local", "time=90"), "cpu", None))._executor(tmp_path)
    assert executor._executor.parameters["timeout_min"] == 90


def test_training_on_a_machine_of_a_slurm_cluster_gives_no_advice(tiny, tmp_path, monkeypatch):
    """Where `srun` is found Lightning would have it used; warnings are errors here."""
    from anysense.runs.cli import main

    program = tmp_path / "bin" / "srun"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("anysense.runs.comparisons.report.write_figure", lambda draw, path: None)
    options = ["--methods", "gmc", "--seeds", "1", "--out", str(tmp_path), "--jobs", "1"]
    assert main(["classify", "--preset", "smoke", "--data", "tiny", *options]) == 0


def submitted(jobs=2):
    return Slurm(SlurmOptions.of(("cluster=local",), "cpu", None), jobs, "cpu")


def test_parameters_for_slurm():
    options = SlurmOptions.of(("partition=gpu", "time=60", "reservation=mine", "mem_gb=4"), "cuda", 2)
    assert options.parameters(3) == {
        "slurm_partition": "gpu", "timeout_min": 60, "mem_gb": 4, "cpus_per_task": 2, "gpus_per_node": 1,
        "slurm_array_parallelism": 3, "slurm_additional_parameters": {"requeue": True, "reservation": "mine"},
    }  # fmt: skip


def test_jobs_by_submitit(jobs, capsys):
    results = run_jobs(jobs(3), submitted(), "jobs")
    assert [(result["value"], result["device"]) for result in results] == [(0, "cpu"), (2, "cpu"), (4, "cpu")]
    assert os.getpid() not in {result["process"] for result in results}
    assert "3 jobs, 2 at a time" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [("wrong", ValueError, "`number` 0 is wrong"), ("killed", RuntimeError, "ended before it was done; see .*err")],
)
def test_jobs_that_fail_in_submitit(name, kind, message, jobs):
    with pytest.raises(kind, match=message):
        run_jobs(jobs(1, name), submitted(), "jobs")


def test_a_job_that_is_preempted_is_queued_again(jobs, monkeypatch):
    (job,) = jobs(1, "twice")

    def preempt():
        first = job.folder / "start-0"
        while not (first.is_file() and first.read_text()):
            time.sleep(0.05)
        os.kill(int(first.read_text()), signal.SIGUSR2)

    preempting = threading.Thread(target=preempt)
    preempting.start()
    assert run_jobs([job], submitted(), "jobs") == [{"value": 0}]
    preempting.join()
    assert len(list(job.folder.glob("start-*"))) == 2


def test_what_ray_prints_of_its_nodes_is_one_sentence_on_stderr(capsys):
    with contextlib.redirect_stdout(Events(sys.stdout)):
        print("\x1b[33m(raylet)\x1b[0m Task deliver failed. There are 10 retries remaining.\n    [state-dump] 3 total")
        print("(raylet, ip=10.0.0.2) The node 10.0.0.2 has been marked dead\n\tbecause it is slow")
        print("| a table |")
        print()
    printed = capsys.readouterr()
    assert printed.out == "| a table |\n\n"
    assert printed.err == "Ray: Task deliver failed\nRay: The node 10.0.0.2 has been marked dead\n"


def test_that_a_worker_was_killed_is_known_in_other_processes_too(tmp_path):
    job = Job("one", tmp_path, print, 3)
    there = pickle.loads(pickle.dumps(sendable(WorkerLostError("It was killed.", job))))
    assert (type(there), str(there), there.job) == (WorkerLostError, "It was killed.", job)
