"""Writing that a kill, a full disk or a reader of the old content cannot disturb."""

import csv
import hashlib
import json
import os
import stat
import subprocess
import sys

import pytest

from anysense.common import files


@pytest.fixture
def umask():
    """Set the umask for one test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def entries(folder):
    return sorted(entry.name for entry in folder.iterdir())


def killed(*args):
    raise KeyboardInterrupt


def full(*args):
    raise OSError(28, "No space left on device")


WRITERS = {
    "bytes": lambda path: files.write_bytes(path, b"new"),
    "text": lambda path: files.write_text(path, "new"),
    "json": lambda path: files.write_json(path, ["new"]),
    "csv": lambda path: files.write_csv(path, ["new"], []),
}


def fill_folder(path):
    with files.replace_folder(path) as folder:
        files.write_text(folder / "deep" / "a.txt", "new")


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002, 0o027])
def test_permissions_are_those_of_a_plain_open(name, mask, tmp_path, umask):
    umask(mask)
    (tmp_path / "plain").write_text("x")
    path = WRITERS[name](tmp_path / "deep" / "new")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    path.chmod(0o640)  # as `open` does, an existing file keeps its own
    WRITERS[name](path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    (tmp_path / "folder").mkdir()
    fill_folder(tmp_path / "new folder")
    assert (tmp_path / "new folder").stat().st_mode == (tmp_path / "folder").stat().st_mode


def test_a_writer_that_makes_private_files_does_not_change_the_permissions(tmp_path, umask):
    umask(0o022)

    def private(temporary):
        temporary.unlink()
        os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))

    path = files.replace_file(tmp_path / "a", private)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_file_and_folder_are_synced_before_and_after_the_renaming(tmp_path, monkeypatch):
    seen = []
    fsync, replace = os.fsync, os.replace

    def noted(handle):
        seen.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    monkeypatch.setattr("os.fsync", noted)
    monkeypatch.setattr("os.replace", lambda *args: (seen.append("rename"), replace(*args)))
    monkeypatch.setattr("os.rename", lambda *args: (seen.append("rename"), replace(*args)))
    files.write_text(tmp_path / "a.txt", "a")
    assert seen == ["file", "rename", "folder"]
    seen.clear()
    with files.replace_folder(tmp_path / "b") as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "a.txt").write_text("a")
    assert sorted(seen[:3]) == ["file", "folder", "folder"]
    assert seen[3:] == ["rename", "folder"]


@pytest.mark.parametrize("failure", [killed, full])
@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_failing_write_keeps_the_old_file_and_leaves_nothing_else(name, function, failure, tmp_path, monkeypatch):
    path = files.write_text(tmp_path / "a.txt", "old")
    monkeypatch.setattr(os, function, failure)
    with pytest.raises((KeyboardInterrupt, OSError)):
        WRITERS[name](path)
    assert path.read_text() == "old"
    assert entries(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("failure", [killed, full])
@pytest.mark.parametrize("function", ["fsync", "rename"])
def test_a_failing_write_keeps_the_old_folder_and_leaves_nothing_else(function, failure, tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old.txt").write_text("old")
    monkeypatch.setattr(os, function, failure)
    with pytest.raises((KeyboardInterrupt, OSError)):
        fill_folder(tmp_path / "a")
    assert entries(tmp_path) == ["a"]
    assert entries(tmp_path / "a") == ["old.txt"]


def test_a_kill_between_the_two_renames_of_a_folder_loses_nothing(tmp_path, monkeypatch):
    fill_folder(tmp_path / "a")
    rename, done = os.rename, []

    def second(*args):
        done.append(args)
        return rename(*args) if len(done) == 1 else killed()

    monkeypatch.setattr(os, "rename", second)
    with pytest.raises(KeyboardInterrupt):
        fill_folder(tmp_path / "a")
    monkeypatch.setattr(os, "rename", rename)
    assert not (tmp_path / "a").exists()
    found = files.current_folder(tmp_path / "a")
    assert (found / "deep" / "a.txt").read_text() == "new"
    fill_folder(tmp_path / "a")
    assert entries(tmp_path) == ["a"]
    assert files.current_folder(tmp_path / "a") == tmp_path / "a"


def test_what_a_killed_process_left_is_removed_by_the_next_write(tmp_path):
    script = (
        "import os, sys; from anysense.common import files\n"
        "die = lambda *_: os.kill(os.getpid(), 9)\n"
        "files._sync = die\n"
        "path = sys.argv[1]\n"
        "if os.fork(): os.wait(); files.write_text(path + '/a.txt', 'a')\n"
        "with files.replace_folder(path + '/b') as new: (new / 'b.txt').write_text('b')\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert killed.returncode == -9
    running = tmp_path / f".c.{files._HOST}-{os.getppid()}-1.part"
    running.write_text("another process writes this")
    assert [name[:3] for name in entries(tmp_path)] == [".a.", ".c."]  # the folder of the child is gone already
    files.write_text(tmp_path / "d.txt", "d")
    assert entries(tmp_path) == [running.name, "d.txt"]


@pytest.mark.parametrize("write", [*WRITERS.values(), fill_folder], ids=[*WRITERS, "folder"])
def test_a_full_disk_names_the_path_and_what_to_do(write, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", full)
    message = r"Cannot write `.*target.*` \(.*No space left on device.*\); free space or choose another folder"
    with pytest.raises(OSError, match=message) as caught:
        write(tmp_path / "target")
    assert caught.value.errno == 28
    assert entries(tmp_path) == []


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"Cannot write `.*file/a.txt` \((Not a directory|File exists)\)"):
        files.write_text(tmp_path / "file" / "a.txt", "")


def test_errors_of_the_work_itself_keep_their_words(tmp_path):
    def broken_off(temporary):
        raise ConnectionError("Download broke off.")

    with pytest.raises(ConnectionError, match=r"^Download broke off\.$"):
        files.replace_file(tmp_path / "a", broken_off)
    assert entries(tmp_path) == []


def test_a_link_stays_a_link(tmp_path):
    files.write_text(tmp_path / "there" / "a.txt", "old")
    (tmp_path / "link").symlink_to(tmp_path / "there" / "a.txt")
    files.write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "a.txt").read_text() == "new"


def test_json(tmp_path):
    path = files.write_json(tmp_path / "deep" / "a.json", {"a": [1, 2.5, None]})
    assert json.loads(path.read_text()) == {"a": [1, 2.5, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(path, {"a": float("nan")})


def test_csv(tmp_path):
    path = files.write_csv(tmp_path / "a.csv", ["a", "b"], [{"a": 1, "b": "x,y"}, {"a": 2, "b": ""}])
    with path.open() as file:
        assert list(csv.DictReader(file)) == [{"a": "1", "b": "x,y"}, {"a": "2", "b": ""}]
    with pytest.raises(ValueError, match="not in fieldnames"):
        files.write_csv(path, ["a"], [{"c": 1}])


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert files.sha256_of(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()
