"""Spaces of a search, and settings of single methods by name."""

import dataclasses

import pytest

from anysense.representations.benchmarks import benchmark
from anysense.representations.methods.catalogue import BUILT_IN, settings_of
from anysense.runs.commands.classify import ClassifyCommand, methods_of
from anysense.runs.commands.compare import CompareCommand
from anysense.runs.commands.pretrain import read as read_pretrain
from anysense.runs.method_options import changed, changes_of, place_of, typed_options
from anysense.runs.tuning.space import Dimension, default_of, dimension, spaces, usual_space


def parts_of(method, data="mhd-offline", preset="default"):
    return dict(ClassifyCommand.of(preset, data).usual_parts(method))


GMC, MVAE = parts_of("gmc"), parts_of("mvae")
PENDULUM = dict(CompareCommand.of("default").stages("gmc", 0, "cpu", 1).parts())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("temperature=0.05..1:log", Dimension("temperature", 0.05, 1.0, log=True)),
        ("beta=-1e-3..2", Dimension("beta", -1e-3, 2.0)),
        ("latent_dim=8,16,32", Dimension("latent_dim", choices=(8, 16, 32))),
        ("centre=true,false", Dimension("centre", choices=(True, False))),
        ("variant=hybrid,joint_anchor", Dimension("variant", choices=("hybrid", "joint_anchor"))),
        ("temperature=0.2", Dimension("temperature", choices=(0.2,))),
    ],
)
def test_forms_and_back(text, expected):
    found = dimension(text)
    assert found == expected
    assert dimension(str(found)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("temperature", "`space` must be written NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=A,B,C, for example"),
        ("=1..2", "must be written NAME=LOW..HIGH"),
        ("temperature=1..0.1", "the lower end comes first; write temperature=0.1..1."),
        ("temperature=1..1", "is a single value; write temperature=1 to have it in every trial"),
        ("temperature=0..1:log", "a logarithmic range must begin above 0, got 0."),
        ("temperature=0.1..warm", "expected finite numbers"),
        ("temperature=0.1..Infinity", "expected finite numbers"),
        ("temperature=0.1..1e308", "ends must be between -1e[+]30 and 1e[+]30"),
        ("temperature=-1e31..1", "ends must be between -1e[+]30 and 1e[+]30"),
        ("latent_dim=16..1e16", "ends of whole numbers must be between -1e\\+15 and 1e\\+15"),
        ("temperature=0.1..1:lin", "expected finite numbers"),
        ("temperature=0.1,0.1", "expected different choices"),
        ("temperature=0.1,", "expected different choices"),
        ("temprature=0.1..1", r"must be one of 'temperature', .*; got 'temprature'. Did you mean 'temperature'\?"),
        ("temperature=0..1", "`space` temperature=0..1: `temperature` must be positive; got 0"),
        ("latent_dim=2.5..8", "`latent_dim` of gmc is a whole number, and so must be both ends"),
        ("latent_dim=8.5,16", "`latent_dim` must be int; got 8.5"),
        ("loss=0..1", "`loss` of gmc is no number; list choices"),
        ("loss=infonce,cosine", "`loss` must be one of 'infonce'"),
        ("learning_rate=0..1", "`learning_rate` must be positive and finite, got 0"),
        ("epochs=0..3", "`epochs` must be at least 1, got 0"),
        ("temperature.image=1..2", "is one value and has no entries by name"),
        ("seed=0,1", "got 'seed'"),
        ("agent.gamma=0.9..0.99", "settings of agents are searched with --score agent"),
        ("mvae.beta=0.1..1", "mvae is not among the methods that are searched: gmc."),
    ],
)
def test_what_cannot_be_searched(text, message):
    with pytest.raises(ValueError, match=message):
        spaces([text], {"gmc": GMC})


def test_entries_for_one_method_for_all_that_have_it_and_the_usual_ones():
    parts = {"gmc": GMC, "mvae": MVAE}
    found = spaces(["learning_rate=1e-3..1e-2", "gmc.temperature=0.1,0.2"], parts)
    assert {method: list(map(str, space)) for method, space in found.items()} == {
        "gmc": ["learning_rate=0.001..0.01", "temperature=0.1,0.2"],
        "mvae": ["learning_rate=0.001..0.01"],
    }
    both = spaces(["default", "gmc.temperature=0.1,0.2", "latent_dim=8..64:log"], parts)
    assert [one.name for one in both["gmc"]] == ["temperature", "learning_rate", "latent_dim"]
    assert both["gmc"][0].choices == (0.1, 0.2)
    assert both["gmc"][2].whole
    assert spaces([], parts) == {method: usual_space(own, method) for method, own in parts.items()}
    with pytest.raises(ValueError, match="leaves nothing to search for mvae; name a setting of it"):
        spaces(["temperature=0.1..1"], parts)
    with pytest.raises(ValueError, match="names 'beta' twice"):
        spaces(["beta=0.1..1", "beta=1..2"], parts)


def test_every_method_has_a_space_with_its_default_inside_wherever_it_is_used():
    for name in ("mhd-offline", "mfeat", "mosei-offline"):
        for method in methods_of(benchmark(name)):
            parts = parts_of(method, name)
            space = usual_space(parts, method)
            assert "learning_rate" in [one.name for one in space]
            for one in space:
                assert one.holds(default_of(parts, one.name, method)), f"{name}: {method}: {one}"


def test_what_is_offered_are_numbers_of_the_method_itself():
    for method in BUILT_IN:
        kind = settings_of(method)
        for base in kind.__mro__:
            names = {field.name for field in dataclasses.fields(base)} if dataclasses.is_dataclass(base) else set()
            assert set(vars(base).get("search", {})) <= names, base
    assert [one.name for one in usual_space(PENDULUM, "gmc")][-2:] == ["agent.learning_rate", "agent.gamma"]


@pytest.mark.parametrize(
    ("parts", "changes", "part", "field", "expected"),
    [
        (GMC, {"temperature": 0.2}, "method", "temperature", 0.2),
        (GMC, {"method.temperature": 1}, "method", "temperature", 1.0),
        (GMC, {"head_widths": 64}, "method", "head_widths", (64, 64)),
        (GMC, {"head_widths": [64, 32, 16]}, "method", "head_widths", (64, 32, 16)),
        (GMC, {"learning_rate": 0.01}, "training", "learning_rate", 0.01),
        (PENDULUM, {"frame_widths": 32}, "networks", "frame_widths", (32, 32)),
        (PENDULUM, {"agent.learning_rate": 0.01}, "agent", "learning_rate", 0.01),
        (PENDULUM, {"learning_rate": 0.01}, "training", "learning_rate", 0.01),
        (
            MVAE,
            {"reconstruction_weights.label": 2.0, "reconstruction_weights.sound": 3},
            "method",
            "reconstruction_weights",
            (("image", 1.0), ("sound", 3.0), ("trajectory", 50.0), ("label", 2.0)),
        ),
    ],
)
def test_new_values_in_their_place(parts, changes, part, field, expected):
    found = changed(parts, changes, "it")
    assert getattr(found[part], field) == expected
    others = {(name, one.name) for name, own in parts.items() for one in dataclasses.fields(own)} - {(part, field)}
    assert all(getattr(found[name], one) == getattr(parts[name], one) for name, one in others)


def test_values_that_are_not_possible():
    with pytest.raises(ValueError, match=r"has entries by name; name one, such as reconstruction_weights\.image"):
        changed(MVAE, {"reconstruction_weights": 2.0}, "mvae")
    with pytest.raises(TypeError, match="`latent_dim` must be int; got 'big'"):
        changed(GMC, {"latent_dim": "big"}, "gmc")
    with pytest.raises(ValueError, match=r"must be one of .* 'agent.gamma'.*got 'agent.gama'"):
        place_of(PENDULUM, "agent.gama", "gmc")


def test_settings_of_single_methods_on_the_command_line():
    given = ["gmc-published.temperature=0.2", "mvae.reconstruction_weights.sound=3", "mvae.posterior=laplace"]
    assert changes_of(given, ["gmc-published", "mvae"]) == {
        "gmc-published": {"temperature": 0.2},
        "mvae": {"reconstruction_weights.sound": 3, "posterior": "laplace"},
    }
    for wrong, message in {
        "temperature=0.2": "must be written METHOD.NAME=VALUE, for example gmc.temperature=0.2",
        "gmc.temperature": "must be written METHOD.NAME=VALUE",
        "gcm.temperature=1": "got 'gcm'. Did you mean 'gmc'",
    }.items():
        with pytest.raises(ValueError, match=message):
            changes_of([wrong], ["gmc"])
    with pytest.raises(ValueError, match=r"names 'gmc.a' twice"):
        changes_of(["gmc.a=1", "gmc.a=2"], ["gmc"])


def test_options_of_other_commands_give_the_same_settings():
    stages = CompareCommand.of("default").stages("mvae", 0, "cpu", 1)
    values = {"reconstruction_weights.sound": 7.5, "frame_widths": 64, "ema_decay": 0.9, "learning_rate": 3e-4}
    now = stages.changed(values).pretraining
    plain = read_pretrain(["--method", "mvae"])
    words = [
        *typed_options(plain.representation, now.representation),
        *typed_options(plain.architecture, now.architecture),
        *typed_options(plain.training, now.training),
    ]
    found = read_pretrain(["--method", "mvae", *words])
    assert (found.representation, found.architecture) == (now.representation, now.architecture)
    assert found.training == now.training
    centred = dataclasses.replace(PENDULUM["method"], centre=False)
    assert list(typed_options(PENDULUM["method"], centred)) == ["--no-centre"]
