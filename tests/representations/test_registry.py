"""Registry: names, settings by preset, and weights from a seed."""

import subprocess
import sys

import pytest
import torch

from anysense import representations
from anysense.representations import Modality, Settings, build, make_settings, method_names, presets, settings_class
from anysense.representations.methods.gmc import GMC, GMCSettings
from anysense.representations.registry import benchmarks, representation_class


def test_every_exported_name_exists() -> None:
    assert all(hasattr(representations, name) for name in representations.__all__)
    assert len(set(representations.__all__)) == len(representations.__all__)


def test_importing_the_room_is_light() -> None:
    code = (
        "import sys, anysense.representations as r; r.method_names();"
        "heavy = {'anysense.representations.methods.gmc', 'lightning', 'stable_baselines3', 'matplotlib'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("method", method_names())
def test_every_method_is_named_as_registered_and_has_the_common_presets(method: str) -> None:
    assert representation_class(method).method == method
    assert benchmarks(method)
    for benchmark in benchmarks(method):
        assert {"smoke", "default", "paper"} <= set(presets(method, benchmark))
        for preset in presets(method, benchmark):
            assert type(make_settings(method, preset, benchmark=benchmark)) is settings_class(method)


def test_gmc() -> None:
    assert "gmc" in method_names()
    assert representation_class("gmc") is GMC
    assert make_settings("gmc") == GMCSettings()
    assert make_settings("gmc", "paper", latent_dim=7).latent_dim == 7  # type: ignore[attr-defined]


def test_weights_follow_the_seed_and_no_global_generator(pendulum_modalities: dict[str, Modality]) -> None:
    settings = make_settings("gmc", "smoke")
    state = torch.random.get_rng_state()
    first, again, other = (build("gmc", pendulum_modalities, settings, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(3, generator=torch.default_generator.set_state(state))
    for a, b, c in zip(first.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
    assert first.training


def test_default_settings(pendulum_modalities: dict[str, Modality]) -> None:
    assert build("gmc", pendulum_modalities).settings == make_settings("gmc", "default")


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
    with pytest.raises(ValueError, match=r"`benchmark of gmc` must be one of 'pendulum'.*; got 'mdh'\. Did you mean"):
        make_settings("gmc", benchmark="mdh")
    for call in (presets, settings_class):
        with pytest.raises(ValueError, match=r"`method` must be one of .*; got 'nothing'"):
            call("nothing")


def test_wrong_arguments_of_build(pendulum_modalities: dict[str, Modality]) -> None:
    with pytest.raises(TypeError, match=r"`settings` must be GMCSettings for method 'gmc'; got Settings"):
        build("gmc", pendulum_modalities, Settings())
    with pytest.raises(ValueError, match=r"`modalities` is empty"):
        build("gmc", {})
    with pytest.raises(ValueError, match=r"`modalities` must be keyed by the name.*\['picture'\]"):
        build("gmc", {"picture": pendulum_modalities["image"]})
