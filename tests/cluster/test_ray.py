"""Jobs on a real Ray cluster of two nodes on this machine."""

import threading
import time

import pytest

ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'anysense[ray]'")

from ray.cluster_utils import Cluster  # noqa: E402

from anysense.runs.cli import main  # noqa: E402
from anysense.runs.launching.ray_cluster import QUIET  # noqa: E402

from .conftest import found  # noqa: E402


@pytest.fixture(scope="module")
def cluster():
    """A cluster whose head has one processor; where it is."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUIET.items():
            patch.setenv(name, value)
        one = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        patch.setenv("RAY_ADDRESS", one.address)
        yield one
        one.shutdown()


def test_jobs_of_a_lost_node_start_again_and_find_what_the_local_launcher_finds(
    cluster, classify, tmp_path, monkeypatch, capsys
):
    """Both are in the middle when the node of one goes."""
    node, jobs, hold = cluster.add_node(num_cpus=1), tmp_path / "classify" / "ray" / "jobs", tmp_path / "hold"

    def end():
        while "".join(log.read_text() for log in jobs.glob("*/log.txt")).count("reading") < 2:
            time.sleep(0.02)
        cluster.remove_node(node, allow_graceful=False)
        hold.unlink()

    ending = threading.Thread(target=end)
    with monkeypatch.context() as patch:
        patch.setenv("ANYSENSE_TEST_HOLD", str(hold))
        patch.setattr("anysense.runs.commands.classify.checked", lambda command, settings: (settings, ()))
        hold.touch()
        ending.start()
        run = classify("ray", "--launcher", "ray", "--seeds", "2")
    ending.join()
    begun = [(jobs / name / "log.txt").read_text().count("reading") for name in ("gmc-0", "gmc-1")]
    assert sorted(begun) == [1, 2]
    said = capsys.readouterr().err
    assert "2 jobs, 2 at a time" in said
    assert "seed 1: done (" in said
    assert found(run) == found(classify("local", "--jobs", "1", "--seeds", "2"))
    assert not list(jobs.glob(".token*"))


def test_a_node_of_another_version_is_refused_and_the_run_goes_on_elsewhere(cluster, classify, tmp_path, capsys):
    """The node finds the description of an installed package of version 9.9 first."""
    about = tmp_path / "other" / "anysense-9.9.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: anysense\nVersion: 9.9\n")
    node = cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(about.parent)})
    try:
        with pytest.raises(AssertionError):
            classify("other", "--launcher", "ray", "--seeds", "1")
        assert "has anysense 9.9, and this machine 0.1.0; the same version must" in capsys.readouterr().err
        run = tmp_path / "classify" / "other"
        assert not list(run.glob("jobs/*/result.json"))
    finally:
        cluster.remove_node(node)
    assert main(["classify", "--resume", "--out", str(tmp_path), "--jobs", "1"]) == 0
    assert list(found(run)) == ["gmc-0"]
