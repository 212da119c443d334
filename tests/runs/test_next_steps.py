"""What commands name at their end as the next thing to type, and what they say of the preset smoke."""

import shlex

import pytest

from anysense.runs.cli import main
from anysense.runs.commands.classify import read
from anysense.runs.comparisons.contents import Report
from anysense.runs.comparisons.more_seeds import more_seeds
from anysense.runs.comparisons.protocol import Protocol
from anysense.runs.comparisons.report import write_report
from anysense.runs.next_steps import typed_next
from anysense.runs.page.write import write_page
from anysense.runs.run_folder import RunFolder
from anysense.runs.tables import Table
from tests.page_examples import run_record


@pytest.mark.parametrize(("seeds", "why", "wanted"), [(1, "Intervals over seeds", 3), (3, "More seeds", 5)])
def test_the_command_for_more_seeds_goes_on_with_the_run(seeds, why, wanted, tmp_path, capsys):
    out = tmp_path / "a folder"
    typed = ["--preset", "smoke", "--data", "mhd-offline", "--methods", "gmc", "--seeds", str(seeds), "--out", str(out)]
    settings = read(typed)
    run = RunFolder.create(settings, "classify", typed)
    line = more_seeds(settings, run)
    assert line.startswith(f"{why}: anysense classify --resume --name 001 ")
    words = shlex.split(line.partition(": ")[2])
    assert main([*words[1:], "--dry-run"]) == 0
    assert capsys.readouterr().out.count("gmc, seed") == wanted


def test_worlds_of_modules_are_confirmed():
    known, own = "anysense/MultimodalPendulum-v0", "mine:Robot-v0"
    assert typed_next("Evaluate it", "evaluate", "a b", env=known) == "Evaluate it: anysense evaluate 'a b'"
    assert typed_next("Evaluate it", "evaluate", "a", env=own) == f"Evaluate it: anysense evaluate a --env {own}"


@pytest.mark.parametrize("presets", [("smoke", "default", "smoke"), ("default", "paper", "default")])
def test_reports_say_that_the_preset_smoke_is_too_short(presets, tmp_path):
    commands = zip(("pretrain", "train", "evaluate"), presets, strict=True)
    runs = [{**run_record(command), "command": command, "settings": {"preset": one}} for command, one in commands]
    report = Report("A title", Protocol(*"abcdefg"), Table(("a",), [("b",)]), (), {}, (), runs)
    caution = (
        "Preset smoke (pretrain, evaluate): too short to learn or to measure anything; it only shows that everything"
    )
    said = presets[0] == "smoke"
    assert report.caution.startswith(caution) == said == bool(report.caution)
    write_report(report, tmp_path / "report")
    write_page(report, tmp_path / "report.html")
    assert (caution in (tmp_path / "report.md").read_text()) == said
    assert (caution in (tmp_path / "report.html").read_text()) == said
