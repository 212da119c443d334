import csv
import json

import pytest

from anysense.common import files as atomic
from anysense.runs import files


def test_json_round_trip_and_no_leftovers(tmp_path):
    path = files.write_json(tmp_path / "deep" / "a.json", {"a": [1, 2.5, None]})
    assert files.read_json(path) == {"a": [1, 2.5, None]}
    assert [entry.name for entry in path.parent.iterdir()] == ["a.json"]


def test_a_failing_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = files.write_text(tmp_path / "a.txt", "old")

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_nan_is_not_written_as_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", {"a": float("nan")})


def test_csv(tmp_path):
    path = files.write_csv(tmp_path / "a.csv", ["a", "b"], [{"a": 1, "b": "x,y"}, {"a": 2, "b": ""}])
    with path.open() as file:
        assert list(csv.DictReader(file)) == [{"a": "1", "b": "x,y"}, {"a": "2", "b": ""}]
    with pytest.raises(ValueError, match="not in fieldnames"):
        files.write_csv(path, ["a"], [{"c": 1}])


def test_a_cut_file_is_a_clear_error(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"a": 1})[:-3])
    with pytest.raises(ValueError, match=r"run\.json` is not readable as JSON .* Restore it or start a new run"):
        files.read_json(path)
