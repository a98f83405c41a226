from deploy.local.limits import findings

LONG = "def long():\n" + "    x = 1\n" * 50


def test_a_long_function_is_found_by_name_and_line() -> None:
    assert list(findings("services/a.py", "x = 1\n" + LONG)) == ["services/a.py:2 long of 51 lines, 50 at most"]


def test_a_long_file_is_found() -> None:
    assert list(findings("services/a.py", "x = 1\n" * 301)) == ["services/a.py:1 file of 301 lines, 300 at most"]


SLEEPS = "import time\ndef test_a():\n    time.sleep(1)\n"


def test_a_sleep_is_found_in_tests_only() -> None:
    assert list(findings("tests/unit/test_a.py", SLEEPS)) == [
        "tests/unit/test_a.py:3 sleeps: wait for what should happen"
    ]
    assert list(findings("services/a.py", SLEEPS)) == []


def test_giving_way_is_no_sleep_and_a_fake_that_streams_may_pace_itself() -> None:
    pacing = "async def words():\n    await asyncio.sleep(0.1)\n    yield 'a'\n"

    assert list(findings("tests/unit/test_a.py", SLEEPS.replace("sleep(1)", "sleep(0)"))) == []
    assert list(findings("tests/unit/test_a.py", pacing)) == []


def test_what_keeps_to_the_limits_is_not_told() -> None:
    assert list(findings("services/a.py", LONG.rpartition("    x = 1\n")[0])) == []
