"""Drivers of a search: what they take, what they leave, and the journal that they share. Trials are sums here."""

import errno
import importlib
import itertools
import json
import threading

import pytest

pytest.importorskip("optuna")

from anysense.common.errors import FileFormatError
from anysense.runs.launching.job import Job, Upcoming, WorkerLostError
from anysense.runs.launching.launcher import Launcher, do_jobs
from anysense.runs.launching.local import Local
from anysense.runs.tuning.journal import JOURNAL, Journal
from anysense.runs.tuning.plan import Plan, folder_of, name_of
from anysense.runs.tuning.search import MOST_ATTEMPTS, Search
from anysense.runs.tuning.space import Dimension

X, N = Dimension("x", 0.01, 1.0, log=True), Dimension("n", 1, 9, whole=True)
KIND = Dimension("kind", choices=("a", "b"))


def plan(trials=6, methods=("one",), space=(X, N, KIND), default=None, **more):
    defaults = {"x": 0.5, "n": 3, "kind": "a"} | (default or {})
    values = {"seed": 3, "sampler": "tpe", "better": "higher", "about": {"subject": "sums"}} | more
    return Plan(dict.fromkeys(methods, space), dict.fromkeys(methods, defaults), trials, **values)


def result(method, number, values, value, failed=None):
    return {"method": method, "number": number, "values": values, "value": value, "failed": failed, "records": []}


def score(values):
    return values.get("x", 0.5) - abs(values.get("n", 3) - 5) + (values.get("kind", "a") == "b")


class Bench:
    """A run folder in which trials are done in no time; counts what is done."""

    def __init__(self, folder):
        self.folder, self.done, self.before = folder, [], lambda method, number: None

    def work(self, argument, folder, device):
        method, number, values = argument
        self.before(method, number)
        self.done.append((method, number))
        return result(method, number, values, score(values))

    def make(self, method, number, values):
        return Job(name_of(method, number), folder_of(self.folder, method, number), self.work, (method, number, values))

    def search(self, *arguments, **more):
        return Search(self.folder, plan(*arguments, **more), self.make)

    def go(self, search, launcher=None):
        search.go(launcher or Local(1), "tune", lambda job: "done")

    def values(self):
        found = {}
        for path in sorted(self.folder.glob("jobs/*/result.json")):
            one = json.loads(path.read_text())
            found[one["method"], one["number"]] = one["values"]
        return found


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda number: None)  # Most of the time of trials that do nothing.
    return Bench(tmp_path)


def test_methods_take_turns_and_the_first_trial_has_the_defaults(bench):
    search = bench.search(4, ("one", "two"))
    bench.go(search)
    assert bench.done == [(method, number) for number in range(4) for method in ("one", "two")]
    assert (search.left(), bench.values()["one", 0], bench.values()["two", 0]) == (0, {}, {})
    first = search.studies["one"].trials[0]
    assert (first.params, first.value) == ({"x": 0.5, "n": 3, "kind": "a"}, score({}))
    for values in (values for (_, number), values in bench.values().items() if number):
        assert X.holds(values["x"])
        assert float(f"{values['x']:.4g}") == values["x"]
        assert type(values["n"]) is int
        assert N.holds(values["n"])
        assert values["kind"] in ("a", "b")
    assert bench.values()["one", 1] != bench.values()["two", 1]
    assert [path for path in bench.folder.rglob("*.lock") if path.parent.name == "drivers"] == []


def test_a_single_value_is_that_of_every_trial(bench):
    bench.go(bench.search(3, space=(X, Dimension("n", choices=(7,)), Dimension("kind", choices=("a",)))))
    first, *others = [values for _, values in sorted(bench.values().items())]
    assert first == {"n": 7, "kind": "a"}
    assert [(one["n"], one["kind"]) for one in others] == [(7, "a")] * 2
    assert all("x" in one for one in others)


def test_the_same_seed_draws_the_same_also_when_it_was_interrupted_and_grew(bench, tmp_path):
    whole = Bench(tmp_path / "whole")
    whole.folder.mkdir()
    whole.go(whole.search(14))

    def interrupted(method, number):
        if number == 12 and len(bench.done) == 12:
            bench.before = lambda method, number: None
            raise KeyboardInterrupt

    bench.before = interrupted
    with pytest.raises(KeyboardInterrupt):
        bench.go(bench.search(13))
    bench.go(bench.search(13))
    bench.go(bench.search(14))
    assert bench.done == whole.done
    assert bench.values() == whole.values()
    other = Bench(tmp_path / "other")
    other.folder.mkdir()
    other.go(other.search(3, seed=4))
    assert other.values()["one", 1] != whole.values()["one", 1]


def test_the_sampler_learns(bench):
    search = bench.search(24)
    bench.go(search)
    values = [trial.value for trial in search.studies["one"].trials]
    assert sum(values[-8:]) / 8 > sum(values[1:11]) / 10 + 1
    importances = search.importances("one")
    assert sum(importances.values()) == pytest.approx(1)
    assert max(importances, key=importances.__getitem__) == "n"


def test_lower_is_better_and_random(bench):
    search = bench.search(3, better="lower", sampler="random")
    bench.go(search)
    assert search.studies["one"].best_value == min(trial.value for trial in search.studies["one"].trials)
    assert search.importances("one") == {}


def test_a_default_outside_of_the_range_is_tried_all_the_same(bench):
    search = bench.search(12, default={"x": 3.0, "n": None})
    bench.go(search)
    assert search.studies["one"].trials[0].params == {"kind": "a"}
    assert bench.values()["one", 0] == {}
    assert set(bench.values()["one", 11]) == {"x", "n", "kind"}


def test_failures_are_told_and_the_search_goes_on(bench):
    def work(argument, folder, device):
        method, number, values = argument
        return result(method, number, values, None if number == 1 else 1.0, "it is wrong")

    bench.work = work
    search = bench.search(3)
    said = []
    search.go(Local(1), "tune", lambda job: said.append(job.result()["failed"]) or "x")
    assert [trial.state.name for trial in search.studies["one"].trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert len(said) == 3


def test_a_result_that_was_not_told_is_told_and_not_done_again(bench, monkeypatch):
    def killed(self, *arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Search, "_tell", killed)
        with pytest.raises(KeyboardInterrupt):
            bench.go(bench.search(3))
    assert bench.done == [("one", 0)]
    assert bench.search(3).left() == 2
    bench.go(bench.search(3))
    assert bench.done == [("one", 0), ("one", 1), ("one", 2)]


@pytest.mark.parametrize("moment", ["ask", "suggest_int", "set_user_attr"])
def test_a_driver_that_is_killed_while_it_takes_a_trial_leaves_none_out(bench, tmp_path, monkeypatch, moment):
    import optuna

    whole = Bench(tmp_path / "whole")
    whole.folder.mkdir()
    whole.go(whole.search(3))
    owner = optuna.study.Study if moment == "ask" else optuna.trial.Trial
    usual, calls = getattr(owner, moment), itertools.count()

    def killed(self, *arguments, **more):
        if next(calls) == 1:
            raise SystemExit("killed")
        return usual(self, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(owner, moment, killed)
        with pytest.raises(SystemExit):
            bench.go(bench.search(3))
    bench.go(bench.search(3))
    assert sorted(bench.done) == whole.done
    assert bench.values() == whole.values()


def test_two_drivers_share_the_trials(bench):
    both = threading.Barrier(2, timeout=20)
    bench.before = lambda method, number: both.wait() if number < 2 else None  # each is at one at the same time
    first, second = bench.search(7), bench.search(7)
    threads = [threading.Thread(target=bench.go, args=(search,)) for search in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(bench.done) == [("one", number) for number in range(7)]
    assert len({trial.user_attrs["driver"] for trial in first.studies["one"].trials}) == 2
    assert first.left() == second.left() == 0


class Losing(Launcher):
    """Loses its worker so many times at one trial."""

    def __init__(self, number, times):
        self.number, self.left = number, times

    def launch(self, jobs):
        yield None
        for job in jobs:
            if job.argument[1] == self.number and self.left:
                self.left -= 1
                raise WorkerLostError("It was killed.", job)
            job.run("cpu")
            yield job


@pytest.mark.parametrize("times", [MOST_ATTEMPTS - 1, MOST_ATTEMPTS])
def test_a_trial_whose_process_is_killed_is_begun_again_but_not_for_ever(bench, times, capsys):
    search = bench.search(3)
    bench.go(search, Losing(1, times))
    states = [trial.state.name for trial in search.studies["one"].trials]
    failed = json.loads((folder_of(bench.folder, "one", 1) / "result.json").read_text())["failed"]
    if times < MOST_ATTEMPTS:
        assert (states, failed) == (["COMPLETE"] * 3, None)
    else:
        assert states == ["COMPLETE", "FAIL", "COMPLETE"]
        assert failed == "its process was killed 3 times, perhaps for lack of memory"
    assert "The trial is begun again, at most 3 times." in capsys.readouterr().err


def test_an_interrupted_trial_does_not_count_as_killed(bench):
    def interrupted(method, number):
        raise KeyboardInterrupt

    bench.before = interrupted
    for _ in range(MOST_ATTEMPTS + 1):
        with pytest.raises(KeyboardInterrupt):
            bench.go(bench.search(2))
    bench.before = lambda method, number: None
    bench.go(bench.search(2))
    assert len(bench.done) == 2


def test_an_entry_that_was_cut_off_is_left_out(bench, capsys):
    bench.go(bench.search(2))
    path = bench.folder / JOURNAL
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":4,"worker_id":"x","stu')
    bench.go(bench.search(3))
    assert "the last entry was not written to its end, and is left out" in capsys.readouterr().err
    assert path.read_bytes().startswith(whole)
    assert bench.done == [("one", number) for number in range(3)]
    path.write_bytes(whole[: len(whole) // 2])
    assert bench.search(3).left() == 0


@pytest.mark.parametrize("entries", range(7))
def test_a_full_disk_names_the_journal_and_the_search_goes_on(bench, monkeypatch, entries):
    backend = importlib.import_module("optuna.storages.journal").JournalFileBackend
    usual, left = backend.append_logs, iter(range(entries))

    def append(self, logs):
        if next(left, None) is None:
            with (bench.folder / JOURNAL).open("ab") as file:
                file.write(b'{"op_co')
            raise OSError(errno.ENOSPC, "No space left on device")
        usual(self, logs)

    with monkeypatch.context() as patch:
        patch.setattr(backend, "append_logs", append)
        with pytest.raises(OSError, match=rf"Cannot write `.*{JOURNAL}` \(No space left on device\); free space"):
            bench.go(bench.search(2))
    bench.go(bench.search(2))
    assert sorted(bench.values()) == [("one", 0), ("one", 1)]


def test_without_its_journal_a_search_takes_what_was_finished_from_the_folders(bench, capsys):
    """As several trials at a time leave it: the values of one are not those that would be drawn, one was cut off."""
    bench.go(bench.search(3))
    other = {"x": 0.25, "n": 7, "kind": "b"}
    (folder_of(bench.folder, "one", 1) / "result.json").write_text(json.dumps(result("one", 1, other, score(other))))
    (bench.folder / JOURNAL).unlink()
    left = folder_of(bench.folder, "one", 3) / "checkpoint"
    left.parent.mkdir()
    left.touch()
    bench.go(bench.search(3))
    search = bench.search(4)
    bench.go(search)
    assert bench.done == [("one", number) for number in range(4)]
    trials = search.studies["one"].trials
    assert (trials[1].params, trials[1].value) == (other, score(other))
    assert [trial.value for trial in trials] == [score(bench.values()["one", number]) for number in range(4)]
    assert not left.exists()
    assert "Other drivers" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"nonsense\n", r"is damaged in line 1: not valid JSON"),
        (b"[1]\n", "must be a dict"),
        (b'{"op_code":1,"worker_id":"a","study_id":0}\n', "nothing is written with `op_code` 1"),
        (b'{"op_code":99,"worker_id":"a"}\n', "`op_code` must be an integer from 0 to 9"),
        (b'{"op_code":4,"worker_id":"a","study_id":0,"state":"x"}\n', "`state`"),
        (b'{"op_code":0,"worker_id":"a","study_name":"one","directions":[7]}\n', "`directions"),
        (b'{"op_code":0,"worker_id":"a"}\n', "is damaged: no entry 'study_name'"),
        (b'{"op_code":5,"worker_id":"' + b"a" * 2**20 + b'"}\n', "more than 1048576 bytes"),
        (b"[" * 40 + b"]" * 40 + b"\n", "nested more than"),
    ],
)
def test_a_damaged_journal_is_named(bench, line, message):
    (bench.folder / JOURNAL).write_bytes(line)
    with pytest.raises(FileFormatError, match=message):
        Journal(bench.folder)


def test_another_search_in_the_folder_is_refused(bench):
    bench.search(2)
    with pytest.raises(ValueError, match=r"holds another search: one with .*'sums'.*, asked for was .*'others'"):
        bench.search(2, about={"subject": "others"})
    with pytest.raises(ValueError, match="holds another search: one with"):
        bench.search(2, space=(X, N))
    with pytest.raises(ValueError, match="holds another search: a study 'one', and methods are two"):
        bench.search(2, ("two",))
    assert set(bench.search(2, ("one", "two")).studies) == {"one", "two"}


def test_jobs_that_are_not_decided_are_taken_when_there_is_a_place(tmp_path):
    taken, ended = [], []

    def following():
        if len(taken) == 3:
            return None
        taken.append(len(ended))
        return Job(str(len(taken)), tmp_path / str(len(taken)), lambda *it: {}, None)

    jobs = Upcoming(5, following)
    do_jobs(jobs, Local(1), "jobs", 0, lambda job: ended.append(job.name) or "done")
    assert (taken, ended, len(jobs)) == ([0, 1, 2], ["1", "2", "3"], 5)
    with pytest.raises(TypeError, match="one by one"):
        jobs[-1]
    assert jobs[0].name == "1"
