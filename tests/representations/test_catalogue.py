"""Families of networks by name, and families put together by hand."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from anysense.representations.methods.gmc import GMC, GMCSettings
from anysense.representations.modality import Modality
from anysense.representations.networks import catalogue
from anysense.representations.networks.catalogue import (
    Networks,
    PerModality,
    network_names,
    networks,
    register_networks,
)
from anysense.representations.networks.decoder import Decoder
from anysense.representations.networks.generic_decoders import DenseDecoder
from anysense.representations.networks.generic_encoders import VectorTrunk
from anysense.representations.networks.mhd_encoders import LabelTrunk
from anysense.representations.networks.settings import NetworkSettings
from anysense.representations.networks.trunk import DeeperTrunk, Trunk

TOUCH = Modality("touch", (3,), "float32", 0.0, 1.0)
TASTE = Modality("taste", (5,), "float32", 0.0, 1.0)
LABEL = Modality("label", (10,), "float32", 0.0, 1.0)
SETTINGS = NetworkSettings(networks="generic")


class TouchTrunk(Trunk):
    """Doubles what it gets."""

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        self.feature_dim = modality.shape[0]
        self.weight = nn.Parameter(torch.tensor(2.0))

    def forward(self, value: Tensor) -> Tensor:
        return self.weight * value


@pytest.fixture(autouse=True)
def _own_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(catalogue, "_registered", {})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def test_built_in_families() -> None:
    assert network_names()[:3] == ("pendulum", "mhd", "generic")
    assert all(isinstance(networks(name), Networks) for name in ("pendulum", "mhd", "generic"))


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(
        ValueError, match=r"`networks` must be one of .*'generic'.*; got 'genric'. Did you mean 'generic'"
    ):
        networks("genric")


def test_a_registered_family_is_found_by_its_name() -> None:
    family = PerModality()
    register_networks("mine", family)
    assert networks("mine") is family
    assert network_names()[-1] == "mine"


def test_registering_wrong_things() -> None:
    with pytest.raises(TypeError, match=r"`family` must be an instance of a subclass of Networks; got <class"):
        register_networks("mine", PerModality)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`name` 'mhd' is taken by a built-in family of networks"):
        register_networks("mhd", PerModality())


def test_named_modalities_get_their_own_networks_and_others_those_of_the_family() -> None:
    family = PerModality(trunks={"touch": TouchTrunk}, decoders={"touch": DenseDecoder})
    for make in (family.trunk, family.generative_trunk):
        assert isinstance(make(TOUCH, SETTINGS), TouchTrunk)
        assert make(TOUCH, SETTINGS) is not make(TOUCH, SETTINGS)
        assert isinstance(make(TASTE, SETTINGS), VectorTrunk)
    assert family.decoder(TOUCH, 4, SETTINGS).shape == (3,)
    assert family.decoder(TASTE, 4, SETTINGS).shape == (5,)


def test_the_other_family_may_be_any_and_keeps_its_generative_encoders() -> None:
    family = PerModality(trunks={"touch": TouchTrunk}, otherwise="mhd")
    assert isinstance(family.trunk(LABEL, SETTINGS), LabelTrunk)
    assert family.generative_trunk(LABEL, SETTINGS).feature_dim == 512
    assert family.decoder(LABEL, 4, SETTINGS).likelihood == "categorical"
    with pytest.raises(ValueError, match=r"modality 'touch' .* has no decoder in the networks 'mhd'"):
        family.decoder(TOUCH, 4, SETTINGS)


def test_functions_must_return_trunks_and_decoders() -> None:
    family = PerModality(
        trunks={"touch": lambda modality: nn.Linear(3, 4)},  # type: ignore[dict-item, return-value]
        decoders={"touch": lambda modality, size: None},  # type: ignore[dict-item, return-value]
    )
    with pytest.raises(TypeError, match=r"`trunks\['touch'\]` must return a Trunk; got Linear"):
        family.trunk(TOUCH, SETTINGS)
    with pytest.raises(TypeError, match=r"`decoders\['touch'\]` must return a Decoder; got NoneType"):
        family.decoder(TOUCH, 4, SETTINGS)
    with pytest.raises(ValueError, match=r"`networks` must be one of .*; got 'nothing'"):
        PerModality(otherwise="nothing")


def test_a_method_is_built_from_a_registered_family() -> None:
    register_networks("mine", PerModality(trunks={"touch": TouchTrunk}))
    modalities = {"touch": TOUCH, "taste": TASTE}
    gmc = GMC(modalities, GMCSettings(networks="mine", latent_dim=4))
    assert sum(isinstance(module, TouchTrunk) for module in gmc.modules()) == 2
    observation = {name: torch.rand(6, *modality.shape) for name, modality in modalities.items()}
    assert gmc.encode(observation).shape == (6, 4)
    assert gmc.loss(observation)["total"].isfinite()


def test_layers_on_top_of_a_trunk() -> None:
    trunk = DeeperTrunk(TouchTrunk(TOUCH), nn.Linear(3, 7), 7)
    value = torch.rand(2, 3)
    assert trunk.feature_dim == 7
    torch.testing.assert_close(trunk(value), trunk.layers(2.0 * value))


def test_decoders_are_abstract() -> None:
    for kind in (Decoder, Trunk, Networks):
        with pytest.raises(TypeError, match="abstract"):
            kind()  # type: ignore[abstract]
