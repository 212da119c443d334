import dataclasses
import io
import json
import re
from pathlib import Path

import pytest

from anysense.common.errors import FileFormatError
from anysense.runs.run_folder import FORMAT_VERSION, RunFolder, newest_run, plain


@dataclasses.dataclass
class Inner:
    sizes: tuple[int, ...] = (1, 2)


@dataclasses.dataclass
class Settings:
    inner: Inner
    out: Path = Path("out")
    name: str | None = None
    seed: int = 3


def create(tmp_path, name=None, command="train"):
    return RunFolder.create(Settings(Inner(), tmp_path, name), command, ["--seed", "3", "--name", "two words"])


def test_record_holds_what_a_reader_needs(tmp_path):
    run = create(tmp_path, "a")
    record = json.loads((tmp_path / "train" / "a" / "run.json").read_text())
    assert record == run.record
    assert record["command_line"] == "anysense train --seed 3 --name 'two words'"
    assert record["settings"] == {"inner": {"sizes": [1, 2]}, "out": str(tmp_path), "name": "a", "seed": 3}
    assert (record["seed"], record["status"], record["format_version"]) == (3, "running", FORMAT_VERSION)
    assert {"python", "torch", "numpy", "gymnasium", "stable-baselines3", "lightning", "anysense"} <= record[
        "versions"
    ].keys()
    assert set(record["machine"]) - {"gpu"} == {"cpu", "cores", "os"}


def test_what_was_found_is_recorded_before_what_was_typed(tmp_path):
    settings = Settings(Inner(), tmp_path)
    run = RunFolder.create(settings, "align", ["--methods", "gmc", "mfm"], ["out/classify/001"])
    assert run.record["arguments"] == ["out/classify/001", "--methods", "gmc", "mfm"]
    assert run.record["command_line"] == "anysense align out/classify/001 --methods gmc mfm"


def test_numbers_are_given_to_unnamed_runs(tmp_path):
    (tmp_path / "train" / "007").mkdir(parents=True)
    assert [create(tmp_path).path.name for _ in range(2)] == ["008", "009"]


def test_existing_folder_is_refused(tmp_path):
    create(tmp_path, "a")
    with pytest.raises(FileExistsError, match=r"train/a` exists already\. Choose another --name or remove"):
        create(tmp_path, "a")


@pytest.mark.parametrize("name", ["", "a/b", "..", "/a"])
def test_bad_names_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="`name` expected one name without separators"):
        create(tmp_path, name)
    assert not (tmp_path / "train" / "run.json").exists()


def test_status_follows_the_work(tmp_path):
    run = create(tmp_path, "a")
    with run.working():
        assert RunFolder.open(run.path).status == "running"
    finished = RunFolder.open(run.path)
    assert finished.status == "finished"
    assert finished.record["peak_memory"] > 1e6
    with pytest.raises(RuntimeError, match="broke"), create(tmp_path, "b").working():
        raise RuntimeError("broke")
    failed = RunFolder.open(tmp_path / "train" / "b")
    assert (failed.status, failed.record["error"]) == ("failed", "RuntimeError: broke")
    with pytest.raises(KeyboardInterrupt), create(tmp_path, "c").working():
        raise KeyboardInterrupt
    assert RunFolder.open(tmp_path / "train" / "c").status == "interrupted"


def test_a_run_that_goes_on_is_running_and_forgets_its_end(tmp_path):
    run = create(tmp_path, "a")
    with pytest.raises(OSError, match="full"), run.working():
        raise OSError("full")
    again = RunFolder.open(run.path)
    assert again.status == "failed"
    with again.working():
        now = RunFolder.open(run.path)
        assert (now.status, now.record.keys() & {"error", "ended"}) == ("running", set())
    finished = RunFolder.open(run.path)
    assert finished.status == "finished"
    with finished.working():  # continued although it was done: what it writes says no time of before
        assert not finished.record.keys() & {"ended", "seconds", "peak_memory"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("`batch_size` is too large"), "refused"),
        (TypeError("`policy` must be a function"), "refused"),
        (FileFormatError("`last.ckpt` is damaged"), "failed"),
        (io.UnsupportedOperation("a ValueError of the operating system"), "failed"),
        (RuntimeError("the environment failed"), "failed"),
        (PermissionError("read-only"), "failed"),
    ],
)
def test_what_failed_on_its_input_is_never_the_newest(error, status, tmp_path):
    create(tmp_path, "a")
    with pytest.raises(type(error)), create(tmp_path, "b").working():
        raise error
    assert RunFolder.open(tmp_path / "train" / "b").status == status
    assert newest_run(tmp_path, ["train"], finished=False).path.name == ("a" if status == "refused" else "b")


def test_a_place_where_nothing_can_be_made_says_what_to_do():
    message = "Cannot write `/proc/nowhere/train` (No such file or directory); choose another folder"
    with pytest.raises(FileNotFoundError, match=re.escape(message)):
        create(Path("/proc/nowhere"))


def test_newest_run_by_status(tmp_path):
    assert newest_run(tmp_path, ["train"]) is None
    for name in "ab":
        with create(tmp_path, name).working():
            pass
    create(tmp_path, "c")
    (tmp_path / "train" / "stray").mkdir()
    assert newest_run(tmp_path, ["train", "demo"]).path.name == "b"
    assert newest_run(tmp_path, ["train"], finished=False).path.name == "c"


def damaged(tmp_path, **changes):
    run = create(tmp_path, "a")
    record = {**run.record, **changes}
    (run.path / "run.json").write_text(json.dumps({key: value for key, value in record.items() if value is not ...}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"format_version": 99},
            r"version 99; this release of anysense reads version 2\. It was written by",
        ),
        ({"format": "other"}, "does not describe a run: expected an entry"),
        ({"command": "pretrain"}, "is a run of `anysense pretrain`, expected one of `anysense train`"),
    ],
)
def test_other_records_are_refused(tmp_path, changes, message):
    damaged(tmp_path, **changes)
    with pytest.raises(ValueError, match=message):
        RunFolder.open(tmp_path / "train" / "a", "train")


def test_incomplete_record_is_refused(tmp_path):
    run = create(tmp_path, "a")
    del run.record["seed"]
    (run.path / "run.json").write_text(json.dumps(run.record))
    with pytest.raises(ValueError, match=r"run.json` is damaged: the content lacks \[.seed.\]"):
        RunFolder.open(run.path)


def test_missing_runs_are_a_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a folder; expected a run folder"):
        RunFolder.open(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match=r"holds no run\.json"):
        RunFolder.open(tmp_path)


def test_plain_settings():
    assert plain({"a": (1, Path("x")), "b": Inner()}) == {"a": [1, "x"], "b": {"sizes": [1, 2]}}
