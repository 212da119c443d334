"""Options of every command: help names what is known, wrong values are refused before a folder is made."""

import dataclasses
import importlib
import re
import shlex
import typing
from pathlib import Path

import pytest

from anysense.agents.algorithms.catalogue import ALGORITHMS
from anysense.envs import CORRUPTIONS, WORLDS
from anysense.representations.benchmarks import benchmark_names, presets
from anysense.representations.networks.catalogue import NETWORKS
from anysense.runs.cli import main
from anysense.runs.offering import list_options, option_names
from anysense.runs.run_folder import RunFolder
from anysense.runs.settings import PRESETS

READING = ("demo", "pretrain", "train", "evaluate", "compare", "classify", "align")
METHODS = presets("pendulum").methods
KNOWN = {
    "--preset": PRESETS,
    "--env": WORLDS.names(),
    "--method": METHODS,
    "--methods": METHODS,
    "--networks": NETWORKS.names(),
    "--policy": ("coverage", "random", "mixed"),
    "--algorithm": ALGORITHMS.names(),
    "--corruption": CORRUPTIONS.names(),
}
FREE = {
    "--out",
    "--name",
    "--device",
    "--docs",
    "--folder",
    "--representation",
    "--anchor",
    "--receivers",
    "--ent-coef",
}
"""Options whose text is the user's own, or that help describes by a pattern."""


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


@pytest.mark.parametrize("command", READING)
def test_help_names_whatever_is_known(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    for option, hint in leaves(read(command)):
        if hint == "<class 'bool'>":
            continue
        shown = re.search(rf"│ {option} (\[?[^ ]*\{{[^}}]*\}}|[^ ]+)", text)
        assert shown is not None, option
        if option in KNOWN and not (command == "classify" and option == "--methods"):
            assert set(KNOWN[option]) <= set(re.split(r"[{},]", shown[0])), option
        elif "str" in hint and "Path" not in hint and not option.endswith("-option") and option not in FREE:
            assert "{" in shown[0], f"{command} {option} names nothing"
        assert ("..." in text[shown.start() : shown.end() + 40]) >= (option in list_options(read(command)))
    if command == "classify":
        assert "{" + ",".join(benchmark_names()) + "}" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pretrain", "--beta", "2"), "`--beta` is an option of --method mvae, mmvae"),
        (("pretrain", "--no-antialias", "--env", "anysense/Hyperhot-v0"), "of --env anysense/MultimodalPendulum-v0"),
        (("pretrain", "--method", "mmvae", "--head-widths", "8"), "of --method gmc, gram"),
        (("train", "--n-steps=3"), "`--n-steps` is an option of --algorithm ppo, a2c"),
        (("classify", "--data", "mosei", "--neighbours", "3"), "of --data mhd, mhd-offline"),
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


def test_the_recorded_command_does_the_same_again(evaluated):
    record = RunFolder.open(evaluated / "evaluate" / "a").record
    words = shlex.split(record["command_line"])
    assert words[:3] == ["anysense", "evaluate", str(evaluated / "train" / "a" / "agent")]
    words[words.index("--name") + 1] = "again"
    assert main(words[1:]) == 0
    results = [(evaluated / "evaluate" / name / "results" / "episodes.csv").read_bytes() for name in ("a", "again")]
    assert results[0] == results[1]


def test_documents_that_are_no_text_are_named(evaluated, refused, tmp_path):
    (tmp_path / "readme.md").write_bytes(b"\xff\xfe")
    message = refused("report", evaluated / "evaluate" / "a", "--readme", tmp_path / "readme.md")
    assert f"`readme` {tmp_path / 'readme.md'} is not text in UTF-8" in message


def test_no_option_is_offered_twice():
    for command in READING:
        names = list(option_names(read(command)))
        assert len(names) == len(set(names))
