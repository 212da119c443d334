"""What a command advises after an interrupt or a failure is what goes on with its run."""

import errno
import shlex
from types import SimpleNamespace

import pytest

from anysense.runs import execute
from anysense.runs.cli import COMMANDS, guarded, main
from anysense.runs.commands import classify, data_show, evaluate, report
from anysense.runs.settings import ResumableSettings


def advised(error):
    """The arguments of the command that the last line of stderr tells to type."""
    name, *arguments = shlex.split(error.strip().splitlines()[-1].rpartition("type: ")[2])
    assert name == "anysense"
    return arguments


def raising(error):
    def fail(*args, **kwargs):
        raise error

    return fail


@pytest.mark.parametrize("command", ["classify", "retrieve"])
def test_advice_after_an_interrupt_goes_on_with_the_run(tiny, tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    options = ["--preset", "smoke", "--data", "tiny", "--methods", "gmc", "--jobs", "1", "--folder", "my data"]
    with monkeypatch.context() as patch:
        patch.setattr(classify, "classify_one", raising(KeyboardInterrupt()))
        assert main([command, *options, "--docs", "docs/a"]) == 130
    again = advised(capsys.readouterr().err)
    assert again == [command, "--resume", "--name", "001", "--docs", "docs/a", "--folder", "my data"]
    monkeypatch.setattr(classify, "classify_one", raising(RuntimeError("the job is done")))
    assert main(again) == 1
    assert "the job is done" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out" / command).iterdir()] == ["001"]


def test_an_interrupt_while_a_run_that_goes_on_is_checked_says_how_it_goes_on(tmp_path, monkeypatch, capsys):
    run = SimpleNamespace(
        path=tmp_path / "001", record={"command": "train", "arguments": [], "settings": {"resume": 0}}
    )
    monkeypatch.setattr(execute, "resumed", lambda settings, *others: (settings, run))
    settings, stop = ResumableSettings(resume=True), raising(KeyboardInterrupt())
    assert guarded(lambda typed: execute.execute("train", typed, lambda _: settings, stop, stop), ["--resume"]) == 130
    assert advised(capsys.readouterr().err) == ["train", "--resume", "--name", "001"]


def test_a_full_disk_gives_the_same_advice(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ["--preset", "smoke", "--data", "tiny", "--methods", "gmc", "--jobs", "1", "--out", "here", "--name", "x"]
    monkeypatch.setattr(classify, "classify_one", raising(OSError(errno.ENOSPC, "No space left on device", "file")))
    assert main(["classify", *options]) == 1
    assert advised(capsys.readouterr().err) == ["classify", "--resume", "--name", "x", "--out", "here"]


def test_what_cannot_go_on_is_advised_to_be_done_again(trained, monkeypatch, capsys):
    options = [str(trained / "train" / "a"), "--preset", "smoke", "--out", str(trained)]
    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "evaluate_agent", raising(KeyboardInterrupt()))
        assert main(["evaluate", *options, "--name", "cut"]) == 130
        message = capsys.readouterr().err
        assert "--resume" not in message
        again = advised(message)
        assert again == ["evaluate", *options]
        assert main(again) == 130  # a new folder: accepted as typed


def test_a_part_of_data_is_advised_with_its_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("_load", "_some_of_each_class"):
        monkeypatch.setattr(data_show, name, lambda *args: None)
    monkeypatch.setattr(data_show, "write_figure", raising(KeyboardInterrupt()))
    assert main(["data", "show", "mhd-offline", "--name", "a", "--seed", "3"]) == 130
    assert advised(capsys.readouterr().err) == ["data", "show", "mhd-offline", "--seed", "3"]


def test_an_interrupt_before_a_run_advises_nothing_that_is_not_there(monkeypatch, capsys):
    monkeypatch.setattr(report, "parse_report", raising(KeyboardInterrupt()))
    assert main(["report", "x"]) == 130
    message = capsys.readouterr().err
    assert message.startswith("Interrupted. Type the command again")
    assert "--resume" not in message


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "data"])
def test_only_commands_that_have_resume_speak_of_it(command, capsys):
    with pytest.raises(SystemExit):
        __import__("anysense.runs.commands." + command, fromlist=["main"]).main(["--help"])
    text = capsys.readouterr().out
    assert ("--resume" in text) == (command not in ("evaluate", "play", "push", "report"))
