import pytest

from anysense.runs.errors import exit_code, report_error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("x"), 2),
        (TypeError("x"), 2),
        (FileNotFoundError("x"), 2),
        (FileExistsError("x"), 2),
        (RuntimeError("x"), 1),
        (OSError("disk full"), 1),
        (ModuleNotFoundError("x"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes(error, code, capsys):
    assert exit_code(error) == code
    assert report_error(error) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_report_is_one_paragraph_and_a_traceback_only_on_request(capsys):
    report_error(ValueError("`a` expected\n  b, got c."))
    assert capsys.readouterr().err == "Error: `a` expected b, got c.\n"
    report_error(RuntimeError("it broke"))
    assert capsys.readouterr().err == "Error: RuntimeError: it broke (--traceback shows where.)\n"
    report_error(RuntimeError("it broke"), show_traceback=True)
    assert "Error: RuntimeError: it broke\n" in capsys.readouterr().err
