"""What a program has set in torch, or asks of it, changes no representation: stored dtypes win, devices are checked."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from anysense.common.machine import resolve_device
from anysense.representations import Modality, build, load_representation, save_representation
from anysense.representations.data import Samples
from anysense.representations.training import PretrainSettings, pretrain

PROGRAM = """
import hashlib, sys
from pathlib import Path

import numpy as np
import torch

from anysense.representations import Modality, build, load_representation
from anysense.representations.data import Samples
from anysense.representations.data.samples import Splits
from anysense.representations.evaluation.probe import fit_ridge, r2_score
from anysense.representations.evaluation.tasks import Classification, Retrieval
from anysense.representations.training import PretrainSettings, pretrain

shapes, rng = {"walk": (6, 3), "touch": (2,)}, np.random.default_rng(0)
known = {name: Modality(name, shape, "float32", -1.0, 1.0) for name, shape in shapes.items()}
values = {name: rng.uniform(-1, 1, (24, *shape)).astype("f4") for name, shape in shapes.items()}
settings = PretrainSettings(epochs=1, batch_size=8, precision="32", device="cpu")


def work(folder):
    digest = hashlib.sha256()
    samples = Samples(known, values, masks={"touch": np.arange(24) % 5 > 0})
    for method in ("gmc", "mmvae"):
        pretrain(build(method, known), *samples.split(0.25, 0), settings, folder / method)
        loaded = load_representation(folder / method / "representation")
        latents = loaded.encode(samples.observation(range(24)), samples.present(range(24)))
        decoded = loaded.decode(latents).values() if method == "mmvae" else ()
        for value in (*loaded.state_dict().values(), latents, *decoded):
            digest.update(f"{value.dtype} {value.device}".encode() + value.numpy().tobytes())
    classes = Samples(known, values, np.arange(24) % 3)
    for task in (Classification(), Retrieval()):
        found = task.evaluate(loaded, Splits(classes, classes, classes), task.settings("smoke"), 0)
        digest.update(repr(found).encode())
    fitted = fit_ridge(latents, latents[:, :2]).predict(latents)
    for value in (fitted, r2_score(fitted, latents[:, :2])):
        digest.update(f"{value.dtype} {value.device}".encode() + value.numpy().tobytes())
    return digest.hexdigest()


folder = Path(sys.argv[1])
print(work(folder / "usual"))
torch.set_default_dtype(torch.float64)
print(work(folder / "dtype"))
torch.set_default_device("meta")
print(work(folder / "both"))
assert torch.zeros(()).dtype == torch.float64 and torch.zeros(()).device.type == "meta"
"""
KNOWN = {"touch": Modality("touch", (2,), "float32")}


def test_default_dtype_and_device_of_a_program_change_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error::UserWarning:torch", "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    digests = done.stdout.split()
    assert (done.returncode, len(digests), len(set(digests))) == (0, 3, 1), done.stderr


@pytest.mark.parametrize("device", ["mps", "tpu", "", "meta", "cuda:99", "CPU", "cpu:1"])
def test_devices_that_are_not_there_are_named(device: str, tmp_path: Path) -> None:
    message = rf"`device` must be 'auto', or what this machine has .cpu.*; got '{device}'"
    representation = build("gmc", KNOWN)
    save_representation(representation, tmp_path / "saved")
    data = Samples(KNOWN, {"touch": torch.zeros(4, 2)})
    with pytest.raises(ValueError, match=message):
        load_representation(tmp_path / "saved", device)
    with pytest.raises(ValueError, match=message):
        pretrain(representation, data, data, PretrainSettings(device=device), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", torch.device("cuda", 1), torch.device("cuda")])
def test_no_gpu(device: str | torch.device) -> None:
    with pytest.raises(ValueError, match=r"`device` must be 'auto', or what this machine has .cpu.; got 'cuda:[01]'"):
        resolve_device(device)


def test_weights_without_memory_are_refused(tmp_path: Path) -> None:
    representation = build("gmc", KNOWN).to("meta")
    data = Samples(KNOWN, {"touch": torch.zeros(4, 2)})
    with pytest.raises(ValueError, match=r"`device` must be .*; got 'meta'"):
        representation.encode({"touch": torch.zeros(4, 2, device="meta")})
    with pytest.raises(ValueError, match=r"`device` must be .*; got 'meta'"):
        pretrain(representation, data, data, PretrainSettings(), tmp_path / "run")
