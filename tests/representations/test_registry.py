"""Registry: names, settings by preset, and weights from a seed."""

import subprocess
import sys
from typing import Any, ClassVar

import pytest
import torch

from anysense import representations
from anysense.representations import (
    BENCHMARKS,
    METHODS,
    MethodSettings,
    Modality,
    NetworkSettings,
    build,
    make_networks,
    make_settings,
    presets,
)
from anysense.representations.benchmarks import PRESET_NAMES
from anysense.representations.methods.gmc import GMC, GMCSettings
from anysense.representations.methods.mvae import MVAE, MVAESettings
from anysense.representations.networks.catalogue import networks

TOUCH = {"touch": Modality("touch", (3,), "float32", 0.0, 1.0)}
SEQUENCES = {name: Modality(name, (6, 4), "float32") for name in ("text", "audio")}


def test_every_exported_name_exists() -> None:
    assert all(hasattr(representations, name) for name in representations.__all__)
    assert len(set(representations.__all__)) == len(representations.__all__)


def test_importing_the_room_is_light() -> None:
    code = (
        "import sys, anysense.representations as r; r.METHODS.names(); r.make_settings('mvae');"
        "heavy = {'anysense.representations.methods.gmc', 'lightning', 'stable_baselines3', 'matplotlib', 'sklearn'};"
        "heavy &= set(sys.modules); sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("method", METHODS.names())
def test_every_method_is_named_as_registered_and_preset_somewhere(method: str) -> None:
    assert METHODS.get(method).method == method
    assert any(method in presets(name).methods for name in BENCHMARKS.names())


@pytest.mark.parametrize("name", BENCHMARKS.names())
def test_every_preset_of_every_benchmark_can_be_made(name: str) -> None:
    known = presets(name)
    for preset in PRESET_NAMES:
        for method in known.methods:
            assert type(make_settings(method, preset, benchmark=name)) is METHODS.get(method).settings_class
            family = make_networks(method, preset, benchmark=name)
            assert (family is None) is not METHODS.get(method).uses_networks
            assert family is None or family.name == known.family
            settings = known.network_settings(method, preset)  # found without importing the networks
            assert (
                (settings is None)
                if family is None
                else (type(settings), settings)
                == (
                    family.settings_class,
                    family.settings,
                )
            )
        known.training(preset)
    for table in (*known.settings.values(), known.family_settings, *known.method_family_settings.values()):
        assert set(table) <= {"*", *PRESET_NAMES}


def test_published_settings_of_the_pendulum() -> None:
    """Poklukar et al. (2022): convolutions, two layers of 50, min-max sounds; 500 epochs of Adam 1e-3, batch 128."""
    known = presets("pendulum")
    for method in known.methods:
        settings = known.networks(method, "paper").settings
        assert (settings.image_encoder, settings.sound_widths, settings.sound_normalisation) == (
            "convolution",
            (50, 50),
            "min_max",
        )
    training = known.training("paper")
    assert (training.epochs, training.batch_size, training.learning_rate, training.keep) == (500, 128, 1e-3, "last")
    assert (known.collection("paper").samples, known.collection("paper").policy) == (20_000, "random")
    assert known.collection("default", samples=7).samples == 7


def test_published_networks_of_mhd() -> None:
    settings = {method: make_networks(method, "paper", benchmark="mhd").settings for method in ("mmvae", "mvae")}
    assert (settings["mmvae"].label_encoder, settings["mmvae"].decoder_batch_norm) == ("relu-64", False)
    assert (settings["mvae"].label_encoder, settings["mvae"].decoder_batch_norm) == ("swish-512", True)


def test_overrides_come_last() -> None:
    assert make_settings("gmc", "paper", benchmark="pendulum", latent_dim=7) == GMCSettings(centre=False, latent_dim=7)
    family = make_networks("gmc", "paper", benchmark="pendulum", sound_widths=(9,))
    assert family.settings.sound_widths == (9,)


def test_weights_follow_the_seed_and_no_global_generator() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (build("gmc", TOUCH, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(torch.random.get_rng_state(), state)
    for a, b, c in zip(first.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
    assert first.training


def test_defaults_are_the_generic_ones() -> None:
    built = build("gmc", TOUCH)
    assert built.settings == make_settings("gmc", "default", benchmark="generic")
    assert built.networks.name == "generic"
    assert built.world is None
    assert build("transformer", SEQUENCES).networks is None


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match=r"`method` must be one of 'gmc'.*; got 'gcm'\. Did you mean 'gmc'\?"):
        make_settings("gcm")
    with pytest.raises(ValueError, match=r"`preset` must be one of 'smoke', 'default', 'paper'; got 'papr'\. Did you"):
        make_settings("gmc", "papr")
    with pytest.raises(
        ValueError, match=r"`setting of gmc` must be one of .*; got 'latent_dims'\. Did you mean 'latent_dim'"
    ):
        make_settings("gmc", latent_dims=3)
    with pytest.raises(TypeError, match=r"`latent_dim` must be int; got 3\.5 \(float\)"):
        make_settings("gmc", latent_dim=3.5)
    with pytest.raises(ValueError, match=r"`benchmark` must be one of .*'pendulum'.*; got 'mdh'\. Did you mean 'mhd'"):
        make_settings("gmc", benchmark="mdh")


# Settings without effect


def test_settings_of_another_family() -> None:
    message = r"`setting of the networks 'pendulum'` must be one of 'image_encoder', .*; got 'label_encoder'"
    with pytest.raises(ValueError, match=message):
        make_networks("mvae", benchmark="pendulum", label_encoder="relu-64")
    with pytest.raises(ValueError, match=r"the networks 'generic' has no settings; got 'frame_widths'"):
        make_networks("mvae", frame_widths=(8,))
    with pytest.raises(ValueError, match=r"`setting of mvae` must be one of .*; got 'frame_widths'"):
        make_settings("mvae", benchmark="pendulum", frame_widths=(8,))


def test_methods_without_networks_refuse_them() -> None:
    with pytest.raises(ValueError, match=r"'transformer' uses no family of networks; leave out frame_widths"):
        make_networks("transformer", benchmark="mosei", frame_widths=(8,))
    with pytest.raises(ValueError, match=r"'transformer' uses no family of networks; leave out `networks`"):
        build("transformer", SEQUENCES, networks=networks("generic"))


def test_settings_of_decoders_for_a_method_that_decodes_nothing() -> None:
    family = networks("mhd", decoder_batch_norm=False)
    with pytest.raises(ValueError, match=r"`decoder_batch_norm` has no effect on the method 'gmc', which is not"):
        build("gmc", {"label": Modality("label", (10,), "float32", 0.0, 1.0)}, networks=family)
    assert build("mvae", {"label": Modality("label", (10,), "float32", 0.0, 1.0)}, networks=family).networks is family


# Wrong arguments


def test_wrong_arguments_of_build() -> None:
    with pytest.raises(TypeError, match=r"`settings` must be GMCSettings for method 'gmc'; got MethodSettings"):
        build("gmc", TOUCH, MethodSettings())
    with pytest.raises(TypeError, match=r"`networks` must be an instance of Networks for method 'gmc'; got 'generic'"):
        build("gmc", TOUCH, networks="generic")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"`settings` must be NetworkSettings for the networks 'generic'; got GMCSett"):
        type(networks("generic"))(GMCSettings())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`modalities` is empty"):
        build("gmc", {})
    with pytest.raises(ValueError, match=r"`modalities` must be keyed by the name.*\['picture'\]"):
        build("gmc", {"picture": TOUCH["touch"]})


@pytest.mark.parametrize("modalities", [5, None, [TOUCH["touch"]], {"touch": None}, {"touch": [1.0]}])
def test_what_is_no_modality_is_refused(modalities: Any) -> None:
    with pytest.raises(TypeError, match="`modalities` must map names to Modality"):
        build("gmc", modalities)


@pytest.mark.parametrize("seed", [-1, 1.5, "x", [], None, 2**64])
def test_wrong_seed(seed: Any) -> None:
    with pytest.raises(ValueError, match="`seed` must be a whole number from 0 to"):
        build("gmc", TOUCH, seed=seed)


# Methods of other packages


class Quiet(MVAE):
    """A method of somebody else."""

    method: ClassVar[str] = "quiet"


def test_registered_methods_have_their_own_defaults_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METHODS, "_registered", {})
    METHODS.register("quiet", Quiet)
    for name in BENCHMARKS.names():
        assert presets(name).methods[-1] == "quiet"
        assert make_settings("quiet", "paper", benchmark=name) == MVAESettings()
    assert type(build("quiet", TOUCH)) is Quiet
    METHODS.register("loud", Quiet)
    with pytest.raises(ValueError, match=r"Quiet is registered as 'loud' but its `method` is 'quiet'; use one name"):
        build("loud", TOUCH)


def test_what_is_no_method() -> None:
    with pytest.raises(TypeError, match=r"a method must be a subclass of Representation; got <class .*GMCSettings"):
        METHODS.register("own", GMCSettings)  # type: ignore[arg-type]
    nameless = type("Nameless", (representations.Representation,), {"settings_class": MethodSettings})
    with pytest.raises(TypeError, match=r"Nameless must have a `method`, the name it is registered under"):
        METHODS.register("own", nameless)
    unset = type("Unset", (GMC,), {"settings_class": NetworkSettings})
    with pytest.raises(TypeError, match=r"Unset must have a `settings_class` derived from MethodSettings; got <class"):
        METHODS.register("own", unset)
