import dataclasses
import errno
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import anysense
from anysense.common.extras import MissingExtraError
from anysense.runs import cli, settings
from anysense.runs.cli import COMMANDS, main
from anysense.runs.errors import exit_code, report_error
from anysense.runs.settings import parse


def test_help_lists_every_command(capsys):
    assert main([]) == main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)
    assert main(["data"]) == 0
    assert max(map(len, (text + capsys.readouterr().out).splitlines())) <= 80


@pytest.mark.parametrize("width", [50, 60, 80, 200])
def test_overviews_fit_the_terminal(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["--help"]) == main(["data"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= width
    for _, described in COMMANDS.values():
        assert " ".join(text.split()).count(described) == 1


def test_unknown_command(capsys):
    assert main(["pretran"]) == 2
    names = ", ".join(f"'{name}'" for name in COMMANDS)
    assert capsys.readouterr().err == (
        f"Error: `command` must be one of {names}; got 'pretran'. Did you mean 'pretrain'?\n"
    )


@pytest.mark.parametrize("command", ["demo", "pretrain", "train", "evaluate", "compare", "classify", "align"])
def test_unknown_preset(command, refused):
    assert "`preset` must be one of 'smoke', 'default', 'paper'; got 'papre'. Did you mean 'paper'?" in (
        refused(command, "--preset", "papre")
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--senses", "sound"], "`--senses` is called `--modalities` now."),
        (["train", "--senses=sound"], "`--senses` is called `--modalities` now."),
        (["evaluate", "--max-torque", "1"], "`--max-torque` is called `--reference-option max_torque=...` now."),
        (["train", "--physics", "gym-0.19"], "`--physics` is called `--env-option physics=...` now."),
        (["report", "out/evaluate/001", "--docs", "docs"], "`--docs` is called `--out` now."),
        (["classify", "--methods", "gmc,mfm"], "values separated by spaces: --methods gmc mfm; got 'gmc,mfm'"),
        (["compare", "--methods=gmc,mvae"], "values separated by spaces: --methods gmc mvae; got 'gmc,mvae'"),
        (["train", "--modalities", "image,sound"], "values separated by spaces: --modalities image sound"),
    ],
)
def test_forms_of_earlier_versions_name_the_new_one(arguments, message, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refused(*arguments)
    assert not list(tmp_path.iterdir())


def test_an_option_of_one_command_stays_where_it_is_right(tmp_path, refused):
    message = refused("pretrain", "--physics", "gym-0.18", "--out", tmp_path)
    assert "gym-0.19" in message
    assert "is called" not in message


def test_unknown_option_names_the_nearest(refused):
    error = refused("pretrain", "--epoch", "3")
    assert "--epoch" in error
    assert "--epochs" in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "-1"], "`seed` must be a whole number from 0 to 4294967295, got -1"),
        (["--threads", "0"], "`threads` must be at least 1; got 0"),
        (["--device", "gpu"], "`device` must be 'auto', or what this machine has"),
        (["--seed", "4294967296"], "`seed` must be a whole number from 0 to 4294967295, got 4294967296"),
        (["--name", "a/b"], "`name` expected one name without separators"),
    ],
)
def test_bad_common_values(options, message, tmp_path, refused):
    assert message in refused("pretrain", "--preset", "smoke", "--out", tmp_path, *options)
    assert not list(tmp_path.rglob("run.json"))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("x"), 2),
        (TypeError("x"), 2),
        (FileNotFoundError("x"), 2),
        (FileExistsError("x"), 2),
        (RuntimeError("x"), 1),
        (OSError("disk full"), 1),
        (ModuleNotFoundError("x"), 1),
        (MissingExtraError("x"), 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_become_exit_codes_and_one_line(error, code, monkeypatch, capsys):
    def fail(arguments):
        raise error

    monkeypatch.setattr(cli, "_dispatch", fail)
    assert main(["demo"]) == exit_code(error) == code
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("module", "extra", "arguments"),
    [
        ("optuna", "tune", ["tune", "--data", "mosei-offline"]),
        ("wandb", "wandb", ["pretrain", "--logger", "wandb"]),
        ("mlflow", "mlflow", ["pretrain", "--logger", "mlflow"]),
        ("submitit", "slurm", ["compare", "--launcher", "slurm"]),
        ("ray", "ray", ["compare", "--launcher", "ray"]),
        ("huggingface_hub", "hub", ["evaluate", "--agent", "hub:me/pendulum"]),
        ("gdown", "data", ["data", "mhd"]),
    ],
)
def test_a_missing_extra_is_wrong_input_and_says_what_to_install(
    module, extra, arguments, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    assert main(arguments) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("Error: ")
    assert f"{module}, which is not installed: pip install 'anysense[{extra}]'" in message
    assert "ModuleNotFoundError" not in message
    assert not list(tmp_path.rglob("run.json"))


def test_report_is_one_paragraph_and_a_traceback_only_on_request(monkeypatch, capsys):
    report_error(ValueError("`a` expected\n  b, got c."))
    assert capsys.readouterr().err == "Error: `a` expected b, got c.\n"
    report_error(RuntimeError("it broke"))
    assert capsys.readouterr().err == "Error: RuntimeError: it broke (--traceback shows where.)\n"
    report_error(IsADirectoryError(21, "Is a directory", "out/agent"))
    assert capsys.readouterr().err == "Error: `out/agent`: Is a directory.\n"

    def fail(arguments):
        raise RuntimeError("it broke")

    monkeypatch.setattr(cli, "_dispatch", fail)
    main(["demo", "--traceback"])
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("ANYSENSE_DEBUG", "1")
    main(["demo"])
    assert "Traceback" in capsys.readouterr().err


def test_as_a_program(shell, tmp_path):
    assert "Did you mean 'train'?" in shell(tmp_path, "-m", "anysense.runs.cli", "tran", expected=2)
    assert shell(tmp_path, "-m", "anysense", "--version") == f"anysense {anysense.__version__}\n"


def test_the_backend_of_a_notebook_stops_no_command(shell, tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "nowhere")
    code = "import sys; sys.argv[1:] = ['--version']; from anysense.runs.cli import main; main(); import matplotlib"
    assert shell(tmp_path, "-c", code) == f"anysense {anysense.__version__}\n"


def test_completion_offers_commands_and_options(tmp_path, capsys):
    typed = {"pre": ["pretrain"], "--v": ["--version"], "report --rea": ["--readme"], "report x --na": ["--name"]}
    assert main(["--completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    for line, offered in typed.items():
        ask = f'anysense() {{ {sys.executable} -m anysense "$@"; }}; . ./script; COMP_WORDS=(anysense {line}); '
        ask += "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _anysense; printf '%s\\n' \"${COMPREPLY[@]}\" | sort -u"
        done = subprocess.run(["bash", "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.split() == offered
    for shell_name in ("zsh", "fish"):
        assert main(["--completion", shell_name]) == 0
        assert COMMANDS.keys() <= set(capsys.readouterr().out.replace('"', " ").split())
    assert main(["--completion", "tcsh"]) == 2


HEAVY = {"torch", "lightning", "stable_baselines3", "matplotlib", "scipy", "sklearn", "librosa", "numba"}
WITHOUT_REPORTS = ("pretrain", "train", "evaluate", "compare", "classify", "retrieve", "tune")
"""Commands that import what writes reports when there is something to write."""
QUICK = [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS), ["data", "show", "--help"]]
QUICK += [["pretrain", "--method", "mfm", "--help"], ["classify", "--data", "mosei-offline", "--help"]]
QUICK += [["data", "mhd", "--help"], ["train", "--total-step", "3"], ["evaluate", "--preset", "papre"], ["trian"]]


@pytest.mark.parametrize("arguments", QUICK, ids=" ".join)
def test_nothing_heavy_is_imported_before_arguments_are_read(arguments, shell, tmp_path):
    code = "import sys; from anysense.runs.cli import main; end = main(sys.argv[1:])\n"
    code += "print(end, *sorted(sys.modules), file=sys.stderr)"
    status, *modules = shell(tmp_path, "-c", code, *arguments).splitlines()[-1].split()
    assert status == ("0" if arguments[-1] in ("--help", "--version") else "2")
    assert not HEAVY & set(modules)
    assert arguments[0] not in WITHOUT_REPORTS or "anysense.runs.page.write" not in modules
    assert not list(tmp_path.iterdir())


PRINTING = """
import sys
from anysense.runs import cli, execute
from anysense.runs.settings import CommonSettings, parse

def work(settings, run, device):
    print("working [red]日本[/]", file=sys.stderr)
    return [f"Results: {run.path}", "x" * 100_000]

def dispatch(arguments):
    execute.execute("demo", arguments, lambda typed: parse(CommonSettings(), typed, "demo"), work)

execute.use_machine = lambda settings: "cpu"
cli._dispatch = dispatch
sys.exit(cli.main())
"""


@pytest.mark.parametrize(
    ("encoding", "redirection"),
    [("utf-8", "| true"), ("utf-8", ">&- 2>&- <&-"), ("utf-8", ">/dev/full 2>/dev/full"), ("cp1252", "")],
)
def test_printing_decides_nothing(encoding, redirection, tmp_path):
    command = [sys.executable, "-c", PRINTING, "--out", "日本", "--name", "a"]
    done = subprocess.run(
        ["bash", "-c", f"{shlex.join(command)} {redirection}; exit ${{PIPESTATUS[0]}}"],
        cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert json.loads((tmp_path / "日本/demo/a/run.json").read_bytes())["status"] == "finished"
    if not redirection:
        assert b"Results: \\u65e5\\u672c/demo/a\n" in done.stdout


@dataclasses.dataclass(frozen=True)
class Everything:
    """Options of every kind."""

    whole: int = 1
    whole_or_not: int | None = 2
    several: tuple[int, ...] = (3,)
    place: Path = Path("a")
    place_or_not: Path | None = None
    places: tuple[Path, ...] = ()
    word: str | None = None


def test_values_are_read_in_any_usual_form(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    numbers = parse(Everything(), ["--whole", "1e4", "--whole-or-not", "10_000", "--several", "2", "1.5e3"], "x")
    assert (numbers.whole, numbers.whole_or_not, numbers.several) == (10_000, 10_000, (2, 1_500))
    paths = parse(Everything(), ["--place=~/b", "--place-or-not", "~", "--places", "~/c", "d~"], "x")
    assert (paths.place, paths.place_or_not, paths.places) == (tmp_path / "b", tmp_path, (tmp_path / "c", Path("d~")))
    assert parse(Everything(), ["--whole-or-not", "None"], "x").whole_or_not is None
    with pytest.raises(SystemExit):
        parse(Everything(), ["--whole", "many"], "x")
    assert "expected a whole number such as 12000 or 1.2e4, got 'many'" in capsys.readouterr().err
    for wrong in (["--whole", "1.5"], ["--whole", "1e400"], ["--whole", "1e16"], ["--place", "~nobody-of-this-name/x"]):
        with pytest.raises(SystemExit) as leaving:
            parse(Everything(), wrong, "x")
        assert leaving.value.code == 2
        assert wrong[0] in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse(Everything(), ["--help"], "x")
    assert "{None}" not in capsys.readouterr().out


def test_every_command_reads_its_options_in_one_place():
    calls = [path.name for path in Path(settings.__file__).parent.rglob("*.py") if "tyro.cli(" in path.read_text()]
    assert calls == ["settings.py"]


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (OSError(errno.ENAMETOOLONG, "File name too long", "out/aaa"), 2, "Error: `out/aaa`: File name too long."),
        (OSError(errno.EROFS, "Read-only file system", "out"), 1, "Error: Cannot write `out` (Read-only"),
        (OSError(errno.ENOSPC, "Cannot write `a` (no space left)"), 1, "Error: Cannot write `a` (no space left)"),
    ],
)
def test_what_the_system_refuses_is_named_without_numbers(error, code, text, capsys):
    assert report_error(error) == code
    assert capsys.readouterr().err.startswith(text)
