import subprocess
import sys

import pytest

from anysense.runs import cli
from anysense.runs.cli import COMMANDS, main


def test_help_lists_every_command(capsys):
    assert main([]) == main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command, capsys):
    assert main([*command.split(), "--help"]) == 0
    assert f"usage: anysense {command}" in capsys.readouterr().out


def test_unknown_command(capsys):
    assert main(["pretran"]) == 2
    names = ", ".join(f"'{name}'" for name in COMMANDS)
    assert capsys.readouterr().err == (
        f"Error: `command` must be one of {names}; got 'pretran'. Did you mean 'pretrain'?\n"
    )


@pytest.mark.parametrize("command", ["demo", "pretrain", "train", "evaluate", "bench env"])
def test_unknown_preset(command, capsys):
    assert main([*command.split(), "--preset", "papre"]) == 2
    assert "`preset` must be one of 'smoke', 'default', 'paper'; got 'papre'. Did you mean 'paper'?" in (
        capsys.readouterr().err
    )


def test_unknown_option_names_the_nearest(capsys):
    assert main(["pretrain", "--epoch", "3"]) == 2
    error = capsys.readouterr().err
    assert "--epoch" in error
    assert "--epochs" in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "-1"], "`seed` expected 0 or more, got -1"),
        (["--threads", "0"], "`threads` expected 1 or more, got 0"),
        (["--device", "gpu"], "`device` must be 'auto' or one of cpu"),
        (["--name", "a/b"], "`name` expected the name of one folder"),
    ],
)
def test_bad_common_values(options, message, tmp_path, capsys):
    assert main(["pretrain", "--preset", "smoke", "--out", str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (RuntimeError("the disk burns"), 1, "Error: RuntimeError: the disk burns"),
        (KeyboardInterrupt(), 130, "Interrupted."),
        (ValueError("`x` is wrong"), 2, "Error: `x` is wrong"),
    ],
)
def test_errors_become_exit_codes(error, code, text, monkeypatch, capsys):
    def fail(arguments):
        raise error

    monkeypatch.setattr(cli, "_dispatch", fail)
    assert main(["demo"]) == code
    printed = capsys.readouterr().err
    assert text in printed
    assert "Traceback" not in printed


def test_traceback_on_request(monkeypatch, capsys):
    def fail(arguments):
        raise RuntimeError("the disk burns")

    monkeypatch.setattr(cli, "_dispatch", fail)
    main(["demo", "--traceback"])
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("ANYSENSE_DEBUG", "1")
    main(["demo"])
    assert "Traceback" in capsys.readouterr().err


def test_as_a_program():
    def run(*arguments):
        command = [sys.executable, "-m", "anysense.runs.cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = run("tran")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Did you mean 'train'?" in done.stderr
    assert run("--version").stdout.startswith("anysense 0.")
