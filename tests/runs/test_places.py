"""Folders that a user names and that cannot be written are refused before anything is made for them."""

import pytest

from anysense.representations.data.offline import build
from anysense.representations.data.readers import sentiment

DATA = ["--train", "20", "--test", "20"]


COMMANDS = {
    "classify": ["classify", "--preset", "smoke", "--data", "mhd-offline", *DATA],
    "retrieve": ["retrieve", "--preset", "smoke", "--data", "mhd-offline", *DATA],
    "show": ["data", "show", "mhd-offline", *DATA],
    "data": ["data", "mhd-offline", *DATA],
}
PLACES = [
    (name, option) for name in COMMANDS for option in ("--folder", "--out") if (name, option) != ("data", "--out")
]


@pytest.mark.parametrize(("command", "option"), PLACES)
def test_nothing_is_made_for_a_place_that_cannot_be_written(command, option, monkeypatch, tmp_path, refused):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(build, "_make", None)  # making the data would be another error
    error = refused(*COMMANDS[command], option, "/dev/null/x")
    assert "`/dev/null/x" in error
    assert "choose another folder" in error
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_converted_for_it(monkeypatch, tmp_path, refused):
    monkeypatch.setattr(sentiment, "find_source", lambda name, folder: [])
    monkeypatch.setattr(sentiment, "_conversion", None)
    assert "Cannot write `/dev/null/x` (Not a directory)" in refused("data", "mosei", "--folder", "/dev/null/x")
