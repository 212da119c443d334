import json
import shutil

import pytest

from anysense.runs.locate import find_agent, find_representation, lineage_of, world_of
from anysense.runs.run_folder import RunFolder


@pytest.fixture
def copied(evaluated, tmp_path):
    """The runs of the tiny agent in a folder of their own."""
    for command in ("pretrain", "train"):
        shutil.copytree(evaluated / command, tmp_path / command, ignore=shutil.ignore_patterns("tensorboard"))
    return tmp_path


def test_what_a_run_made_is_found_by_any_of_its_folders(copied):
    representation = copied / "pretrain" / "a" / "representation"
    for path in (representation, representation.parent, None):
        assert find_representation(path, copied) == representation
    assert find_agent(copied / "train" / "a", copied) == copied / "train" / "a" / "agent"
    assert world_of(representation).id == "anysense/MultimodalPendulum-v0"


def test_runs_that_are_not_finished_are_not_taken(copied):
    path = copied / "pretrain" / "a" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": "failed"}))
    with pytest.raises(FileNotFoundError, match="holds no finished run with one"):
        find_representation(None, copied)
    assert find_representation(path.parent, copied) == path.parent / "representation"


def test_a_representation_without_a_world(copied):
    path = copied / "pretrain" / "a" / "representation" / "representation.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "world": None}))
    with pytest.raises(ValueError, match="was not trained on observations of an environment; name one with `--env`"):
        world_of(path.parent)


def test_lineage_ends_where_runs_name_each_other(copied):
    agent, run = copied / "train" / "a" / "agent", RunFolder.open(copied / "train" / "a")
    run.record["settings"]["representation"] = str(copied / "pretrain" / "a" / "representation")
    run.mark("finished")
    assert [record["command"] for record in lineage_of(agent)] == ["pretrain", "train"]
    run.record["settings"]["representation"] = str(copied / "train" / "a" / "representation")
    run.mark("finished")
    assert [record["command"] for record in lineage_of(agent)] == ["train"]
