"""Jobs on a real Ray cluster of two nodes on this machine."""

import importlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'anysense[ray]'")

from ray.cluster_utils import Cluster  # noqa: E402

from anysense import __version__  # noqa: E402
from anysense.runs.cli import main  # noqa: E402
from anysense.runs.launching.job import Job  # noqa: E402
from anysense.runs.launching.launcher import run_jobs  # noqa: E402
from anysense.runs.launching.ray_cluster import QUIET, RayCluster  # noqa: E402
from anysense.runs.launching.ray_options import RayOptions  # noqa: E402
from anysense.runs.lock import locked  # noqa: E402

from .conftest import SECONDS_TO_START, found, wait_until  # noqa: E402

BLIND = """
import pathlib

read_text = pathlib.Path.read_text
def read(path, *rest, **named):
    return read_text(path / "hidden" if path.name == ".token" else path, *rest, **named)
pathlib.Path.read_text = read
"""
TABLES = """
def write(number, folder, device):
    (folder / "below").mkdir()
    (folder / "below" / "table.csv").write_text(f"number\\n{number}\\n")
    return {"number": number, "place": str(folder)}
"""
SEARCH = """
import sys
from anysense.runs.cli import main
from anysense.runs.tuning.on_data import TuneOnData

TuneOnData.check = lambda self: None
raise SystemExit(main(sys.argv[1:]))
"""
"""A driver that does not read the data itself, so that trials alone are held."""
HEAD = {"num_cpus": 1, "include_dashboard": False, "include_log_monitor": False, "no_monitor": True}


@pytest.fixture(scope="module")
def cluster():
    """A cluster whose head has one processor; where it is."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUIET.items():
            patch.setenv(name, value)
        one = Cluster(initialize_head=True, head_node_args=HEAD)
        patch.setenv("RAY_ADDRESS", one.address)
        yield one
        one.shutdown()


@pytest.fixture
def add_node(cluster):
    """Adds a node with one processor, which the cluster knows then; it is gone, and known to be, after the test."""
    added = []

    def add(**settings):
        added.append(cluster.add_node(num_cpus=1, **settings))
        cluster.wait_for_nodes(timeout=SECONDS_TO_START)
        return added[-1]

    yield add
    for node in added:
        if node in cluster.worker_nodes:
            cluster.remove_node(node)
    cluster.wait_for_nodes(timeout=SECONDS_TO_START)


def described(folder, version):
    """A folder that holds the description of an installed package of this version."""
    about = folder / f"anysense-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: anysense\nVersion: {version}\n")
    return folder


def free(folder) -> bool:
    """Whether no process works on a job: the system takes the lock from one that has ended."""
    try:
        with locked(folder):
            return True
    except FileExistsError:
        return False


def test_jobs_of_a_lost_node_start_again_and_find_what_the_local_launcher_finds(
    cluster, add_node, classify, tmp_path, monkeypatch, capsys
):
    """Both are in the middle when the node of one goes, and the other goes on only once that one's process is gone."""
    node, jobs, hold = add_node(), tmp_path / "classify" / "ray" / "jobs", tmp_path / "hold"

    def begun():
        return [log.read_text().count("reading") for log in sorted(jobs.glob("gmc-?/log.txt"))]

    def end():
        try:
            wait_until(lambda: begun() == [1, 1])
            cluster.remove_node(node, allow_graceful=False)
            wait_until(lambda: any(free(log.parent) for log in jobs.glob("gmc-?/log.txt")))
        finally:
            hold.unlink()

    ending = threading.Thread(target=end)
    with monkeypatch.context() as patch:
        patch.setenv("ANYSENSE_TEST_HOLD", str(hold))
        patch.setattr("anysense.runs.commands.classify.checked", lambda command, settings: (settings, ()))
        hold.touch()
        ending.start()
        run = classify("ray", "--launcher", "ray", "--seeds", "2")
    ending.join()
    assert sorted(begun()) == [1, 2]
    said = capsys.readouterr().err
    assert "2 jobs, 2 at a time" in said
    assert "seed 1: done (" in said
    assert found(run) == found(classify("local", "--jobs", "1", "--seeds", "2"))
    assert not list(jobs.glob(".token*"))


def test_a_search_that_lost_a_node_and_its_driver_goes_on_with_the_trials_that_it_would_have_had(
    add_node, cluster, readings, tmp_path, monkeypatch
):
    node, jobs, hold = add_node(), tmp_path / "tune" / "ray" / "jobs", tmp_path / "hold"
    own = ("--data", "readings", "--preset", "smoke", "--methods", "gmc", "--space", "temperature=0.1..1")
    options = ("--trials", "3", "--out", str(tmp_path))

    def begun():
        return [log.read_text().count("reading") for log in sorted(jobs.glob("gmc-?/log.txt"))]

    def results(run):
        found = [
            json.loads((tmp_path / "tune" / run / "jobs" / f"gmc-{n}" / "result.json").read_text()) for n in range(3)
        ]
        return [(one["values"], one["value"], one["records"]) for one in found]

    hold.touch()
    environment = {**os.environ, "ANYSENSE_TEST_HOLD": str(hold), "PYTHONPATH": str(readings)}
    command = [sys.executable, "-c", SEARCH, "tune", *own, *options, "--name", "ray", "--launcher", "ray"]
    with (tmp_path / "printed").open("wb") as printed:
        driver = subprocess.Popen(command, env=environment, stdout=printed)
    try:
        wait_until(lambda: begun() == [1, 1])
        cluster.remove_node(node, allow_graceful=False)
        wait_until(lambda: any(free(log.parent) for log in jobs.glob("gmc-?/log.txt")))
        driver.kill()
        driver.wait()
        wait_until(lambda: all(free(log.parent) for log in jobs.glob("gmc-?/log.txt")))
    finally:
        driver.kill()
        hold.unlink()
    assert (tmp_path / "printed").read_text() == ""
    monkeypatch.setattr("anysense.runs.comparisons.report.write_run_report", lambda report, run, docs: None)
    assert main(["tune", "--resume", "--name", "ray", "--launcher", "ray", *options]) == 0
    assert begun() == [2, 2, 1]
    assert main(["tune", *own, *options, "--name", "local", "--jobs", "1"]) == 0
    assert results("ray") == results("local")


def test_files_come_back_from_a_node_that_does_not_share_the_folder(add_node, readings, tmp_path, capsys):
    """The node sees no token; a resource that only it has takes the jobs there."""
    (tmp_path / "blind").mkdir()
    (tmp_path / "blind" / "sitecustomize.py").write_text(BLIND)
    add_node(resources={"apart": 1}, env_vars={"PYTHONPATH": str(tmp_path / "blind")})
    (readings / "tables.py").write_text(TABLES)
    work, folder = importlib.import_module("tables").write, tmp_path / "jobs"
    jobs = [Job(f"job {number}", folder / str(number), work, number) for number in range(2)]
    options = RayOptions.of(("apart=1",), "cpu", 1)
    found = run_jobs(jobs, RayCluster(options, device="cpu"), "tables")
    said = capsys.readouterr().err
    assert f"does not share `{folder}`: its results come back when they are complete" in said
    assert "2 jobs, 1 at a time" in said
    assert [result["number"] for result in found] == [0, 1]
    assert all(Path(result["place"]).parent != folder for result in found)
    assert [(job.folder / "below" / "table.csv").read_text() for job in jobs] == ["number\n0\n", "number\n1\n"]


def test_a_node_of_another_version_is_refused_and_the_run_goes_on_elsewhere(
    add_node, classify, tmp_path, monkeypatch, capsys
):
    """The node finds version 9.9 first, although the driver's folder, which Ray puts before it, has this one."""
    monkeypatch.chdir(described(tmp_path / "here", __version__))
    add_node(env_vars={"PYTHONPATH": str(described(tmp_path / "other", "9.9"))})
    with pytest.raises(AssertionError):
        classify("other", "--launcher", "ray", "--seeds", "1")
    assert f"has anysense 9.9, and this machine {__version__}; the same version must" in capsys.readouterr().err
    assert not list((tmp_path / "classify" / "other").glob("jobs/*/result.json"))
    assert main(["classify", "--resume", "--out", str(tmp_path), "--jobs", "1"]) == 0
    assert list(found(tmp_path / "classify" / "other")) == ["gmc-0"]
