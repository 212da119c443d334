"""Two processes that train together compute what one process computes of the joint batch: loss and gradients."""

import os
import socket
import subprocess
import sys

import pytest
import torch

from tests.representations.training.shared_training import CASES, steps


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
    for process in processes:
        assert process[case].keys() == alone[case].keys()
        for name, expected in alone[case].items():
            torch.testing.assert_close(process[case][name], expected, rtol=1e-4, atol=1e-6)
