"""Options of every command: help names what is known, wrong values are refused before a folder is made."""

import dataclasses
import importlib
import typing
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from anysense.envs import DEFAULT_WORLD
from anysense.runs.offering import option_names
from anysense.runs.run_folder import RunFolder
from anysense.runs.worlds import named_world, parsed

READING = ("demo", "pretrain", "train", "evaluate", "compare", "classify", "align")


def read(command, *arguments):
    return importlib.import_module(f"anysense.runs.commands.{command}").read(arguments)


def leaves(settings):
    hints = typing.get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value)
        elif "Suppress" not in str(field.type) and "Positional" not in str(field.type):
            yield f"--{field.name.replace('_', '-')}", str(hints[field.name])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pretrain", "--beta", "2"), "`--beta` is an option of --method mvae, mmvae, mopoe, mvtcae"),
        (("pretrain", "--no-antialias", "--env", "anysense/Hyperhot-v0"), "of --env anysense/MultimodalPendulum-v0"),
        (("pretrain", "--method", "mmvae", "--head-widths", "8"), "of --method gmc, gram, mfm, symile, triangle"),
        (("train", "--n-steps=3"), "`--n-steps` is an option of --algorithm ppo, a2c"),
        (("classify", "--data", "mosei", "--neighbours", "3"), "`--neighbours` is an option of --data "),
        (("classify", "--methods", "gmc", "--methods", "mfm"), "`--methods` was given 2 times"),
        (("evaluate", "--dropout", "0.1,0.2"), "separated by spaces: --dropout 0.1 0.2"),
    ],
)
def test_what_has_no_meaning_is_refused_by_name(arguments, message, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refused(*arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["pretrain", "train", "evaluate", "compare"])
def test_wrong_numbers_of_every_option_leave_no_folder(command, trained, refused, tmp_path, monkeypatch):
    """What passes the parser still ends before a run folder is made; targets of entropy and seeds are any number."""
    made = []
    monkeypatch.setattr(RunFolder, "create", lambda *given: made.append(given))
    out = ("--out", tmp_path) if command in ("pretrain", "compare") else ("--out", trained)
    for option, hint in leaves(read(command, "--preset", "smoke", *map(str, out))):
        if option == "--target-entropy":
            continue
        if hint.startswith(("<class 'float'>", "float", "tuple[float")):
            assert option.strip("-").replace("-", "_") in refused(command, "--preset", "smoke", *out, option, "nan")
        elif hint.startswith(("<class 'int'>", "int", "tuple[int")):
            assert option.strip("-") in refused(command, "--preset", "smoke", *out, option, "-1").replace("_", "-")
    assert not made
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("pretrain", ("--name", "a"), "exists already"),
        ("pretrain", ("--out", "file"), "`file` is a file"),
        ("compare", ("--docs", "file/report"), "`file` is a file"),
    ],
)
def test_where_files_go_is_checked_before_the_work(command, options, message, trained, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert message in refused(command, "--preset", "smoke", "--out", trained, *options)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_documents_that_are_no_text_are_named(evaluated, refused, tmp_path):
    (tmp_path / "readme.md").write_bytes(b"\xff\xfe")
    message = refused("report", evaluated / "evaluate" / "a", "--readme", tmp_path / "readme.md")
    assert f"`readme` {tmp_path / 'readme.md'} is not text in UTF-8" in message


def test_no_option_is_offered_twice():
    for command in READING:
        names = list(option_names(read(command)))
        assert len(names) == len(set(names))


class OneOrTwo(gym.Env):
    """A world of anysense only with its option."""

    action_space = gym.spaces.Discrete(2)

    def __init__(self, two=False):
        box = gym.spaces.Box(-1.0, 1.0, (3,), np.float32)
        self.observation_space = gym.spaces.Dict({"near": box, "far": box}) if two else box


@pytest.mark.parametrize("command", ["demo", "pretrain", "train", "compare"])
def test_defaults_are_those_of_the_world_with_its_options(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gym.register("test/OneOrTwo-v0", OneOrTwo)
    try:
        found = read(command, "--env", "test/OneOrTwo-v0", "--env-option", "two=true")
    finally:
        gym.registry.pop("test/OneOrTwo-v0")
    assert found.env == "test/OneOrTwo-v0"
    assert tuple(found.env_option) == ("two=true",)
    assert getattr(found, "algorithm", "ppo") == "ppo"  # for the discrete actions


@pytest.mark.parametrize("given", ["left_top,right_top", '["left_top", "right_top"]'])
def test_options_that_take_several_values(given):
    assert named_world(DEFAULT_WORLD, parsed([f"receivers={given}"])).options == {
        "receivers": ["left_top", "right_top"]
    }
    assert named_world(DEFAULT_WORLD, parsed(["receivers=left_top"])).options == {"receivers": ["left_top"]}
    with pytest.raises(ValueError, match="Did you mean 'left_top'"):
        named_world(DEFAULT_WORLD, parsed(["receivers=left_tap"])).observation_space  # noqa: B018
