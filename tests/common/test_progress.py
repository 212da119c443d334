"""What is shown on a terminal and in a log."""

import sys

import pytest

from anysense.common import progress
from anysense.common.progress import Display, counter, say, stage, training_display


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves: `clock[0]` in seconds."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def test_a_log_gets_at_most_one_line_a_minute(clock, capsys):
    with counter("collecting", 1_000_000) as update:
        for second in range(600):
            clock[0] = float(second)
            update(100 * second, 1_000_000)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 9
    assert lines[0] == "collecting: 6,000/1,000,000, 100/s, 165 min 40 s left"
    assert lines[8].startswith("collecting: 54,000/1,000,000")


def test_short_work_says_nothing_in_a_log(capsys):
    with counter("samples") as update:
        update(1, 2)
    assert capsys.readouterr().err == ""


def test_a_whole_that_is_unknown_is_left_out(clock, capsys):
    with counter("download") as update:
        update(0, 0)
        clock[0] = 61.0
        update(122, 0)
    assert capsys.readouterr().err == "download: 122, 2.0/s\n"


def test_the_rate_of_a_continued_work_counts_what_was_done_since(clock, capsys):
    with Display("pretrain", 1000, unit="steps") as display:
        display.update(500)
        clock[0] = 100.0
        display.update(700, facts="epoch 3")
    assert capsys.readouterr().err == "pretrain: 700/1,000, 2.0 steps/s, 150.0 s left, epoch 3\n".replace(
        "150.0 s", "2 min 30 s"
    )


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Display("collecting", 7, keep=True) as display:
        display.update(3)
    assert "3/7" in capsys.readouterr().err


def test_training_shows_steps_rate_shares_and_reward(capsys):
    with training_display(100, shown=True) as show:
        show(50, 1234.0, {"env": 1.0, "learn": 3.0}, -0.5)
    shown = capsys.readouterr().err
    for part in ("50/100", "1,234 steps/s", "env 25%", "learn 75%", "reward -0.500"):
        assert part in shown
    with training_display(100, shown=False) as show:
        show(50, 1234.0, {}, None)
    assert capsys.readouterr().err == ""


def test_stage_says_what_is_done_and_how_long_it_took(clock, capsys):
    with stage("Training"):
        say("half")
        clock[0] = 125.0
    assert capsys.readouterr().err == "Training ...\nhalf\nTraining: done in 2 min 05 s\n"
    with pytest.raises(ValueError, match="x"), stage("Training"):
        raise ValueError("x")
    assert "done" not in capsys.readouterr().err
