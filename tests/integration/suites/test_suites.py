"""The plugin that this very run uses, on small projects."""

import textwrap

import pytest

import tests.suites

pytest_plugins = ["pytester"]

TESTS = """
    import pytest

    def test_passes(): pass

    @pytest.mark.skip(reason={reason!r})
    def test_skips(): pass
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("CI", raising=False)
    pytester.mkdir("tests")
    return pytester


def suite(project: pytest.Pytester, name: str, source: str) -> None:
    folder = project.path / "tests" / name
    folder.mkdir()
    (folder / f"test_{name}.py").write_text(textwrap.dedent(source))


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_inprocess("--strict-markers", "-p", "no:asyncio", *arguments, plugins=[tests.suites])


def test_the_table_is_the_last_thing_and_gives_reasons(project: pytest.Pytester) -> None:
    suite(project, "unit", TESTS.format(reason="needs a sunny day"))
    suite(project, "e2e", "def test_fails(): assert 0")

    result = run(project)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    below = result.outlines[next(i for i, line in enumerate(result.outlines) if " in " in line and "failed" in line) :]
    table = {line.split()[0]: line.split()[1:4] for line in below if line.strip()}
    assert table["unit"] == ["1", "0", "1"]
    assert table["e2e"] == ["0", "1", "0"]
    assert table["bus"] == ["0", "0", "0"]
    assert "skipped in unit: 1 x needs a sunny day" in below


def test_a_skip_on_a_laptop_is_no_failure(project: pytest.Pytester) -> None:
    suite(project, "bus", TESTS.format(reason="needs a sunny day"))

    assert run(project).ret == pytest.ExitCode.OK


@pytest.mark.parametrize(("reason", "allowed"), [("needs a sunny day", False), ("needs Docker: no engine", True)])
def test_a_skip_in_ci_needs_an_allowed_reason(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, reason: str, allowed: bool
) -> None:
    monkeypatch.setenv("CI", "true")
    suite(project, "bus", TESTS.format(reason=reason))

    result = run(project)

    assert result.ret == (pytest.ExitCode.OK if allowed else pytest.ExitCode.TESTS_FAILED)
    assert ("FAILED: CI allows no skip because of: needs a sunny day" in result.outlines) is not allowed


def test_a_module_that_skips_itself_whole_counts_too(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    suite(project, "integration", "import pytest; pytest.importorskip('no_such_module')")

    result = run(project)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED: CI allows no skip because of: could not import 'no_such_module'*"])


def test_a_suite_is_chosen_by_its_name(project: pytest.Pytester) -> None:
    suite(project, "unit", "def test_a(): pass")
    suite(project, "bus", "def test_b(): pass")

    result = run(project, "-m", "bus")

    result.assert_outcomes(passed=1, deselected=1)
    result.stdout.fnmatch_lines(["unit*not run: deselected", "e2e*not run: not asked for"])


def test_a_file_outside_of_the_suites_is_refused(project: pytest.Pytester) -> None:
    suite(project, "misc", "def test_a(): pass")

    assert run(project).ret == pytest.ExitCode.USAGE_ERROR


def test_keys_of_the_user_do_not_reach_the_tests(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "real")
    monkeypatch.setenv("REDIS_URL", "redis://production")
    monkeypatch.setenv("BOTEL_TEST_LEVEL", "kept")
    suite(
        project,
        "unit",
        """
        import os

        def test_environment():
            assert "OPENAI_API_KEY" not in os.environ
            assert "REDIS_URL" not in os.environ
            assert os.environ["BOTEL_TEST_LEVEL"] == "kept"
        """,
    )

    assert run(project).ret == pytest.ExitCode.OK
