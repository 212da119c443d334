"""Two processes that train together compute what one process computes of the joint batch: loss and gradients."""

import os
import socket
import subprocess
import sys

import pytest
import torch

from anysense.representations.data import Samples
from anysense.representations.training.loader import BatchLoader
from anysense.representations.training.shared import check_devices
from tests.representations.training.shared_training import CASES, MODALITIES, steps


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Alone, and what each of two processes has found."""
    folder = tmp_path_factory.mktemp("shared")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    own = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    own |= {"GROUP_RANK": "0", "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "test"}
    running = []
    for rank in "01":
        command = [sys.executable, "-m", "tests.representations.training.shared_training", str(folder / rank)]
        env = os.environ | own | {"RANK": rank, "LOCAL_RANK": rank}
        running.append(subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True))
    alone = steps()
    for one in running:
        _, error = one.communicate(timeout=240)
        assert one.returncode == 0, error
    return alone, [torch.load(folder / rank, weights_only=True) for rank in "01"]


@pytest.mark.parametrize("case", CASES)
def test_losses_and_gradients_are_those_of_the_joint_batch(found, case):
    alone, processes = found
    assert alone[case][""] > 0.1
    mean = torch.stack([process[case].pop("") for process in processes]).mean()  # Weighted by the sizes of the shares.
    torch.testing.assert_close(mean, alone[case].pop(""), rtol=1e-4, atol=1e-6)
    for process in processes:
        assert process[case].keys() == alone[case].keys()
        for name, expected in alone[case].items():
            torch.testing.assert_close(process[case][name], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("devices", "device", "batch_size", "message"),
    [
        (0, "cpu", 8, "`devices` must be at least 1, got 0"),
        (3, "cpu", 5, "`batch_size` 5 is what all 3 devices do in one step, .* expected at least 6"),
        (2, "cuda:1", 8, "`devices` 2 takes the first 2 GPUs; this machine has 2, and `device` is cuda:1"),
        (3, "cuda:0", 8, "`devices` 3 takes the first 3 GPUs; this machine has 2"),
    ],
)
def test_devices_that_cannot_share_a_training_are_refused(devices, device, batch_size, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=message):
        check_devices(devices, torch.device(device), batch_size)


def test_weights_of_shares_make_the_mean_over_processes_that_over_the_batch():
    values = torch.randn(11, generator=torch.Generator().manual_seed(0))
    data = Samples(MODALITIES, {name: torch.zeros(11, 3) for name in MODALITIES})
    for number, batch in enumerate((values[:4], values[4:])):  # A last batch of three is too small for three processes.
        means = []
        for rank in range(3):
            loader = BatchLoader(data, 4, 0)
            loader.share = (rank, 3)
            means.append(loader.weight(number) * batch[rank::3].mean())
        torch.testing.assert_close(torch.stack(means).mean(), batch.mean())
