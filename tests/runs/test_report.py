import csv
import json
import shutil

import numpy as np
import pytest

from anysense.agents.results import load_results, save_results
from anysense.runs.cli import main
from anysense.runs.commands.report import BEGIN, END, replace_block


@pytest.fixture
def two_seeds(evaluated, tmp_path):
    """The evaluation of the tiny agent, and a copy of it that claims another seed and is a little better."""
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        shutil.copytree(evaluated / "evaluate" / "a", folder)
    saved = load_results(folders[1] / "results")
    saved.details["facts"]["seed"] = 1
    saved.summary[0]["average_reward"]["value"] += 0.2
    save_results(folders[1] / "results", saved.results, saved.summary, saved.details)
    return folders


def test_report_of_two_seeds(two_seeds, tmp_path, capsys):
    readme = tmp_path / "README.md"
    readme.write_text(f"# x\n{BEGIN}\nold\n{END}\nend\n")
    assert main(["report", *map(str, two_seeds), "--docs", str(tmp_path / "docs"), "--readme", str(readme)]) == 0
    values = [load_results(folder / "results").summary[0]["average_reward"]["value"] for folder in two_seeds]
    mean, half = np.mean(values), 12.7062 * np.std(values, ddof=1) / np.sqrt(2)  # t quantile for one degree of freedom
    line = f"| image and sound | {mean:.3f} [{mean - half:.3f}, {mean + half:.3f}] |"
    text = (tmp_path / "docs" / "pendulum.md").read_text()
    for document in (text, readme.read_text(), capsys.readouterr().out):
        assert line in document
    assert readme.read_text().startswith(f"# x\n{BEGIN}\n| modalities |")
    assert readme.read_text().endswith(f"{END}\nend\n")
    assert "[docs/pendulum.md](docs/pendulum.md)" in readme.read_text()
    assert "Training seeds 0, 1; 8 episodes of 100 steps each; in brackets 95% t intervals over seeds. Machine:" in text
    assert text.count("anysense pretrain --preset smoke") == 2
    with (tmp_path / "docs" / "pendulum.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["average_reward"]) for row in rows if row["condition"] == "image and sound"] == values
    assert (tmp_path / "docs" / "pendulum-learning-curves.png").is_file()
    assert json.loads((tmp_path / "docs" / "pendulum.json").read_text()).keys() == {"0", "1"}


def test_report_of_one_seed_keeps_the_intervals_over_episodes(two_seeds, tmp_path):
    assert main(["report", str(two_seeds[0]), "--docs", str(tmp_path / "docs"), "--name", "one"]) == 0
    row = load_results(two_seeds[0] / "results").summary[0]["average_reward"]
    text = (tmp_path / "docs" / "one.md").read_text()
    assert f"| image and sound | {row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}] |" in text
    assert "in brackets 95% bootstrap intervals over episodes" in text


def test_bad_input(two_seeds, tmp_path, capsys):
    first, second = map(str, two_seeds)
    docs = ["--docs", str(tmp_path / "docs")]
    for arguments, message in (
        ([], "`runs` is missing"),
        ([first, first, *docs], "`runs` expected one evaluation per seed, got the seeds [0, 0]"),
        ([str(tmp_path / "nothing"), *docs], "is not a folder; expected a run folder"),
    ):
        assert main(["report", *arguments]) == 2
        assert message in capsys.readouterr().err
    saved = load_results(two_seeds[1] / "results")
    save_results(two_seeds[1] / "results", saved.results, saved.summary[1:], saved.details)
    assert main(["report", first, second, *docs]) == 2
    assert "seed 1 differs from seed 0. Evaluate all agents with the same options." in capsys.readouterr().err
    assert not (tmp_path / "docs").exists()


def test_missing_markers():
    with pytest.raises(ValueError, match=r"`readme` README\.md needs the lines <!-- results:begin -->"):
        replace_block("no markers", "x", "README.md")
