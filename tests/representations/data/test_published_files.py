"""Fetching published files: from a folder and from a server, checked, nothing half-written kept."""

import hashlib
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from anysense.representations.data.readers import published_files
from anysense.representations.data.readers.published_files import PublishedFile, fetch_digits, fetch_mfeat

CONTENT = {"pen.tra": b"1,2\n", "pen.tes": b"3,4\n"}
RECORDINGS = {"0_anna_0.wav": b"RIFF zero", "1_anna_0.wav": b"RIFF one"}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A folder as `--source` takes it, and beside it the archive of the recordings, served on this machine."""
    place = tmp_path / "published"
    (place / "recordings").mkdir(parents=True)
    for name, content in CONTENT.items():
        (place / name).write_bytes(content)
    with zipfile.ZipFile(place / "archive.zip", "w") as archive:
        archive.writestr("set-1/README.md", "x")
        archive.writestr("set-1/recordings/../../evil.wav", "x")
        for name, content in RECORDINGS.items():
            (place / "recordings" / name).write_bytes(content)
            archive.writestr(f"set-1/recordings/{name}", content)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=place)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        files = tuple(PublishedFile(name, f"{url}/{name}", digest(content)) for name, content in CONTENT.items())
        monkeypatch.setattr(published_files, "DIGIT_FILES", files)
        monkeypatch.setattr(published_files, "RECORDINGS_URL", f"{url}/archive.zip")
        joined = b"".join(name.encode() + b"\0" + content for name, content in sorted(RECORDINGS.items()))
        monkeypatch.setattr(published_files, "RECORDINGS_SHA256", digest(joined))
        yield place
        server.shutdown()


def held(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


EXPECTED = {**CONTENT, **{f"recordings/{name}": content for name, content in RECORDINGS.items()}}


@pytest.mark.parametrize("how", ["folder", "server"])
def test_everything_comes_checked_and_once(how, source, tmp_path):
    folder, given = tmp_path / "data", source if how == "folder" else None
    fetch_digits(folder, given)
    assert held(folder) == EXPECTED
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    fetch_digits(folder, given)
    assert times == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("how", ["folder", "server"])
def test_an_altered_file_is_refused_and_not_kept(how, source, tmp_path):
    (source / "pen.tes").write_bytes(b"3,5\n")
    folder, given = tmp_path / "data", source if how == "folder" else None
    where = "published/pen.tes`" if given else "what came"
    with pytest.raises(ValueError, match=rf"{where} must hold the published pen.tes, SHA-256 .* got"):
        fetch_digits(folder, given)
    assert held(folder) == {"pen.tra": CONTENT["pen.tra"]}
    (source / "pen.tes").write_bytes(CONTENT["pen.tes"])
    fetch_digits(folder, given)
    assert held(folder) == EXPECTED


@pytest.mark.parametrize("fetch", [fetch_digits, fetch_mfeat])
def test_a_folder_without_the_files_leaves_nothing(fetch, tmp_path):
    with pytest.raises(FileNotFoundError, match="`source` must be a folder with the published files"):
        fetch(tmp_path / "data" / "new", tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["content", "archive"])
def test_altered_recordings(damage, source, tmp_path):
    if damage == "content":
        with zipfile.ZipFile(source / "archive.zip", "a") as archive:
            archive.writestr("set-1/recordings/2_anna_0.wav", b"one more")
        message = "recordings.zip` must hold the 3 000 recordings .* got 3 and .* Remove it and run the command again"
    else:
        (source / "archive.zip").write_bytes(b"PK\3\4 no archive")
        message = r"recordings.zip` is damaged: .* Remove it and run the command again"
    with pytest.raises(ValueError, match=message):
        fetch_digits(tmp_path / "data")
    assert not (tmp_path / "data" / "recordings").exists()


def test_altered_recordings_of_a_source(source, tmp_path):
    (source / "recordings" / "0_anna_0.wav").write_bytes(b"other")
    with pytest.raises(ValueError, match=r"published/recordings` must hold .* Name another folder with --source"):
        fetch_digits(tmp_path / "data", source)
    assert not (tmp_path / "data" / "recordings").exists()


def test_a_damaged_view_is_refused_and_not_kept(tmp_path):
    given, folder = tmp_path / "given", tmp_path / "data"
    given.mkdir()
    (given / "mfeat-fou").write_text("1 2\n")
    with pytest.raises(ValueError, match=r"given/mfeat-fou` must hold 2000 rows .* Name another folder with --source"):
        fetch_mfeat(folder, given)
    assert not folder.exists()
    folder.mkdir()
    (given / "mfeat-fou").rename(folder / "mfeat-fou")
    with pytest.raises(ValueError, match=r"data/mfeat-fou` must hold .* Remove it and run the command again"):
        fetch_mfeat(folder, given)


def test_a_file_that_is_there_is_checked(source, tmp_path):
    (tmp_path / "pen.tra").write_bytes(b"other")
    with pytest.raises(ValueError, match=r"pen.tra` must hold the published pen.tra"):
        fetch_digits(tmp_path, source)
    assert (tmp_path / "pen.tra").read_bytes() == b"other"


def test_what_cannot_be_had_says_how_by_hand(source, tmp_path):
    (source / "pen.tra").unlink()
    with pytest.raises(
        ConnectionError, match=r"of (http://127.*/pen.tra) failed .*: put the file from this address at `.*pen.tra`"
    ) as caught:
        fetch_digits(tmp_path)
    assert str(caught.value).count("http") == 1
    with pytest.raises(FileNotFoundError, match=r"`source` must be a folder with the published files"):
        fetch_digits(tmp_path, source)
