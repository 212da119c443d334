"""Going on with runs: from other places, by several processes, after kills at every point of a write."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anysense.agents import training
from anysense.common import files
from anysense.common.files import write_text
from anysense.runs import run_folder
from anysense.runs.cli import main
from anysense.runs.inputs import digest_of
from anysense.runs.lock import LOCK, OWNER, locked

TRAIN = ["train", "--preset", "smoke", "--total-steps", "500", "--eval-every", "300"]
POLICY = Path("last_agent/policy.safetensors")
KILLED = """
import os, sys
from anysense.runs.cli import main
count, name, real = 0, {call!r}, getattr(os, {call!r})
def killed(*args, **kwargs):
    global count
    count += 1
    if count == {point}:
        os._exit(9)
    return real(*args, **kwargs)
setattr(os, name, killed)
sys.exit(main({arguments!r}))
"""
WORKING = """
import sys, time
from pathlib import Path
from anysense.runs.cli import guarded
from anysense.runs.run_folder import RunFolder
def work(arguments):
    run = RunFolder.open(arguments[0])
    with run.working():
        Path(arguments[0], "started").touch()
        time.sleep(60)
sys.exit(guarded(work, sys.argv[1:]))
"""


@pytest.fixture
def cut(trained, tmp_path, monkeypatch):
    """An `out` folder in a folder of its own with a pretraining and a training that was interrupted, named `cut`."""
    out = tmp_path / "first" / "out"
    shutil.copytree(trained / "pretrain", out / "pretrain")
    monkeypatch.chdir(out.parent)
    save = training.write_checkpoint

    def interrupted(*args, **kwargs):
        save(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "write_checkpoint", interrupted)
        assert main([*TRAIN, "--name", "cut", "--representation", "out/pretrain/a"]) == 130
    return out


def resume(*arguments):
    return main(["train", "--resume", "--name", "cut", *map(str, arguments)])


def test_inputs_are_found_from_another_folder_and_after_a_move(cut, tmp_path, monkeypatch):
    assert main([*TRAIN, "--name", "whole", "--representation", "out/pretrain/a"]) == 0
    monkeypatch.chdir(tmp_path)
    moved = tmp_path / "second" / "place"
    shutil.copytree(cut, moved)
    assert resume("--out", cut) == 0  # the absolute path
    shutil.rmtree(cut)
    assert resume("--out", moved) == 0  # as seen from the run
    assert (moved / "train/cut" / POLICY).read_bytes() == (moved / "train/whole" / POLICY).read_bytes()


def test_another_path_counts_if_its_content_is_the_same(cut, tmp_path, monkeypatch, refused):
    copy = tmp_path / "copy"
    shutil.copytree(cut / "pretrain" / "a" / "representation", copy)
    shutil.rmtree(cut / "pretrain")
    message = refused("train", "--resume", "--out", cut)
    assert "`representation`: what" in message
    assert "name where it is now" in message
    described = json.loads((copy / "representation.json").read_text())
    write_text(tmp_path / "other" / "representation.json", json.dumps({**described, "latent_dim": 3}))
    other = refused("train", "--resume", "--out", cut, "--representation", tmp_path / "other")
    assert "`--representation`" in other
    assert "holds something else than what" in other
    assert resume("--out", cut, "--representation", copy) == 0


def test_places_are_never_taken_from_a_record(cut, tmp_path):
    path = cut / "train" / "cut" / "run.json"
    record = json.loads(path.read_text())
    elsewhere = str(tmp_path / "elsewhere")
    record["arguments"] += ["--out", elsewhere, f"--name={elsewhere}"]
    path.write_text(json.dumps(record))
    assert resume() == 0
    assert not Path(elsewhere).exists()


def test_content_of_folders(tmp_path):
    for name in "ab":
        write_text(tmp_path / name / "x" / "data.bin", "12")
    assert digest_of(tmp_path / "a") == digest_of(tmp_path / "b")
    write_text(tmp_path / "b" / "x" / "data.bin", "123")
    assert digest_of(tmp_path / "a") != digest_of(tmp_path / "b")


def test_a_run_is_worked_on_by_one_process(cut, refused, tmp_path):
    folder = cut / "train" / "cut"
    script = tmp_path / "working.py"
    write_text(script, WORKING)
    owner = subprocess.Popen([sys.executable, script, folder], stderr=subprocess.DEVNULL)
    try:
        while not (folder / "started").exists():
            assert owner.poll() is None
            time.sleep(0.05)
        before = (folder / "run.json").read_bytes()
        for _ in range(4):
            message = refused("train", "--resume", "--name", "cut")
            assert f"is being worked on by process {owner.pid} on " in message
        assert (folder / "run.json").read_bytes() == before
    finally:
        owner.terminate()
    assert owner.wait(20) == 143
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    assert not (folder / OWNER).exists()
    assert resume() == 0


def test_a_lock_does_not_outlive_its_process(tmp_path):
    child = os.fork()
    if child == 0:
        with locked(tmp_path):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert (tmp_path / OWNER).exists()
    with locked(tmp_path), pytest.raises(FileExistsError, match=f"process {os.getpid()} on"), locked(tmp_path):
        pass
    assert not (tmp_path / OWNER).exists()


@pytest.mark.parametrize("left", [(), (LOCK,), (LOCK, OWNER, f".{run_folder.RECORD}.{files._HOST}-4194305-1.part")])
def test_a_folder_without_a_record_is_taken_over(trained, tmp_path, left):
    folder = tmp_path / "train" / "x"
    for name in ("", *left):
        (folder / name).touch() if name else folder.mkdir(parents=True)
    assert main([*TRAIN, "--out", str(tmp_path), "--name", "x", "--representation", str(trained / "pretrain/a")]) == 0
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == [LOCK]


@pytest.mark.parametrize(
    "content", ["{", '{"format": 5}', "[" * 100_000, '{"format": "anysense run", "format_version": 2}', "9" * 10_000]
)
def test_unreadable_neighbours_are_passed_over_with_a_word(trained, tmp_path, content, capsys):
    shutil.copytree(trained, tmp_path / "out")
    write_text(tmp_path / "out" / "pretrain" / "z" / "run.json", content)
    (tmp_path / "out" / "pretrain" / ("9" * 200)).mkdir()
    (tmp_path / "out" / "pretrain" / "y" / "run.json").mkdir(parents=True)
    assert main([*TRAIN, "--out", str(tmp_path / "out")]) == 0
    assert f"Passed over {tmp_path / 'out' / 'pretrain' / 'z'}: " in capsys.readouterr().err


@pytest.mark.parametrize(("call", "shares"), [("replace", (0.5, 1)), ("fsync", (0.7,))])
def test_kills_in_a_write_leave_the_same_bits(call, shares, trained, tmp_path, monkeypatch):
    """The n-th call of what puts a file in place kills the process; the run is then continued."""
    pretrained = str(trained / "pretrain" / "a" / "representation")

    def words(name, *options):
        return [*TRAIN, "--out", str(tmp_path), "--name", name, "--representation", pretrained, *options]

    calls = []
    with monkeypatch.context() as patch:
        real = getattr(os, call)
        patch.setattr(os, call, lambda *args, **kwargs: calls.append(args) or real(*args, **kwargs))
        assert main(words("whole")) == 0
    assert len(calls) > 10
    for point in [1 + round(share * (len(calls) - 1)) for share in shares]:
        name = f"cut{point}"
        script = KILLED.format(call=call, point=point, arguments=words(name))
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 9, done.stderr
        again = ["--resume"] if (tmp_path / "train" / name / "run.json").exists() else []
        assert main(words(name, *again)) == 0
        whole, cut = (tmp_path / "train" / one for one in ("whole", name))
        assert (cut / POLICY).read_bytes() == (whole / POLICY).read_bytes()
        assert sorted(path.relative_to(cut) for path in cut.rglob("*") if "tensorboard" not in path.parts) == sorted(
            path.relative_to(whole) for path in whole.rglob("*") if "tensorboard" not in path.parts
        )
