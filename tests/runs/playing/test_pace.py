"""Steps that come too slowly."""

from anysense.runs.playing.pace import Pace


def slow(every, until, wanted=20):
    pace = Pace()
    for now in range(0, until + 1, every):
        pace.step(now)
    return pace, pace.slow(until, wanted)


def test_it_is_said_how_many_steps_there_are():
    assert slow(500, 3000)[1] == "2 of 20 steps/s"
    assert slow(100, 1500)[1] == "10 of 20 steps/s"
    assert slow(50, 3000)[1] == ""
    assert slow(500, 500)[1] == ""  # too early to tell


def test_a_pause_is_not_slow():
    pace, _ = slow(500, 3000)
    pace.forget()
    assert pace.slow(9000, 20) == ""
