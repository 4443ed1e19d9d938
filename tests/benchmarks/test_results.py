from __future__ import annotations

import json

import pytest

from benchmarks.results import Results, table
from benchmarks.turns import SPEED, WALL, Command, Comparison, Contender, Figure, Measured


def measured(name: str, values=(), failure=None, size=None, **others) -> Measured:
    """A contender whose turns gave these speeds."""
    contender = Contender(name, Command(("-c", "pass")), size=size)
    return Measured(contender, [{"images_per_sec": value, **others} for value in values], failure)


def rows(*contenders: Measured, **others) -> dict[str, list[str]]:
    """The cells of each contender's row."""
    others.setdefault("also", ())
    comparison = Comparison("a title", SPEED, tuple(each.contender for each in contenders), **others)
    lines = [line for line in table(comparison, contenders).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first: rest for first, *rest in cells}


def test_a_row_has_median_spread_and_number_of_turns():
    assert rows(measured("A", [30, 10, 25]))["A"] == ["25.0", "10.0 to 30.0", "3"]


def test_ratios_are_the_subjects_figure_by_each_others():
    found = rows(measured("A", [10, 20]), measured("ours", [30, 40]), subject="ours")
    assert found["A"][-2:] == ["2.33", "2.50 (2.00 to 3.00)"]  # 35 / 15; 30 / 10 and 40 / 20
    assert found["ours"][-2:] == ["", ""]


def test_who_was_not_measured_has_the_reason_and_costs_the_others_nothing():
    found = rows(measured("A", [10]), measured("torch", failure="torch is not installed"), subject="A")
    assert found["torch"][0] == "not measured: torch is not installed"
    assert found["A"][0] == "10.0"


def test_a_subject_that_was_not_measured_leaves_ratios_out():
    found = rows(measured("A", [10]), measured("ours", failure="it broke"), subject="ours")
    assert found["A"][-2:] == ["", ""]


def test_other_figures_are_shown_in_their_unit():
    peak = Figure("peak_bytes", "peak memory", "GiB", 2**-30)
    assert rows(measured("A", [10, 20], peak_bytes=3 * 2**30), also=(peak,))["A"][-1] == "3.00"


def test_growth_is_fitted_by_a_line_with_how_well_it_fits():
    contenders = [measured(str(size), [1 + size / 100], size=size) for size in (500, 1000, 4000)]
    comparison = Comparison("growth", SPEED, tuple(each.contender for each in contenders), also=())
    closing = table(comparison, contenders).splitlines()[-1]
    assert closing == "Linear fit of speed: 1 images/s and 10 images/s for each 1,000 photos, R² = 1.0000."


def test_files_hold_every_turn_and_the_versions_that_contenders_told(tmp_path):
    results = Results({"cores": "2"}, {"numpy": "1.26.4"}, {"quick": "True"})
    contender = measured("A", [10, 20], versions={"torch": "2.14.1"})
    results.add(Comparison("a title", SPEED, (contender.contender,)), [contender])
    results.write(tmp_path)
    written = json.loads((tmp_path / "bench.json").read_text())
    assert written["versions"] == {"numpy": "1.26.4", "torch": "2.14.1"}
    assert [turn["images_per_sec"] for turn in written["comparisons"][0]["contenders"][0]["turns"]] == [10, 20]
    markdown = (tmp_path / "bench.md").read_text()
    assert markdown.startswith("Measured by `scripts/bench`: cores 2, numpy 1.26.4, torch 2.14.1.\n")
    assert "## a title" in markdown


@pytest.mark.parametrize(("value", "shown"), [(0.012345, "0.0123"), (1.0, "1.00"), (12.34, "12.3"), (1234.5, "1234")])
def test_numbers_have_three_digits(value, shown):
    contender = Contender("A", Command(()))
    line = table(Comparison("", WALL, (contender,), also=()), [Measured(contender, [{"wall_seconds": value}])])
    assert f"| A | {shown} |" in line
