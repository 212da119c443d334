"""Saved representations: complete, atomic, and every kind of damage has its own message."""

import hashlib
import json
import math
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from anysense.representations import (
    FileFormatError,
    Modality,
    Representation,
    build,
    load_representation,
    save_representation,
)
from anysense.representations.methods.gmc import GMCSettings
from anysense.representations.networks.catalogue import networks
from tests.representations.models import preset_model

SMALL = {"name": "touch", "shape": [3], "dtype": "float32", "low": 0.0, "high": 1.0}
GENERIC: dict[str, Any] = {"family": "generic", "settings": {}}
WEIGHTS, DESCRIPTION = "representation.safetensors", "representation.json"


@pytest.fixture
def representation(pendulum_modalities: dict[str, Modality]) -> Representation:
    return preset_model("gmc", pendulum_modalities, "smoke", seed=1)


@pytest.fixture
def saved(representation: Representation, tmp_path: Path) -> Path:
    folder = tmp_path / "new" / "folder"
    save_representation(representation, folder)
    return folder


def describe(folder: Path, **changes: Any) -> None:
    """Changes entries of the description; `Ellipsis` removes one."""
    path = folder / DESCRIPTION
    description = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in description.items() if value is not ...}))


def replace_weights(folder: Path, weights: dict[str, Tensor]) -> None:
    content = safetensors.torch.save(weights)
    (folder / WEIGHTS).write_bytes(content)
    describe(folder, weights_sha256=hashlib.sha256(content).hexdigest())


def test_folder_holds_two_files_and_no_pickle(saved: Path) -> None:
    assert {path.name for path in saved.iterdir()} == {WEIGHTS, DESCRIPTION}
    description = json.loads((saved / DESCRIPTION).read_text())
    assert description["format"] == "anysense-representation"
    assert description["format_version"] == 3
    assert description["method"] == "gmc"
    assert description["weights_sha256"] == hashlib.sha256((saved / WEIGHTS).read_bytes()).hexdigest()
    assert [modality["name"] for modality in description["modalities"]] == ["image", "sound"]


def test_loaded_is_frozen_and_touches_no_generator(saved: Path, representation: Representation) -> None:
    state = torch.random.get_rng_state()
    loaded = load_representation(str(saved))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not any(module.training for module in loaded.modules())
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert representation.training
    for name, tensor in representation.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


def test_loads_onto_a_device(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anysense.representations.files.resolve_device", torch.device)
    assert load_representation(saved, device="meta").device.type == "meta"


@pytest.mark.parametrize("device", ["", "x", "meta", "cuda:99", "mps", 5, torch.device("meta")])
def test_a_device_that_is_not_there_is_refused(saved: Path, device: Any) -> None:
    with pytest.raises(ValueError, match="`device` must be 'auto', or what this machine has"):
        load_representation(saved, device)


def test_what_is_no_folder_of_a_representation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="`folder` must be a path, got 5"):
        load_representation(5)  # type: ignore[arg-type]
    with pytest.raises(OSError, match=r"x/representation.json"):
        load_representation(tmp_path / ("x" * 300))


def test_saving_again_replaces(saved: Path, pendulum_modalities: dict[str, Modality]) -> None:
    other = preset_model("gmc", pendulum_modalities, "smoke", latent_dim=3)
    save_representation(other, saved)
    assert load_representation(saved).latent_dim == 3
    assert {path.name for path in saved.iterdir()} == {WEIGHTS, DESCRIPTION}


@pytest.mark.parametrize("survived", [0, 1, 2, 3])
def test_a_kill_while_saving_loses_nothing(
    saved: Path,
    pendulum_modalities: dict[str, Modality],
    monkeypatch: pytest.MonkeyPatch,
    survived: int,
) -> None:
    """The process dies at the renaming after ``survived`` ones; afterwards the old or the new one loads whole."""
    other = preset_model("gmc", pendulum_modalities, "smoke", latent_dim=3)
    real, done = os.replace, []

    def replace(source: Path, target: Path) -> None:
        if len(done) == survived:
            raise KeyboardInterrupt
        done.append(target)
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        try:
            save_representation(other, saved)
        except KeyboardInterrupt:
            assert survived < 3
    assert load_representation(saved).latent_dim == (8 if survived < 2 else 3)
    save_representation(other, saved)
    assert {path.name for path in saved.iterdir()} == {WEIGHTS, DESCRIPTION}


def test_missing_folder_and_files(saved: Path, tmp_path: Path) -> None:
    for wrong in (tmp_path / "nowhere", saved / WEIGHTS):
        with pytest.raises(
            FileNotFoundError, match=r"representation\.json` does not exist; expected the folder of a sav"
        ):
            load_representation(wrong)
    (saved / WEIGHTS).unlink()
    with pytest.raises(FileNotFoundError, match=r"representation\.safetensors` is missing, but .*; copy the"):
        load_representation(saved)
    (saved / DESCRIPTION).unlink()
    with pytest.raises(
        FileNotFoundError, match=r"representation\.json` does not exist; expected the folder of a saved rep"
    ):
        load_representation(saved)


def test_truncated_or_altered_weights(saved: Path) -> None:
    content = (saved / WEIGHTS).read_bytes()
    altered = bytearray(content)
    altered[-5] ^= 1
    for damaged in (content[:-10], bytes(altered), b""):
        (saved / WEIGHTS).write_bytes(damaged)
        with pytest.raises(FileFormatError, match=r"safetensors` is truncated or altered: its SHA-256"):
            load_representation(saved)


def test_weights_of_another_format(saved: Path) -> None:
    (saved / WEIGHTS).write_bytes(b"no tensors")
    describe(saved, weights_sha256=hashlib.sha256(b"no tensors").hexdigest())
    with pytest.raises(FileFormatError, match=r"representation\.safetensors` is damaged: .*header"):
        load_representation(saved)


def test_damaged_description(saved: Path) -> None:
    text = (saved / DESCRIPTION).read_text()
    (saved / DESCRIPTION).write_text(text[:50])
    with pytest.raises(FileFormatError, match=r"representation\.json` is damaged: not valid JSON"):
        load_representation(saved)
    (saved / DESCRIPTION).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileFormatError, match=r"representation\.json` is damaged: not valid JSON"):
        load_representation(saved)
    for other in ("[]", '{"format": "something"}', "5"):
        (saved / DESCRIPTION).write_text(other)
        with pytest.raises(FileFormatError, match=r"does not describe a saved representation.*'anysense-represent"):
            load_representation(saved)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, r"has format version 2; this release of anysense reads version 3.*written by anysense"),
        ({"method": "muse9"}, r"`method` must be one of 'gmc'.*; got 'muse9'.*another release"),
        ({"method": ["gmc"]}, r"is damaged: `method` must be a str; got \['gmc'\]"),
        ({"latent_dim": ...}, r"is damaged: the content lacks \['latent_dim'\]"),
        ({"latent_dim": 9}, r"is damaged: `latent_dim` is 9, but the settings give 8"),
        ({"settings": {"latent_dim": "8"}}, r"is damaged: `latent_dim` must be int; got '8'"),
        ({"settings": {"latentdim": 8}}, r"is damaged: .*got 'latentdim'\. Did you mean 'latent_dim'"),
        ({"settings": 5}, r"is damaged: `settings` must be a dict; got 5"),
        ({"settings": {"temperature": math.inf}}, r"is damaged: .*Infinity is no number of JSON"),
        ({"latent_dim": True}, r"is damaged: `latent_dim` must be an integer from 1 to 2147483647; got True"),
        ({"networks": "pendulum"}, r"is damaged: `networks` must be a dict; got 'pendulum'"),
        ({"networks": {"family": "pendulum"}}, r"is damaged: `networks` lacks \['settings'\]"),
        ({"networks": {"family": 3, "settings": {}}}, r"is damaged: `networks\.family` must be a str; got 3"),
        (
            {"networks": {"family": "pendulums", "settings": {}}},
            r"is damaged: `networks` must be one of .*'pendulum'\?",
        ),
        ({"networks": None}, r"is damaged: `networks` must be an instance of Networks for method 'gmc'; got None"),
        (
            {"networks": {"family": "generic", "settings": {"name": "x"}}},
            r"is damaged: the networks 'generic' has no settings; got 'name'",
        ),
        ({"world": []}, r"is damaged: `world` must be a dict; got \[\]"),
        ({"world": {"id": "some/World-v0"}}, r"is damaged: `world` lacks \['options'\]"),
        ({"modalities": [5]}, r"is damaged: `modalities\[0\]` must be a dict; got 5"),
        ({"modalities": [SMALL, SMALL]}, r"is damaged: `modalities` holds one name twice; got \['touch', 'touch'\]"),
        ({"modalities": []}, r"is damaged: `modalities` is empty"),
        ({"modalities": [{"name": "image"}]}, r"is damaged: .*'shape'"),
        ({"modalities": "image"}, r"is damaged: `modalities` must be a list; got 'image'"),
    ],
)
def test_wrong_description(saved: Path, changes: dict[str, Any], message: str) -> None:
    describe(saved, **changes)
    with pytest.raises(FileFormatError, match=message):
        load_representation(saved)


HUGE = 2**40


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {"head_widths": [HUGE]}, "latent_dim": 10}, r"must be torch\.float32 \(1099511627776"),
        ({"settings": {"latent_dim": 10**30}, "latent_dim": 10**30}, r"is damaged: "),
        ({"networks": {"family": "pendulum", "settings": {"sound_widths": [HUGE, 256, 256]}}}, r"\(1099511627776"),
        ({"modalities": [{**SMALL, "shape": [2**25]}]}, r"is damaged: `modalities` claims 33554432 numbers"),
        (
            {"modalities": [{**SMALL, "shape": [2**22], "kind": "vector"}], "networks": GENERIC},
            r"does not fit the architecture",
        ),
        (
            {"modalities": [{**SMALL, "shape": [2**12, 2**12], "kind": "image", "image_size": 2**12 - 1}]},
            r"`image_size` 4095 of modality 'touch' is too large for images of \(1, 4096, 4096\)",
        ),
        (
            {
                "method": "muse",
                "settings": {"subsets": "proper"},
                "modalities": [{**SMALL, "name": f"m{number}"} for number in range(64)],
                "networks": GENERIC,
            },
            r"is damaged: it describes far more layers than its weights are for",
        ),
    ],
)
def test_claims_take_no_memory(
    saved: Path, representation: Representation, changes: dict[str, Any], message: str
) -> None:
    """A description that claims terabytes is refused before anything of that size is allocated."""
    save_representation(build("gmc", representation.modalities, GMCSettings(), networks("pendulum")), saved)
    describe(saved, **changes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(FileFormatError, match=message):
        load_representation(saved)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2 * 2**20, "more than 2 GB"


def test_the_world_is_stored(saved: Path, representation: Representation) -> None:
    assert load_representation(saved).world is None
    representation.world = {"id": "some/World-v0", "options": {"size": 3}}
    save_representation(representation, saved)
    assert load_representation(saved).world == {"id": "some/World-v0", "options": {"size": 3}}


def test_tensors_that_do_not_fit(saved: Path, representation: Representation) -> None:
    weights = {name: tensor.clone() for name, tensor in representation.state_dict().items()}
    replace_weights(saved, {name: tensor for name, tensor in weights.items() if name != "head.0.bias"})
    with pytest.raises(FileFormatError, match=r"missing \['head\.0\.bias'\], unexpected \[\]"):
        load_representation(saved)
    replace_weights(saved, weights | {"extra": torch.zeros(1)})
    with pytest.raises(FileFormatError, match=r"missing \[\], unexpected \['extra'\]"):
        load_representation(saved)
    replace_weights(saved, weights | {"head.0.bias": torch.zeros(2)})
    with pytest.raises(FileFormatError, match=r"head\.0\.bias must be torch\.float32 \(32,\); got .* \(2,\)"):
        load_representation(saved)
    replace_weights(saved, weights | {"head.0.bias": weights["head.0.bias"].double()})
    with pytest.raises(FileFormatError, match=r"head\.0\.bias must be torch\.float32 .* got torch\.float64"):
        load_representation(saved)


def test_half_the_space_and_float32_again(representation: Representation, saved: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    save_representation(representation, half, half=True)
    assert (half / WEIGHTS).stat().st_size < 0.55 * (saved / WEIGHTS).stat().st_size
    loaded = load_representation(half).state_dict()
    for name, weight in representation.state_dict().items():
        assert loaded[name].dtype == weight.dtype
        torch.testing.assert_close(loaded[name], weight, rtol=2**-11, atol=2**-24)


def test_errors_are_value_errors() -> None:
    assert issubclass(FileFormatError, ValueError)


def test_same_latents_without_the_space(
    saved: Path, representation: Representation, pendulum_batch: Callable[..., dict[str, Tensor]]
) -> None:
    batch = pendulum_batch(4)
    assert torch.equal(load_representation(saved).encode(batch), representation.encode(batch))
