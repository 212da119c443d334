"""The campaigns can fail: kills come, faults are injected, differences are seen, records go on where they were."""

import errno
import json
import os
import time
import zipfile
from functools import partial

import numpy as np
import pytest
import torch

from anysense.common.checkpoints import write_checkpoint
from anysense.common.files import write_json, write_text
from bench.reliability import mutations, table
from bench.reliability.__main__ import CAMPAIGNS
from bench.reliability.children import in_child
from bench.reliability.content import content, differences
from bench.reliability.disk import spread
from bench.reliability.faults import Faults
from bench.reliability.records import Book, Case, Fault
from bench.reliability.soak import growth


def test_how_a_process_ends(tmp_path):
    def fails():
        print("seen")
        return 3

    ended = in_child(fails, tmp_path)
    assert (ended.code, ended.output, ended.in_time) == (3, "seen\n", True)
    assert in_child(partial(time.sleep, 60), tmp_path, kill_after=0.01).code == -9
    late = in_child(partial(time.sleep, 60), tmp_path, seconds=0.01)
    assert (late.code, late.in_time) == (-9, False)
    assert "ZeroDivisionError" in in_child(lambda: 1 // 0, tmp_path).output


@pytest.mark.parametrize("lasting", [True, False])
def test_calls_fail_from_the_chosen_one_on(lasting, tmp_path):
    def work():
        faults = Faults(tmp_path, 2, errno.EIO, lasting)
        for name in ("a", "b", "c"):
            try:
                (tmp_path / name).write_text("x")
            except OSError as error:
                print(name, errno.errorcode[error.errno])
        print((tmp_path / "a").read_text(), faults.calls)

    expected = "b EIO\nc EIO\nx 3\n" if lasting else "b EIO\nx 3\n"
    assert in_child(work, tmp_path).output == expected


def test_times_are_no_difference_and_weights_are(tmp_path):
    def made(name, seconds, weight):
        folder = tmp_path / name
        write_json(folder / "run.json", {"seconds": seconds, "inner": [{"train_seconds": seconds, "value": 1}]})
        write_text(folder / "metrics.csv", f"step,wall_seconds\n1,{seconds}\n")
        write_text(folder / "report.md", f"# Title\n## Cost\n{seconds}\n")
        page = "<section><h2>A</h2></section>\n<section>\n<h2 id='c'>Cost</h2>\n{}</section>\n<section>{}</section>\n"
        write_text(folder / "report.html", page.replace("'c'", '"report-cost"').format(seconds, weight))
        write_checkpoint(folder / "last.ckpt", {"minutes": seconds, "weight": torch.tensor(weight)})
        return content(folder)

    first = made("a", 1.0, 0.5)
    assert differences(first, made("b", 2.0, 0.5)) == []
    assert differences(first, made("c", 1.0, 0.25)) == [
        "last.ckpt: other content",
        "report.html: other content",
    ]
    write_text(tmp_path / "b" / ".x.part", "")
    assert differences(first, content(tmp_path / "b")) == [".x.part: left over"]


def test_a_book_goes_on_and_keeps_what_did_not_hold(tmp_path):
    calls = []

    def run(name):
        calls.append(name)
        if name == "g/1":
            raise Fault("too bad")
        return 2

    cases = [Case(name, partial(run, name)) for name in ("g/0", "g/1", "g/2")]
    about = dict.fromkeys(("title", "settings", "command", "machine", "python"), "x") | {"campaign": "c", "seed": 0}
    path = tmp_path / "c.jsonl"
    Book(path, about).run(cases[:2])
    path.write_text(path.read_text() + '{"try": "g/2", "he')  # cut short by a kill
    path.write_text(path.read_text() + "\n")
    assert [line["try"] for line in Book(path, about).run(cases)] == ["g/1"]
    assert calls == ["g/0", "g/1", "g/2"]
    found = table.summary(path)
    assert (found["tries"], found["held"], found["failed"]) == (5, 4, [{"try": "g/1", "note": "too bad"}])
    assert "| [c](#c) | 5 | 4 | 0 | `x` | x | 0 | x, Python x |" in table._row("c", found)
    assert "- `g/1`: too bad\n" in table._details("c", found)
    with pytest.raises(ValueError, match=r"`only` names no tries of this campaign: g/9\."):
        Book(path, about).run(cases, ["g/9"])
    before = path.read_bytes()
    assert Book(path, {**about, "seed": 9}).tries == []  # another campaign begins anew, and the other one is kept
    assert [old.read_bytes() for old in path.parent.glob(f"{path.stem}.*") if old != path] == [before]


def test_hostile_files_are_the_same_for_a_seed_and_differ(tmp_path):
    def made(seed):
        write_json(tmp_path / "a.json", {"a": [1, {"b": 2}]})
        done = mutations.mutate(tmp_path / "a.json", np.random.default_rng(seed))
        return done, os.path.islink(tmp_path / "a.json") or (tmp_path / "a.json").read_bytes()

    found = [made(seed) for seed in range(1, 9)]
    assert found == [made(seed) for seed in range(1, 9)]
    assert len({one[0] for one in found}) > 2


def test_a_bomb_unpacks_to_what_it_says(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.zeros(3), b=np.zeros(3))
    path.write_bytes(mutations._bomb(path.read_bytes(), np.random.default_rng(0)))
    assert path.stat().st_size < 8 << 20
    with zipfile.ZipFile(path) as archive:
        info = archive.infolist()[-1]
        assert info.file_size == 2**32 - 1
        with archive.open(info) as file:
            assert len(file.read(10 << 20)) == 10 << 20


def test_calls_are_spread_from_the_first_to_the_last():
    assert spread(4, 10) == [1, 2, 3, 4]
    assert spread(100, 4) == [1, 34, 67, 100]


def test_growth_is_seen_and_noise_is_not():
    flat = [(1000 + 10 * (number % 3), 5, 2) for number in range(20)]
    assert growth(flat) == []
    assert growth([(1000 + 10 * number, 5, 2) for number in range(20)])[0].startswith("memory grew from 1050")
    assert growth([(1000, 5 + number, 2) for number in range(20)]) == ["files grew from 10 to 20"]


def test_the_page_is_that_of_the_records():
    known = json.loads(table.RECORD.read_text())
    assert set(known) <= set(CAMPAIGNS)
    assert table.page(known) == table.PAGE.read_text()
