"""`anysense retrieve` from the command line: a tiny comparison, its report, resuming, wrong input."""

import json

import pytest

from anysense.runs.cli import main
from tests.mfeat_files import write_mfeat


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("mfeat")
    write_mfeat(path)
    return path


def retrieve(out, folder, *options):
    return main(["retrieve", "--preset", "smoke", "--out", str(out), "--folder", str(folder), "--jobs", "1", *options])


def test_a_table_a_report_and_records(folder, tmp_path, capsys):
    options = ["--name", "a", "--methods", "gmc", "--train", "100", "--test", "30"]
    assert retrieve(tmp_path, folder, *options) == 0
    shown = capsys.readouterr().out
    assert "Retrieval: mfeat" in shown
    assert "from 5 modalities" in shown
    run = tmp_path / "retrieve" / "a"
    content = json.loads((run / "results" / "report.json").read_text())
    found = {
        (record["subset"], record["metric"], record["condition"]): record["value"] for record in content["records"]
    }
    assert 0 <= found["", "recall_1_volume", "from 5"] <= found["", "recall_10_volume", "from 5"] <= 1
    assert found["", "rank_cosine", "from 1 to pix"] >= 1
    assert {condition for _, _, condition in found if " to " in condition} == {f"from {n} to pix" for n in range(1, 6)}
    assert "Only pix as the candidate" in (run / "results" / "report.md").read_text()
    job = json.loads(next((run / "jobs").rglob("result.json")).read_text())
    assert {one["condition"] for one in job["records"] if one["condition"].startswith("to ")} == {
        f"to {name}" for name in ("fou", "fac", "kar", "pix", "zer", "mor")
    }
    assert (run / "figures" / "recall_1_volume.png").is_file()
    assert main(["retrieve", "--out", str(tmp_path), "--name", "a", "--folder", str(folder), "--resume"]) == 0
    assert json.loads((run / "results" / "report.json").read_text())["records"] == content["records"]


def test_wrong_input_leaves_nothing(folder, tmp_path, capsys):
    assert retrieve(tmp_path / "out", tmp_path) == 2
    advice = f"mfeat-fou` does not exist. `anysense data mfeat --folder {tmp_path}` fetches"
    assert advice in capsys.readouterr().err.replace("\n", " ")
    assert retrieve(tmp_path / "out", folder, "--methods", "gmx") == 2
    assert "Did you mean 'gmc'" in capsys.readouterr().err
    assert retrieve(tmp_path / "out", folder, "--test", "1900") == 2
    assert "`train` and `test` must be multiples of 10" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
