import os

import pytest
import torch

from anysense.common import machine
from anysense.common.machine import (
    describe_machine,
    machine_line,
    peak_memory,
    processors,
    resolve_device,
    thread_limit,
)


def test_devices():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("gpu", "cuda:99"):
        with pytest.raises(ValueError, match=rf"'auto', or what this machine has .cpu.*; got '{name}'"):
            resolve_device(name)


def test_threads_are_limited_inside_only():
    before = torch.get_num_threads()
    with thread_limit(before + 1):
        assert torch.get_num_threads() == before + 1
    with thread_limit(None):
        assert torch.get_num_threads() == before
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("group", "files", "expected"),
    [
        ("0::/", {}, 8),
        ("0::/", {"cpu.max": "max 100000"}, 8),
        ("0::/", {"cpu.max": "200000 100000"}, 2),
        ("0::/a/b", {"a/cpu.max": "150000 100000", "a/b/cpu.max": "max 100000"}, 2),
        ("0::/", {"cpu.max": "10000 100000"}, 1),
        ("3:cpu,cpuacct:/", {"cpu,cpuacct/cpu.cfs_quota_us": "300000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 3),
        ("3:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
    ],
)
def test_processors_heed_the_quota_of_control_groups(group, files, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{content}\n")
    read = machine._lines
    monkeypatch.setattr(machine, "_lines", lambda path: [group] if str(path) == "/proc/self/cgroup" else read(path))
    assert processors() == expected


def test_a_machine_is_described_in_a_line():
    assert machine_line({"cpu": "AMD EPYC", "cores": 1, "os": "Linux x86_64"}) == "AMD EPYC, 1 core, Linux x86_64"
    assert machine_line({"cpu": "A", "cores": 2, "os": "B", "gpu": "C"}) == "A, 2 cores, B, C"
    assert describe_machine()["cores"] == processors()
    assert peak_memory() > 2**20
