import sys

import pytest

from anysense.runs.tables import Table, counted, latex_table, markdown_table, print_table, with_interval, wrapped

WIDE = Table(
    ("input", *(f"method {number}" for number in range(7))),
    [(name, *(f"{number}7.31 ± 0.42" for number in range(7))) for name in ("complete", "image + sound + trajectory")],
    rules=[0],
)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_every_cell_is_readable_at_any_width(width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    print_table("A [title] in brackets", WIDE)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "A [title] in brackets"
    assert all(len(line) <= width for line in lines)
    text = "\n".join(lines)
    for cell in (*WIDE.columns[1:], *WIDE.rows[0]):
        assert cell in text
    assert "…" not in text
    assert text.count("┏") == {60: 4, 80: 3, 200: 1}[width]


NAMES = ("complete, image:gaussian_noise:0.1", "image, image:gaussian_noise:0.1")


@pytest.mark.parametrize("width", [60, 80])
def test_names_are_broken_between_words_only(width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    value = "-5.917 [-7.027, -4.693]"
    print_table("", Table(("input", "average reward per step", "return"), [(name, value, value) for name in NAMES]))
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= width for line in lines)
    assert sum("image:gaussian_noise:0.1" in line for line in lines) == {60: 4, 80: 2}[width]


def test_a_cell_wider_than_the_terminal_takes_several_lines(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    words = [f"word{number}" for number in range(20)]
    print_table("", Table(("name", "range", "count"), [("a name", " ".join(words), "1")]))
    text = capsys.readouterr().out
    assert "…" not in text
    assert all(len(line) <= 40 for line in text.splitlines())
    assert all(f" {word} " in text for word in ("a name", *words))


def test_long_texts_are_broken_between_words_on_a_terminal_only(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    text = "Training: every method on the same data-sets"
    assert wrapped(text) == text
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert wrapped(text).splitlines() == ["Training: every", "  method on the same", "  data-sets"]


def test_a_table_of_one_column(capsys):
    print_table("", Table(("name",), [("x",)]))
    assert "│ x    │" in capsys.readouterr().out


def test_turned_rows_are_columns_under_a_new_first_heading_and_twice_is_the_same():
    table = Table(("input", "gmc", "mvae"), [("image", "1", "2"), ("sound", "3", "4"), ("both", "5", "6")])
    turned = table.turned("method")
    assert turned == Table(("method", "image", "sound", "both"), [("gmc", "1", "3", "5"), ("mvae", "2", "4", "6")])
    assert turned.turned("input") == table


def test_markdown():
    assert markdown_table(Table(("a", "b"), [("1", "2")])) == "| a | b |\n|---|---:|\n| 1 | 2 |"


def test_columns_of_texts_are_left_aligned_and_those_with_a_number_are_not(capsys):
    cells = {
        "name": "1", "command": "anysense train --seed 0", "range": "0.05..1:log", "hash": "`1f3a`", "": "-",
        "score": "-0.48 [-0.5, -0.46]", "share": "99.6%", "count": "1,200", "won": "6 of 6", "small": "2e-4",
    }  # fmt: skip
    table = Table(
        tuple(cells), [("x", "anysense", "a,b", "-", "-", "failed", "-", "", "-", "-"), tuple(cells.values())]
    )
    assert table.texts == [True] * 4 + [False] * 6
    assert markdown_table(table).splitlines()[1] == "|---|---|---|---|" + "---:|" * 6
    assert r"\begin{tabular}{llllrrrrrr}" in latex_table(table, "")
    print_table("", Table(("a", "b", "c"), [("x", "long text", "1"), ("y", "text", "10")]))
    assert "│ y │ text      │ 10 │" in capsys.readouterr().out


def test_latex_escapes_what_it_must():
    text = latex_table(Table(("a_b", "50%"), [("x & y", "1 ± 2")]), "50% of #1")
    assert r"a\_b & 50\% \\" in text
    assert r"x \& y & 1 $\pm$ 2 \\" in text
    assert r"\caption{50\% of \#1}" in text


def test_latex_shows_every_character_as_it_is_written():
    text = latex_table(Table(("a", "b"), [("[1]", r"\x ^ ~ < > | {}"), ("c", "d")]), "x")
    assert r"\\" + "\n[" not in text
    escaped = r"\textbackslash{}x \textasciicircum{} \textasciitilde{} \textless{} \textgreater{} \textbar{} \{\}"
    assert "{[}1{]} & " + escaped + r" \\" in text
    assert text.splitlines()[4:6] == [r"\toprule", r"a & b \\"]


def test_a_cell_of_markdown_stays_one_cell():
    assert markdown_table(Table(("a|b", "c"), [("1\n2", "3")])).splitlines()[::2] == [r"| a\|b | c |", "| 1 2 | 3 |"]


def test_numbers_in_words():
    assert with_interval(-0.5, -0.52, -0.481) == "-0.500 [-0.520, -0.481]"
    assert with_interval(1.25, float("nan"), float("nan"), 1) == "1.2"
    assert with_interval(-0.0001, -0.0004, 0.0004) == "0.000 [0.000, 0.000]"
    assert (counted(1, "epoch"), counted(3, "epoch")) == ("1 epoch", "3 epochs")
