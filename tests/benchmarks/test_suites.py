from __future__ import annotations

import importlib.util

import pytest

from benchmarks.__main__ import SUITES
from benchmarks.suites import Setting
from hotdog_ft.data.folder import read_folder
from tests.conftest import make_classes


@pytest.fixture(scope="module", params=[False, True], ids=["whole", "quick"])
def everything(request, tmp_path_factory):
    """All suites' comparisons, made once for all tests: with them come thousands of links."""
    photos = read_folder(make_classes(tmp_path_factory.mktemp("photos"), 5))
    setting = Setting(photos, tmp_path_factory.mktemp("scratch"), request.param, "python")
    return [comparison for suite in SUITES.values() for comparison in suite.comparisons(setting)]


def test_every_process_that_is_measured_is_there(everything):
    commands = [contender.command for comparison in everything for contender in comparison.contenders]
    modules = {command.arguments[1] for command in commands if command.arguments[0] == "-m"}
    assert "benchmarks.book" in modules
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []


def test_contenders_have_names_of_their_own_and_the_subject_is_one_of_them(everything):
    for comparison in everything:
        names = [contender.name for contender in comparison.contenders]
        assert len(set(names)) == len(names)
        assert comparison.subject is None or comparison.subject in names


def test_all_suites_together_take_about_an_hour(everything):
    assert 45 <= sum(comparison.minutes for comparison in everything) <= 60
