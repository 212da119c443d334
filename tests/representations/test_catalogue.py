"""Families of networks by name, and families put together by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from anysense.representations import (
    FileFormatError,
    build,
    load_representation,
    make_settings,
    save_representation,
)
from anysense.representations.modality import Modality
from anysense.representations.networks.catalogue import NETWORKS, Networks, PerModality, networks
from anysense.representations.networks.decoder import Decoder
from anysense.representations.networks.dense import DenseDecoder, DenseTrunk
from anysense.representations.networks.mhd import MHDNetworkSettings
from anysense.representations.networks.pendulum import PendulumNetworkSettings
from anysense.representations.networks.scaling import UnitInterval
from anysense.representations.networks.trunk import Trunk

TOUCH = Modality("touch", (3,), "float32", 0.0, 1.0)
TASTE = Modality("taste", (5,), "float32", 0.0, 1.0)
LABEL = Modality("label", (10,), "float32", 0.0, 1.0)


class TouchTrunk(Trunk):
    """Doubles what it gets."""

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        self.feature_dim = modality.shape[0]
        self.weight = nn.Parameter(torch.tensor(2.0))

    def forward(self, value: Tensor) -> Tensor:
        return self.weight * value


class HandNetworks(PerModality):
    name = "hand"
    trunks = {"touch": TouchTrunk}  # noqa: RUF012
    decoders = {"touch": lambda modality, size: DenseDecoder(modality, size, UnitInterval(modality), (7,))}  # noqa: RUF012


@pytest.fixture(autouse=True)
def _own_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(NETWORKS, "_registered", {})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def test_built_in_families() -> None:
    assert NETWORKS.names()[:4] == ("pendulum", "mhd", "generic", "sentiment")
    for name in NETWORKS.names():
        family = networks(name)
        assert isinstance(family, Networks)
        assert (family.name, family.settings) == (name, family.settings_class())


def test_settings_by_name() -> None:
    family = networks("pendulum", sound_widths=[32], frame_dim=8)
    assert family.settings == PendulumNetworkSettings(sound_widths=(32,), frame_dim=8)


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(
        ValueError, match=r"`networks` must be one of .*'generic'.*; got 'genric'. Did you mean 'generic'"
    ):
        networks("genric")


def test_a_registered_family_is_found_by_its_name() -> None:
    NETWORKS.register("hand", HandNetworks)
    assert type(networks("hand")) is HandNetworks
    assert NETWORKS.names()[-1] == "hand"
    NETWORKS.register("other", HandNetworks)
    with pytest.raises(ValueError, match=r"HandNetworks is registered as 'other' but its `name` is 'hand'; use one"):
        networks("other")


def test_registering_wrong_things() -> None:
    with pytest.raises(TypeError, match=r"a family of networks must be a subclass of Networks; got <.*HandNetworks"):
        NETWORKS.register("hand", HandNetworks())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Nameless must have a `name`, the one it is registered under"):
        NETWORKS.register("hand", type("Nameless", (PerModality,), {}))
    with pytest.raises(ValueError, match=r"`name` 'mhd' is taken by a built-in networks"):
        NETWORKS.register("mhd", HandNetworks)


def test_named_modalities_get_their_own_networks_and_others_those_of_the_family() -> None:
    family = HandNetworks()
    for make in (family.trunk, family.generative_trunk):
        assert isinstance(make(TOUCH), TouchTrunk)
        assert make(TOUCH) is not make(TOUCH)
        assert isinstance(make(TASTE), DenseTrunk)
    assert family.decoder(TOUCH, 4).shape == (3,)
    assert family.decoder(TASTE, 4).shape == (5,)


class Digits(PerModality):
    name = "digits"
    trunks = {"touch": TouchTrunk}  # noqa: RUF012
    otherwise = "mhd"


def test_the_other_family_may_be_any_and_keeps_its_settings_and_generative_encoders() -> None:
    family = Digits()
    assert family.trunk(LABEL).feature_dim == 10
    assert family.generative_trunk(LABEL).feature_dim == 512
    assert Digits(MHDNetworkSettings(label_encoder="relu-64")).generative_trunk(LABEL).feature_dim == 64
    assert family.decoder(LABEL, 4).likelihood == "categorical"
    assert Digits.generative_only == ("label_encoder", "decoder_batch_norm")
    with pytest.raises(ValueError, match=r"modality 'touch' .* has no decoder in the networks 'mhd'"):
        family.decoder(TOUCH, 4)


class Broken(PerModality):
    name = "broken"
    trunks = {"touch": lambda modality: nn.Linear(3, 4)}  # type: ignore[dict-item, return-value]  # noqa: RUF012
    decoders = {"touch": lambda modality, size: None}  # type: ignore[dict-item, return-value]  # noqa: RUF012


def test_functions_must_return_trunks_and_decoders() -> None:
    with pytest.raises(TypeError, match=r"`trunks\['touch'\]` must return a Trunk; got Linear"):
        Broken().trunk(TOUCH)
    with pytest.raises(TypeError, match=r"`decoders\['touch'\]` must return a Decoder; got NoneType"):
        Broken().decoder(TOUCH, 4)
    with pytest.raises(ValueError, match=r"`otherwise` must be one of .*; got 'nothing'"):
        type("Lost", (PerModality,), {"otherwise": "nothing"})


def test_a_method_is_built_from_any_family_and_loaded_from_a_registered_one(tmp_path: Path) -> None:
    modalities = {"touch": TOUCH, "taste": TASTE}
    gmc = build("gmc", modalities, make_settings("gmc", latent_dim=4), HandNetworks())
    assert sum(isinstance(module, TouchTrunk) for module in gmc.modules()) == 2
    observation = {name: torch.rand(6, *modality.shape) for name, modality in modalities.items()}
    assert gmc.encode(observation).shape == (6, 4)
    assert gmc.loss(observation)["total"].isfinite()
    save_representation(gmc, tmp_path)
    with pytest.raises(FileFormatError, match=r"`networks` must be one of .*; got 'hand'"):
        load_representation(tmp_path)
    NETWORKS.register("hand", HandNetworks)
    assert torch.equal(load_representation(tmp_path).encode(observation), gmc.eval().encode(observation))


def test_decoders_are_abstract() -> None:
    for kind in (Decoder, Trunk, Networks):
        with pytest.raises(TypeError, match="abstract"):
            kind()  # type: ignore[abstract]
