"""Downloads from a server on this machine: what is there stays until what comes proves good."""

import hashlib
import http.server
import pickle
import resource
import threading
import time

import numpy as np
import pytest

from anysense.representations.data.readers import download
from anysense.representations.data.readers.sentiment import download_sentiment, load_sentiment
from anysense.runs.cli import main

GOOD = pickle.dumps(
    {
        split: {
            **{key: np.full((count, 50, size), 0.5, np.float32) for key, size in (("text", 300), ("audio", 5))},
            "vision": np.zeros((count, 50, 20)),
            "labels": np.linspace(-3, 3, count).reshape(count, 1, 1),
        }
        for split, count in (("train", 3), ("valid", 2), ("test", 2))
    },
    2,
)
OTHER = pickle.dumps({split: {"text": np.zeros(3)} for split in ("train", "valid", "test")}, 2)
LENGTH = f"Content-Length: {len(GOOD)}"


def lasting(block, seconds):
    """Blocks without an end, as fast as they are taken."""
    while True:
        time.sleep(seconds)
        yield block


ANSWERS = {
    "good.pkl": ("200 OK", [LENGTH], lambda: [GOOD]),
    "moved": ("302 Found", ["Location: /good.pkl"], lambda: []),
    "odd length": ("200 OK", ["Content-Length: abc"], lambda: [GOOD]),
    "no length": ("200 OK", [], lambda: [GOOD]),
}
BAD = {
    "missing": ("404 Not Found", [], lambda: [], r"failed after 0 bytes \(HTTP Error 404"),
    "web page": ("200 OK", [], lambda: [b"<!DOCTYPE html>"], "does not lead to the data set: what came .* a web page"),
    "archive": ("200 OK", [], lambda: [b"PK\x03\x04"], "an archive, which has to be unpacked first"),
    "packed": ("200 OK", [], lambda: [b"\x1f\x8b\x08"], "an archive, which has to be unpacked first"),
    "nothing": ("200 OK", [], lambda: [], "an empty file"),
    "cut": ("200 OK", [], lambda: [GOOD[:-9]], "cut off, damaged or something else"),
    "other": ("200 OK", [], lambda: [OTHER], "lacks"),
    "false start": ("200 OK", [], lambda: [b"12345678{}"], "what came is damaged"),
    "more announced": ("200 OK", ["Content-Length: 999999"], lambda: [GOOD[:5000]], "broke off after 5000 of 999999"),
    "less announced": ("200 OK", ["Content-Length: 5000"], lambda: [GOOD], "cut off, damaged"),
    "vast": ("200 OK", [f"Content-Length: {10**15}"], lambda: [GOOD], "1,000,000,000,000,000 bytes; expected at most"),
    "endless": ("200 OK", [], lambda: lasting(bytes(1 << 20), 0), "what came has more than 3,000,000 bytes"),
    "slow": ("200 OK", [LENGTH], lambda: lasting(b"x", 0.02), r"failed after \d+ bytes \(\d+ bytes in 0 seconds\)"),
    "silent": ("200 OK", [LENGTH], lambda: lasting(b"", 3), r"failed after 0 bytes \(timed out\)"),
    "chunks": ("200 OK", ["Transfer-Encoding: chunked"], lambda: [b"5\r\nabc"], "failed after 3 bytes"),
    "to ftp": ("302 Found", ["Location: ftp://localhost/x"], lambda: [], "to 'ftp://localhost/x' is not"),
    "to file": ("302 Found", ["Location: file:///etc/passwd"], lambda: [], "to url 'file:///etc/passwd' is"),
    "to itself": ("302 Found", ["Location: /to%20itself"], lambda: [], "redirect"),
    "no http": ("hello", [], lambda: [], "failed after 0 bytes"),
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, headers, blocks, *_ = (ANSWERS | BAD)[self.path[1:].replace("%20", " ")]
        self.wfile.write("\r\n".join([f"HTTP/1.0 {status}", *headers, "", ""]).encode())
        try:
            for block in blocks():
                self.wfile.write(block)
        except OSError:
            pass  # Nobody listens any more.

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def address():
    """Where `ANSWERS` and `BAD` can be fetched."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def folder(tmp_path, address):
    """A folder with good data, downloaded before."""
    download_sentiment("mosi", tmp_path, f"{address}/good.pkl")
    return tmp_path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("path", ANSWERS)
def test_a_download_is_checked_and_converted(path, tmp_path, address):
    seen, url = [], f"{address}/{path.replace(' ', '%20')}"
    digest = hashlib.sha256(GOOD).hexdigest()
    made = download_sentiment("mosi", tmp_path / "new", url, digest, progress=lambda *both: seen.append(both))
    assert made == tmp_path / "new" / "mosi.safetensors"
    assert list((tmp_path / "new").iterdir()) == [made]
    splits = load_sentiment("mosi", tmp_path / "new")
    assert splits.train.targets.tolist() == [-3, 0, 3]
    assert list(splits.test.details["sources"].values()) == [digest]
    assert seen[-1] == (len(GOOD), len(GOOD) if path in ("good.pkl", "moved") else 0)


@pytest.mark.parametrize("path", BAD)
def test_bad_downloads_leave_what_is_there(path, folder, address, monkeypatch):
    monkeypatch.setattr(download, "MOST_BYTES", 3_000_000)
    monkeypatch.setattr(download, "SECONDS", 0.3)
    before, start = contents(folder), time.monotonic()
    url = f"{address}/{path.replace(' ', '%20')}"
    with pytest.raises((ConnectionError, ValueError), match=BAD[path][-1]) as caught:
        download_sentiment("mosi", folder, url, again=True)
    assert str(caught.value).count(url) == 1
    assert ".part" not in str(caught.value)
    assert contents(folder) == before
    assert time.monotonic() - start < 20


def test_a_converted_file_can_be_downloaded_too(folder, address, tmp_path, monkeypatch):
    content = (folder / "mosi.safetensors").read_bytes()
    monkeypatch.setitem(ANSWERS, "neutral", ("200 OK", [], lambda: [content]))
    made = download_sentiment("mosi", tmp_path / "other", f"{address}/neutral")
    assert made.read_bytes() == content


def test_a_full_disk_is_not_blamed_on_the_connection(folder, address):
    before, limits = contents(folder), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"Cannot write `.*mosi.safetensors` \(File too large\); free") as caught:
            download_sentiment("mosi", folder, f"{address}/good.pkl", again=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not isinstance(caught.value, ConnectionError)
    assert contents(folder) == before


@pytest.mark.parametrize(
    "url",
    ["", "somewhere", "file:///etc/passwd", "ftp://host/x", "http://", "http://h:x/", "http://h/a b", "http://h/é"],
)
def test_other_addresses_are_refused(url, tmp_path):
    with pytest.raises(ValueError, match=r"`url` must be the address of a file that begins with https://; got '"):
        download_sentiment("mosi", tmp_path, url)
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_became_of_the_address(folder, address, capsys):
    arguments = ["data", "mosi", "--folder", str(folder)]
    url, digest, before = f"{address}/good.pkl", hashlib.sha256(GOOD).hexdigest(), contents(folder)
    assert main([*arguments, "--url", url]) == 2
    assert "mosi.safetensors` is there already. Leave out `--url`" in capsys.readouterr().err
    assert main([*arguments, "--again", "--url", f"{address}/web%20page"]) == 2
    assert main([*arguments, "--again", "--url", url, "--sha256", "0" * 64]) == 2
    assert (
        f"{url} does not lead to the data set: `sha256` must be the digest of what is there, {digest}"
        in capsys.readouterr().err
    )
    assert contents(folder) == before
    (folder / "mosi.safetensors").write_bytes(b"damaged")
    assert main([*arguments, "--again", "--url", url]) == 0
    assert f"Made from good.pkl, SHA-256 {digest}" in capsys.readouterr().out
    (folder / "good.pkl").write_bytes(OTHER)
    assert main(arguments) == 0
    assert "good.pkl` is another file now: remove `" in capsys.readouterr().out
