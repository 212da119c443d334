"""JSON of others: whatever it holds, it is read or refused with the name of the file, and nothing else happens."""

import pytest

from anysense.common.errors import FileFormatError
from anysense.common.files import write_json
from anysense.common.json_files import MAX_JSON_BYTES, check_entries, parse_json, read_description, read_json


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1', r"`.*run\.json` is damaged: not valid JSON \(.*\)\. Restore it or make the run again\."),
        (b"\xff\xfe\x00", "not valid JSON"),
        ("[1]".encode("utf-16"), "not valid JSON"),
        (b"[NaN]", r"not valid JSON \(NaN is no number of JSON\)"),
        (b"1" * 5000, "not valid JSON"),
        (b"[" * 100_000, "nested more than 64 deep"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested more than 64 deep"),
        (b'["' + b'\\"' * 99_999 + b"[" * 99_999, "not valid JSON"),
        (b'"' + b"a" * MAX_JSON_BYTES + b'"', r"it has more than 16777216 bytes"),
    ],
)
def test_json_that_is_damaged_or_an_attack_is_a_clear_error(content, message, tmp_path):
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_json(path)


def test_no_file_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`.*a\.json` does not exist; expected the folder of an agent"):
        read_json(tmp_path / "a.json", "an agent")


def test_depth_is_counted_exactly_and_not_in_strings():
    assert parse_json(b"[" * 64 + b"]" * 64)
    assert parse_json(b'["' + b"[" * 99 + b'\\"[", 1]') == ["[" * 99 + '"[', 1]
    with pytest.raises(ValueError, match="nested more than 63 deep"):
        parse_json(b"[" * 64 + b"]" * 64, max_depth=63)


SCHEMA = {"name": str, "count": range(1, 9), "rate?": float, "kind": ("a", "b"), "inner": (None, {"list": [int]})}
GOOD = {"name": "x", "count": 8, "kind": "b", "inner": {"list": [1, 2]}, "rate": 1}


def test_what_the_schema_allows():
    other = {"name": str, str: object}
    for value, schema in (
        (GOOD, SCHEMA),
        ({**GOOD, "inner": None, "kind": "a"}, SCHEMA),
        ({"name": "x", "other": [{}]}, other),
    ):
        check_entries(value, schema)
        with pytest.raises(ValueError, match=r"`name` must be a str; got None"):
            check_entries({**value, "name": None}, schema)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": 3}, r"`name` must be a str; got 3\."),
        ({"count": True}, r"`count` must be an integer from 1 to 8; got True"),
        ({"count": 10**30}, r"`count` must be an integer from 1 to 8; got 1000"),
        ({"rate": 1e999}, r"`rate` must be a finite number; got inf"),
        ({"rate": False}, r"`rate` must be a finite number; got False"),
        ({"kind": "c"}, r"`kind` must be 'b'; got 'c'"),
        ({"inner": 5}, r"`inner` must be a dict; got 5"),
        ({"inner": {}}, r"`inner` lacks \['list'\]"),
        ({"inner": {"list": [1, 2.0]}}, r"`inner\.list\[1\]` must be an int; got 2\.0"),
        ({"more": 1}, r"must hold nothing but \['name', 'count', 'rate', 'kind', 'inner'\]; got \['more'\]"),
    ],
)
def test_what_it_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        check_entries({**GOOD, **changes}, SCHEMA)


def test_the_whole_content_has_no_name_of_its_own(tmp_path):
    for content, message in (
        ("[1]", r"`.*run\.json` is damaged: the content must be a dict; got \[1\]"),
        ("{}", r"`.*run\.json` is damaged: the content lacks \['seed'\]"),
        ('{"seed": "a"}', r"`.*run\.json` is damaged: `seed` must be an int; got 'a'"),
    ):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(FileFormatError, match=message):
            read_json(tmp_path / "run.json", "a run", {"seed": int})
    with pytest.raises(ValueError, match=r"`content\[1\]` must be an int; got 'b'"):
        check_entries([1, "b"], [int])


def test_an_entry_that_is_absent():
    with pytest.raises(ValueError, match=r"the content lacks \['name', 'kind'\]"):
        check_entries({"count": 1, "inner": None}, SCHEMA)


def test_descriptions_of_another_format_or_version_are_refused(tmp_path):
    path = tmp_path / "agent.json"

    def refused(message, error=ValueError):
        with pytest.raises(error, match=message):
            read_description(path, "agent", 2, "an agent", {"name": str})

    refused(r"`.*agent\.json` does not exist; expected the folder of an agent", FileNotFoundError)
    write_json(path, {"format": "robot", "format_version": 2})
    refused(r'does not describe an agent: expected an entry "format": \'agent\'')
    write_json(path, ["agent"])
    refused("does not describe an agent")
    write_json(path, {"format": "agent", "format_version": 1, "anysense_version": "0.1"})
    refused(r"has format version 1; this release of anysense reads version 2\. It was written by anysense '0\.1'")
    write_json(path, {"format": "agent", "format_version": True})
    refused("has format version True")
    write_json(path, {"format": "agent", "format_version": 2})
    refused(r"`.*agent\.json` is damaged: the content lacks \['name'\]\. Restore it or make an agent again")
    write_json(path, {"format": "agent", "format_version": 2, "name": "x"})
    assert read_description(path, "agent", 2, "an agent", {"name": str})["name"] == "x"
