from deploy.local.limits import findings

LONG = "def long():\n" + "    x = 1\n" * 50


def test_a_long_function_is_found_by_name_and_line() -> None:
    assert list(findings("services/a.py", "x = 1\n" + LONG)) == ["services/a.py:2 long of 51 lines, 50 at most"]


def test_a_long_file_is_found() -> None:
    assert list(findings("services/a.py", "x = 1\n" * 301)) == ["services/a.py:1 file of 301 lines, 300 at most"]


def test_a_sleep_is_found_in_tests_only() -> None:
    source = "import time\ntime." + "sleep(1)\n"

    assert list(findings("tests/unit/test_a.py", source)) == [
        "tests/unit/test_a.py:2 sleeps: wait for what should happen"
    ]
    assert list(findings("services/a.py", source)) == []


def test_what_keeps_to_the_limits_is_not_told() -> None:
    assert list(findings("services/a.py", LONG.rpartition("    x = 1\n")[0])) == []
