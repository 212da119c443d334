"""What is shown on a terminal and in a log."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from anysense.common import progress
from anysense.common.progress import Display, counter, duration, say, stage, training_display


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
    assert lines[0] == "collecting: 6,000/1,000,000, 100/s, 2 h 45 min left"
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


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(59.94, "59.9 s"), (59.96, "1 min 00 s"), (479.7, "8 min 00 s"), (3599.6, "1 h 00 min"), (3600.0, "1 h 00 min")],
)
def test_a_duration_has_no_60_seconds(seconds, words):
    assert duration(seconds) == words


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


BARS = """
from anysense.common.progress import Display, counter, training_display
with training_display(40_000) as show:
    show(12_345, 812.4, {"env": 1.0, "encode": 1.0, "learn": 3.0}, -0.512)
with Display("pretrain", 12_000, unit="steps", keep=True) as display:
    display.update(4_000, facts="epoch 3: validation loss 1.234", rate=23.0)
with Display("classify", 35, keep=True) as display:
    display.update(7, rate=1 / 430)
"""


def lines_of_terminal(width, code):
    """What a fresh process draws on a terminal of that width, escape sequences removed."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen([sys.executable, "-c", code], stderr=child, env={**environment, "TERM": "xterm"})
    os.close(child)
    found = b""
    try:
        while part := os.read(parent, 65536):
            found += part
    except OSError:  # The other end is closed.
        pass
    os.close(parent)
    assert process.wait(30) == 0
    return re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", found.decode()))


@pytest.mark.parametrize("width", [80, 40])
def test_bars_show_steps_rate_and_time_left_on_any_terminal(width):
    lines = lines_of_terminal(width, BARS)
    assert max(map(len, lines)) < width
    last = [next(line for line in reversed(lines) if line.startswith(title)) for title in ("train", "pretr", "clas")]
    numbers = (
        ("12,345/40,000", "812", "34.0 s"),
        ("4,000/12,000", "23", "5 min 48 s"),
        ("7/35", "8.4/h", "3 h 20 min"),
    )
    for line, parts in zip(last, numbers, strict=True):
        assert all(part in line for part in parts), line
    assert ("reward -0.512" in last[0]) == ("vali" in last[1]) == (width == 80)
    assert all(("\u2501" in line) == (width == 80) for line in last[:2])


def test_rates_and_times_keep_a_unit_that_says_something(clock, capsys):
    for rate, shown in ((1 / 20, "3.0 jobs/min"), (1 / 1000, "3.6 jobs/h"), (2000, "2,000 jobs/s")):
        with Display("jobs", unit="jobs") as display:
            clock[0] += 61.0
            display.update(1, rate=rate)
        assert capsys.readouterr().err == f"jobs: 1, {shown}\n"
