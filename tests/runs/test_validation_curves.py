"""Validation losses of jobs: what reports say of how long methods were trained."""

import csv

import numpy as np
import pytest

from anysense.runs.comparisons.done import Done
from anysense.runs.comparisons.validation_curves import (
    curves_of,
    draw_validation,
    late_share,
    read_validation,
    validation_part,
)


def job(method, losses, seed=0):
    return Done(method, seed, {"records": [], **({} if losses is None else {"validation": losses})}, [])


def test_losses_are_read_from_the_table_of_a_pretraining(tmp_path):
    with (tmp_path / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["epoch", "validation/total"])
        writer.writeheader()
        writer.writerows({"epoch": epoch, "validation/total": 1.23456789 / (epoch + 1)} for epoch in range(2))
    assert read_validation(tmp_path / "metrics.csv") == [1.23457, 0.617284]
    assert read_validation(tmp_path / "none.csv") is None


@pytest.mark.parametrize(
    ("losses", "share"), [([10, 8, 6, 4, 2, 0], 0.2), ([5, 1, 1, 1, 1, 1], 0.0), (list(range(10, 0, -1)), 2 / 9)]
)
def test_share_of_the_fall_that_came_late(losses, share):
    assert late_share(np.array(losses, dtype=float)) == pytest.approx(share)


def test_the_section_names_what_was_kept():
    done = [job("gmc", [4.0, 2.0, 1.0]), job("gmc", [6.0, 2.0, 2.0], 1), job("mvae", None), job("muse", [1.0, 2.0])]
    (section,), figures = validation_part(done, "title")
    assert section.table.rows == [("gmc", "3", "5", "1.5", "16.7")]
    assert list(figures) == [section.figure] == ["validation"]
    assert validation_part(done[2:], "title") == ([], {})


def test_the_figure_shows_the_share_that_was_left():
    curves = curves_of([job("gmc", [4.0, 2.0, 1.0]), job("gmc", [7.0, 4.0, 1.0], 1), job("mvae", [3.0, 1.0])])
    lines = draw_validation(curves, "title").axes[0].get_lines()
    assert [line.get_label() for line in lines] == ["gmc", "mvae"]
    np.testing.assert_allclose(lines[0].get_ydata(), [1.0, (1 / 3 + 1 / 2) / 2, 1e-3])
    np.testing.assert_allclose(lines[1].get_xdata(), [1, 2])
