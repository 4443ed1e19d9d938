from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from benchmarks.turns import WALL, Command, Comparison, Contender, TurnError, run, take_turns
from tests.conftest import REPOSITORY


def python(code: str, reports: bool = False) -> Command:
    return Command(("-c", code), reports=reports)


def writes(name: str) -> Contender:
    """A contender that adds its name to a file beside the rounds' folders."""
    return Contender(name, python(f"open('../log', 'a').write({name!r})"))


def compare(*contenders: Contender, **others) -> Comparison:
    return Comparison("a title", WALL, contenders, **others)


def test_contenders_take_turns_after_one_preparation(tmp_path):
    preparation = (python("open('log', 'w').write('prepared ')"),)
    measured = take_turns(compare(writes("A"), writes("B"), preparation=preparation), tmp_path, seconds=0, least=3)
    assert (tmp_path / "log").read_text() == "prepared ABABAB"
    assert [len(each.turns) for each in measured] == [3, 3]


def test_rounds_go_on_while_there_is_time_up_to_the_most(tmp_path):
    (measured,) = take_turns(compare(writes("A")), tmp_path, seconds=600, most=4)
    assert len(measured.turns) == 4


def test_a_turn_is_what_the_process_printed_with_its_time_and_memory(tmp_path):
    """By a process of its own: what is started counts the memory of who starts it, which other tests have filled."""
    said = "block = b'x' * 200_000_000; print('words'); print('{\"letters\": 5}')"
    code = "import json, sys; from pathlib import Path; from benchmarks.turns import Command, run; print(json.dumps("
    code += "run(Command(('-c', sys.argv[1]), reports=True), Path())))"
    done = subprocess.run(
        [sys.executable, "-c", code, said],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        check=True,
    )
    turn = json.loads(done.stdout)
    assert turn["letters"] == 5
    assert turn["wall_seconds"] > 0
    assert 200_000_000 < turn["peak_bytes"] < 2_000_000_000


def test_the_metrics_of_a_run_belong_to_the_turn(tmp_path):
    code = 'import os; os.mkdir("out"); open("out/metrics.jsonl", "w").write(\'{"epoch": 1}\\n{"epoch": 2}\\n\')'
    (measured,) = take_turns(compare(Contender("A", python(code), run="out")), tmp_path, seconds=0)
    assert measured.turns[0]["epoch"] == 2


def test_who_fails_is_left_out_and_the_others_go_on(tmp_path):
    fails = Contender("B", python("import sys; sys.exit('Error: no weights\\nHint: fetch some')"))
    told = []
    first, second = take_turns(compare(writes("A"), fails), tmp_path, seconds=0, least=3, tell=told.append)
    assert (len(first.turns), first.failure) == (3, None)
    assert (second.turns, second.failure) == ([], "no weights")
    assert [line for line in told if "B" in line] == ["round 1, B: not measured: no weights"]


def test_nobody_is_measured_when_the_preparation_fails(tmp_path):
    comparison = compare(writes("A"), preparation=(python("raise SystemExit('no room')"),))
    (measured,) = take_turns(comparison, tmp_path, seconds=0)
    assert measured.failure == "preparation: no room"
    assert not (tmp_path / "log").exists()


def test_a_missing_package_is_told_with_where_to_read_on(tmp_path):
    with pytest.raises(TurnError, match=r"no_such_package is not installed \(docs/benchmarks.md"):
        run(python("import no_such_package"), tmp_path)


def test_an_end_by_signal_is_named(tmp_path):
    with pytest.raises(TurnError, match=r"ended by signal 9 \(out of memory\?\)"):
        run(python("import os; os.kill(os.getpid(), 9)"), tmp_path)


def test_what_a_user_has_set_does_not_reach_the_contenders(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("HOTDOG_FT_LR", "7")
    kept = "sorted(set(os.environ) & {'OMP_NUM_THREADS', 'HOTDOG_FT_LR', 'HOTDOG_FT_HOME'})"
    turn = run(python(f"import json, os; print(json.dumps(dict(kept={kept})))", reports=True), tmp_path)
    assert turn["kept"] == ["HOTDOG_FT_HOME"]
