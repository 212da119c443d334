"""The page of a report as a file: its size, what it does with clips that it cannot show, and that it stays the same."""

import base64
import dataclasses
import gzip
import re
import shlex
from urllib.parse import unquote

import numpy as np
import pytest

from anysense.runs.figures import new_figure
from anysense.runs.page import parts, write
from anysense.runs.page.clips import Clip, clips_in, fault_of, shown_clips
from anysense.runs.page.colours import DARK, contrast, on_dark
from anysense.runs.page.places import short_line, short_places
from anysense.runs.page.svg import drawing
from anysense.runs.page.write import Part, write_page, write_pages
from tests.page_examples import EVIL, SUBSETS, comparison, evaluation, films


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A whole clip of each subset in three formats, in a folder."""
    folder = tmp_path_factory.mktemp("clips")
    films(folder, ("mp4", "gif", "wav"))
    return folder


def small():
    """A report without charts, which is quick to write."""
    return dataclasses.replace(comparison(3), figures={})


def test_two_writings_are_the_same_bytes(tmp_path):
    pages = [write_pages("x", [Part(evaluation()), Part(comparison())], tmp_path / name / "page.html") for name in "ab"]
    assert pages[0].read_bytes() == pages[1].read_bytes()
    assert "://" not in pages[0].read_text()


def test_clips_that_do_not_fit_are_linked_and_the_page_stays_below_its_limit(clips, tmp_path, monkeypatch):
    chosen = clips_in(clips)
    assert [clip.label for clip in chosen] == list(SUBSETS)
    whole = write_page(small(), tmp_path / "whole.html", chosen)
    assert "at most" not in whole.read_text()
    limit = whole.stat().st_size - 1000
    monkeypatch.setattr(write, "LIMIT", limit)
    page = write_page(small(), tmp_path / "below" / "page.html", chosen)
    assert page.stat().st_size <= limit
    text = page.read_text()
    largest = max(chosen, key=lambda clip: clip.path.stat().st_size)
    (link,) = re.findall(r'<p class="absent"><a href="([^"]+)">', text)
    assert (page.parent / unquote(link)).resolve() == largest.path.resolve()
    assert f"{largest.label}: too large for this page" in text
    assert "2 of 3 clips are in this page" in text
    films_in = re.findall(r'<video [^>]*src="data:video/mp4;base64,([^"]+)"', text)
    others = {clip.path.read_bytes() for clip in chosen if clip is not largest}
    assert {base64.b64decode(one) for one in films_in} == others


def test_picture_and_sound_apart_where_there_is_no_film(clips, tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("sound.gif", "sound.wav", "image.mp4", "image.wav"):
        (folder / name).write_bytes((clips / name).read_bytes())
    (folder / "linked.mp4").symlink_to(clips / "complete.mp4")
    (folder / "notes.txt").write_text("x")
    found = clips_in(folder, "seed 1: ", ["complete", "image + sound"])
    assert [(one.path.name, one.label) for one in found] == [
        ("complete.mp4", "seed 1: complete"),
        ("image+sound.mp4", "seed 1: image + sound"),
        ("image.mp4", "seed 1: image"),
        ("sound.gif", "seed 1: sound"),
        ("sound.wav", "seed 1: sound"),
    ]
    shown = shown_clips(found, 10**9)
    assert [one.kind for one in shown if one.data] == ["video", "image", "audio"]
    assert [one.note for one in shown[:2]] == ["the file is missing"] * 2
    assert clips_in(tmp_path / "nothing") == []


@pytest.mark.parametrize("ending", ["mp4", "gif", "wav"])
def test_clips_that_are_cut_off_or_something_else_are_found(ending, clips, tmp_path):
    content = (clips / f"sound.{ending}").read_bytes()
    path = tmp_path / f"clip.{ending}"
    path.write_bytes(content)
    assert fault_of(path) == ""
    for damaged in (content[: len(content) // 2], content[:-1], b"", b"\0" * 100, content[:3]):
        path.write_bytes(damaged)
        assert fault_of(path) == "the file is damaged"
    assert shown_clips([Clip(path, "x")], 10**9)[0].data is None


def test_a_chart_that_fails_is_named_and_ends_nothing(tmp_path, capsys):
    def broken():
        raise RuntimeError("no font")

    report = dataclasses.replace(comparison(3), figures={"umap": broken})
    text = write_page(report, tmp_path / "page.html").read_text()
    assert "The chart “UMAP” could not be drawn" in text
    assert "Warning: the page is without the chart 'umap' (RuntimeError: no font)." in capsys.readouterr().err


def test_many_values_are_packed_and_too_many_left_to_the_file_beside(tmp_path, monkeypatch):
    report = small()
    monkeypatch.setattr(parts, "MOST_IN_ADDRESS", 400)
    text = write_page(report, tmp_path / "page.html").read_text()
    (packed,) = re.findall(r'href="data:application/gzip;base64,([^"]+)" download="page-values.csv.gz"', text)
    assert gzip.decompress(base64.b64decode(packed)).decode() == report.csv()
    monkeypatch.setattr(parts, "MOST_IN_ADDRESS", 10)
    text = write_page(report, tmp_path / "page.html").read_text()
    assert "6 values, too many for this page; they are in the CSV file" in text


def test_labels_are_escaped_in_the_source(tmp_path):
    text = write_page(evaluation(), tmp_path / "page.html").read_text()
    assert "<script>window" not in text
    assert text.count("<script>") == 1
    assert text.count("&lt;script&gt;window.ran") > 10
    assert EVIL not in text


AGENT = "/srv/x y/site-packages/anysense/agents/pretrained/pendulum/agent"
PLACES = {
    "/Volumes/a b/out/train/001/agent": "out/train/001/agent",
    "/Volumes/out/b/out/train/001": "out/train/001",
    "/data/mine.npz": "mine.npz",
    AGENT: "pendulum",
    "out/train/001": "out/train/001",
    "anysense/MultimodalPendulum-v0": "anysense/MultimodalPendulum-v0",
    "samples / second": "samples / second",
    "</script>": "</script>",
    "~/out/train": "~/out/train",
}


@pytest.mark.parametrize(("path", "short"), PLACES.items())
def test_paths_of_the_machine_are_shortened(path, short):
    assert short_places({"run": [path], "option": f"file={path}"}, "/elsewhere/out") == {
        "run": [short],
        "option": f"file={short}",
    }
    line = shlex.join(["anysense", "evaluate", path, "--name", "a b"])
    assert short_line(line, "out") == shlex.join(["anysense", "evaluate", short, "--name", "a b"])


def test_a_page_holds_no_absolute_path(tmp_path):
    run, path = evaluation().runs[0], tmp_path / "out" / "train" / "001"
    line = shlex.join(["anysense", "evaluate", str(path), "--out", str(tmp_path / "out")])
    settings = {"run": str(path), "agent": {"data": [AGENT]}, "out": str(tmp_path / "out")}
    report = dataclasses.replace(
        small(),
        title=str(path),
        about=f"trained in {path}",
        protocol=dataclasses.replace(small().protocol, splits=f"those of `{path}`."),
        runs=[{**run, "command_line": line, "settings": settings}],
    )
    for page in (write_page(report, tmp_path / "one.html"), write_pages(str(path), [Part(report)] * 2, tmp_path / "x")):
        text = page.read_text().replace("<wbr>", "")
        assert str(tmp_path) not in text
        assert "site-packages" not in text
        assert "anysense evaluate out/train/001 --out out<" in text
        assert "<dd>out/train/001</dd>" in text
        assert '<dd>["pendulum"]</dd>' in text or "<dd>[&#34;pendulum&#34;]</dd>" in text
        assert "those of <code>out/train/001</code>." in text
        assert "<h1>out/train/001</h1>" in text


def test_figures_have_ids_of_their_own_and_keep_their_ground():
    figure = new_figure(3, 2)
    figure.add_subplot(title="<b>").plot([0, 1], [0, 1], "o-", color="#332288")
    drawn = drawing(figure, "one", "A & <b>")
    assert figure.patch.get_visible()
    assert figure.axes[0].patch.get_visible()
    assert set(re.findall(r' id="([^"]*?)-', drawn.svg)) == {"one"}
    assert "A &amp; &lt;b&gt;" in drawn.svg
    assert drawn.colours == {"#332288"}
    assert not drawn.paper
    assert drawn.svg.count("var(--c332288)") >= 2
    assert not re.search("#332288|#000000|#ffffff|font-family", drawn.svg)
    assert drawn.width == 3 * 96
    assert drawn.least == 3 * 96 * 10 / (10 * 96 / 72)  # its smallest text has 10 points: then 10 pixels


def test_contrast_as_the_guidelines_define_it():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=1e-3)  # known from the guidelines' tools
    assert contrast("#332288", "#332288") == 1


@pytest.mark.parametrize("colour", ["#332288", "#882255", "#000000", "#88ccee", "#ffffff", "#117733"])
def test_colours_on_dark_keep_their_hue(colour):
    mixed = on_dark(colour)
    assert contrast(mixed, DARK) >= 4.5
    before, after = (np.array([int(one[place : place + 2], 16) for place in (1, 3, 5)]) for one in (colour, mixed))
    assert list(np.argsort(before, kind="stable")) == list(np.argsort(after, kind="stable"))
    assert (mixed == colour) == (contrast(colour, DARK) >= 4.5)
