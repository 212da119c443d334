"""The page of a report in a real browser: nothing is loaded, everything can be read, heard, reached and saved.

Skipped where there is no Chromium (`CHROMIUM` names another one). axe-core lies where `make axe` puts it.
"""

import csv
import dataclasses
import io
import itertools
import os
import re
import shutil
from pathlib import Path

import pytest

from anysense.runs.page.clips import Clip
from anysense.runs.page.write import Part, write_pages
from anysense.runs.tables import Table
from tests.page_examples import EVIL, FPS, FRAMES, SUBSETS, comparison, evaluation, films

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
AXE = Path(os.environ.get("AXE", ROOT / ".axe/package/axe.min.js"))
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser():
    """Chromium."""
    api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; CHROMIUM=PATH names one")
    with api.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A page of an evaluation with clips and of a comparison; of one clip half of the file is gone, one is missing."""
    folder = tmp_path_factory.mktemp("page")
    clips = [Clip(clip, clip.stem) for clip in films(folder)]
    cut = folder / "cut.mp4"
    cut.write_bytes(clips[0].path.read_bytes()[: clips[0].path.stat().st_size // 2])
    clips += [Clip(cut, "cut"), Clip(folder / "gone.mp4", EVIL)]
    parts = [Part(evaluation(), clips), Part(comparison())]
    return write_pages(f"Everything {EVIL}", parts, folder / "page.html")


@pytest.fixture
def visit(browser, path):
    """Opens the page; whatever it says on the console or asks for is collected, and must be nothing."""
    said, asked, contexts = [], [], []

    def visited(viewport=DESK, scheme="light", **options):
        contexts.append(browser.new_context(viewport=viewport, color_scheme=scheme, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        return page

    yield visited
    for context in contexts:
        context.close()
    assert said == []
    if contexts:
        assert {url for url in asked if not url.startswith("data:")} == {path.as_uri()}


def test_names_and_labels_are_text(visit):
    page = visit()
    assert page.evaluate("window.ran") is None
    assert page.locator("script").count() == 1
    assert page.title() == f"Everything {EVIL}"
    assert page.locator("h1").inner_text() == f"Everything {EVIL}"
    assert page.locator("h2").all_inner_texts() == [f"Agent {EVIL}", "Latents"]
    assert page.locator("th", has_text=EVIL).count() >= 4
    assert page.locator("text", has_text=EVIL).count() >= 1  # the axis of the learning curves
    assert page.locator("code", has_text=f'echo "{EVIL}"').count() == 3
    assert page.locator(".clips .label").last.inner_text() == f"{EVIL}: the file is missing"


@pytest.mark.parametrize("viewport", [PHONE, DESK])
def test_nothing_is_wider_than_the_screen(viewport, visit):
    page = visit(viewport)
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    wide = page.locator(".scroll").evaluate_all("all => all.filter(one => one.scrollWidth > one.clientWidth).length")
    assert wide >= (viewport is PHONE)


def test_names_in_tables_break_before_their_parts_and_stay_in_sight(browser, tmp_path):
    name, value = "complete, camera_of_the_left_hand:salt_and_pepper:0.1", "-0.5 [-0.6, -0.4]"
    table = Table(("input", *(f"score {number}" for number in range(5))), [(name, *[value] * 5)])
    page = browser.new_page(viewport=PHONE)
    report = dataclasses.replace(evaluation(), main=table, figures={})
    page.goto(write_pages("x", [Part(report)], tmp_path / "page.html").as_uri())
    cell, interval = page.locator("tbody th").first, page.locator(".interval").first
    assert cell.inner_text() == name
    assert cell.evaluate("one => one.scrollWidth <= one.clientWidth && one.clientWidth < innerWidth / 2")
    left = cell.bounding_box()["x"]
    page.locator(".scroll").first.evaluate("one => { one.scrollLeft = 9999; }")
    assert cell.bounding_box()["x"] == left
    assert interval.evaluate("one => getComputedStyle(one).display") == "block"
    shades = page.locator(".scroll").first.evaluate("one => getComputedStyle(one).backgroundAttachment")
    assert shades == "local, local, scroll, scroll"


LONG = "Results: anysense/MultimodalPendulum-v0, evaluate/001, evaluate/002, evaluate/003"


@pytest.mark.parametrize("viewport", [PHONE, DESK])
def test_long_names_break_between_their_words(viewport, browser, tmp_path):
    parts = [Part(dataclasses.replace(evaluation(LONG), figures={})) for _ in range(2)]
    page = browser.new_page(viewport=viewport)
    page.goto(write_pages(LONG, parts, tmp_path / "page.html").as_uri())
    assert page.locator("nav").evaluate("one => one.scrollWidth <= one.clientWidth")
    for heading in page.locator("h1, h2.part, nav .parts > li > a").all():
        assert heading.inner_text() == LONG
        lines = heading.evaluate(
            """one => { const found = [], walk = document.createTreeWalker(one, NodeFilter.SHOW_TEXT);
            for (let node; (node = walk.nextNode());) for (let at = 0; at < node.length; at++) {
              const range = document.createRange(); range.setStart(node, at); range.setEnd(node, at + 1);
              const {top, width} = range.getBoundingClientRect();
              if (width && (!found.length || Math.abs(found.at(-1).top - top) > 3)) found.push({top, text: ""});
              found.at(-1).text += node.data[at]; }
            return found.map(line => line.text); }"""
        )
        assert "".join(lines) == LONG
        for line in lines[:-1]:
            assert line.endswith((" ", "/", "Multimodal", "-"))
    page.close()


def test_outline_names_and_ids(visit):
    page = visit()
    levels = page.locator("h1,h2,h3,h4").evaluate_all("all => all.map(one => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert all(1 < after <= before + 1 for before, after in itertools.pairwise(levels))
    ids = page.locator("[id]").evaluate_all("all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))
    targets = page.locator("a[href^='#']").evaluate_all("all => all.map(one => one.getAttribute('href').slice(1))")
    assert set(targets) <= set(ids)
    assert len(targets) > 10
    inside = page.locator("svg [href^='#']").evaluate_all("all => all.map(one => one.getAttribute('href').slice(1))")
    inside += re.findall(r"url\(#([^)]+)\)", page.content())
    assert set(inside) <= set(ids)
    for name in ("header", "nav", "main", "footer"):
        assert page.locator(f"body {name}").count() == 1
    tables = page.locator("table")
    assert tables.count() == 4
    headed = "all => all.every(one => one.caption.textContent && [...one.querySelectorAll('th')].every(it => it.scope))"
    assert tables.evaluate_all(headed)


def test_charts_are_named_described_and_selectable(visit):
    page = visit()
    charts = page.locator("svg[role=img]")
    assert charts.count() == 4
    for place in range(4):
        ids = charts.nth(place).get_attribute("aria-labelledby").split()
        title, words = (page.locator(f"[id='{one}']").text_content() for one in ids)
        assert title
        assert "axis" in words or "gmc" in words
    page.locator("svg text", has_text="-1.000").first.evaluate("one => getSelection().selectAllChildren(one)")
    assert page.evaluate("getSelection().toString()").strip() == "-1.000"


def test_charts_shrink_as_long_as_their_text_can_be_read(visit):
    page = visit(PHONE)
    sizes = page.locator("svg text").evaluate_all(
        "all => all.map(one => parseFloat(getComputedStyle(one).fontSize) * one.ownerSVGElement.getScreenCTM().a)"
    )
    assert min(sizes) == pytest.approx(10, abs=0.1)
    charts = page.locator("figure.chart")
    wide = charts.evaluate_all("all => all.map(one => one.scrollWidth > one.clientWidth)")
    assert sorted(wide) == [False, True, True, True]  # the smallest of them fits


LUMINANCE = """
const luminance = (colour) => {
  const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => part / 255)
    .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const ground = (one) => getComputedStyle(one.closest(".paper") ?? document.body).backgroundColor;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_and_lines_of_charts_can_be_seen(scheme, visit):
    page = visit(scheme=scheme)
    grounds = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert grounds == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 23, 28)"}[scheme]
    texts = page.evaluate(
        f"() => {{{LUMINANCE} return [...document.querySelectorAll('svg text')]"
        ".map(one => contrast(getComputedStyle(one).fill, ground(one)))}"
    )
    assert len(texts) > 40
    assert min(texts) >= 4.5
    bars = page.evaluate(
        f"() => {{{LUMINANCE} return [...document.querySelectorAll('svg path, svg use')]"
        ".filter(one => !one.closest('[id*=\"-text_\"]'))"  # the ground below the number of a bar
        ".map(one => [getComputedStyle(one).fill, getComputedStyle(one).stroke].filter(it => it.startsWith('rgb'))"
        ".map(it => contrast(it, ground(one)))).filter(all => all.length).map(all => Math.max(...all))}"
    )
    assert len(bars) > 40
    assert min(bars) >= (3 if scheme == "dark" else 1.5)


def test_the_keyboard_reaches_everything(visit):
    page = visit()
    page.evaluate(
        "() => { window.reached = new Map(); addEventListener('focusin', ({target}) => reached.set(target, "
        "[target.tagName, target.getAttribute('aria-label') ?? target.textContent.trim(), target.className, "
        "getComputedStyle(target).outlineStyle])) }"
    )
    parts_of_players = 8 * len(SUBSETS)
    for _ in range(page.locator("a, button, summary, [tabindex='0']").count() + parts_of_players):
        page.keyboard.press("Tab")
    reached = page.evaluate("[...reached.values()]")
    assert reached[0][:2] == ["A", "Skip to the results"]
    assert all(style != "none" for name, *_, style in reached if name not in ("VIDEO", "A"))
    regions = [name for _, name, kind, _ in reached if "scroll" in kind]
    assert len(regions) == len(set(regions)) == page.locator("[role=region]").count() == 8
    assert sum(name == "BUTTON" for name, *_ in reached) == page.locator("button").count()
    assert sum(name == "SUMMARY" for name, *_ in reached) == 3
    assert sum(name == "VIDEO" for name, *_ in reached) >= len(SUBSETS)
    assert sum(name == "A" for name, *_ in reached) == page.locator("a").count()
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_clips_play_with_sound_and_faults_are_named(visit):
    page = visit()
    assert page.locator("video").count() == len(SUBSETS)
    page.wait_for_function("[...document.querySelectorAll('video')].every(one => one.readyState >= 2 || one.error)")
    for place in range(len(SUBSETS)):
        error, duration, size, tracks = (
            page.locator("video")
            .nth(place)
            .evaluate(
                "one => [one.error && one.error.message, one.duration, [one.videoWidth, one.videoHeight], "
                "one.captureStream().getAudioTracks().length]"
            )
        )
        assert error is None
        assert duration == pytest.approx(FRAMES / FPS, abs=1.5 / FPS)
        assert size == [64, 48 + 16 * place]
        assert tracks == 1
    assert page.locator(".label").all_inner_texts()[:4] == [*SUBSETS, "cut: the file is damaged"]
    assert "3 of 5 clips are in this page" in page.locator("main").inner_text()


def saved(page, link):
    with page.expect_download() as waiting:
        link.click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_text(encoding="utf-8")


def test_values_and_tables_can_be_saved(visit):
    page, reports = visit(), (evaluation(), comparison())
    for place, report in enumerate(reports):
        name = f"page-{place + 1}-values.csv"
        assert saved(page, page.get_by_role("link", name=name)) == (name, report.csv())
        rows = list(csv.DictReader(io.StringIO(report.csv())))
        assert [float(row["value"]) for row in rows] == [record.value for record in report.records]
    links = page.locator(".save a")
    tables = [reports[0].main, *(reports[1].main for _ in range(3))]
    assert links.count() == len(tables)
    for place, table in enumerate(tables):
        _, text = saved(page, links.nth(place))
        assert list(csv.reader(io.StringIO(text))) == [list(row) for row in (table.columns, *table.rows)]


def test_commands_can_be_copied(visit, path):
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    lines = [run["command_line"] for run in evaluation().runs]
    page.locator("button", has_text="Copy all 2 commands").click()
    page.wait_for_function("document.getElementById('said').textContent === 'Copied.'")
    assert page.evaluate("navigator.clipboard.readText()") == "\n".join(lines)
    page.get_by_role("button", name=f"Copy the command {lines[0]}").click()
    page.wait_for_function("text => navigator.clipboard.readText().then(found => found === text)", arg=lines[0])


def test_it_is_read_without_script(visit):
    page = visit(java_script_enabled=False)
    assert page.locator("h1").inner_text() == f"Everything {EVIL}"
    assert not any(button.is_visible() for button in page.locator("button").all())
    assert page.locator("table").first.is_visible()


@pytest.mark.parametrize(("viewport", "scheme"), [(DESK, "light"), (PHONE, "dark")])
def test_axe_finds_nothing(viewport, scheme, visit):
    if not AXE.is_file():
        pytest.skip(f"no axe-core at {AXE}; `make axe` fetches it")
    page = visit(viewport, scheme)
    page.locator("details").first.evaluate("one => one.open = true")
    page.evaluate(f"{AXE.read_text(encoding='utf-8')};0")
    found = page.evaluate("axe.run()")
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
    passed = {one["id"] for one in found["passes"]}
    assert {"color-contrast", "region", "landmark-one-main", "landmark-unique", "heading-order"} <= passed
