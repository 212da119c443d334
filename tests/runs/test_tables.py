from anysense.runs.tables import Table, markdown_table, print_table, with_interval


def test_tables(capsys):
    print_table("title", Table(("name", "value"), [("a long name", "1.0"), ("b", "-2.0")], rules=[0]))
    text = capsys.readouterr().out
    assert "a long name" in text
    assert "-2.0" in text
    assert markdown_table(Table(("a", "b"), [("1", "2")])) == "| a | b |\n|---|---:|\n| 1 | 2 |"
    assert with_interval(-0.5, -0.52, -0.481) == "-0.500 [-0.520, -0.481]"
