import sys

import pytest

from benchmarks.cost_model import Costs, main

COSTS = Costs(a_step=0.5, a_photo=0.01, gradients=1e9, bandwidth=1e9)


def test_one_worker_exchanges_nothing():
    assert COSTS.step(100, 1, COSTS.by_servers(1, 1)) == pytest.approx(1.5)


def test_the_largest_share_counts():
    assert COSTS.step(101, 2, 0) == pytest.approx(0.5 + 51 * 0.01)


def test_a_server_takes_what_all_workers_send_it():
    assert COSTS.by_servers(4, 1) == pytest.approx(8)
    assert COSTS.by_servers(4, 2) == pytest.approx(4)
    assert COSTS.by_servers(4, 8) == pytest.approx(2)  # each worker sends and receives everything itself


def test_a_ring_costs_hardly_more_with_more_workers():
    assert COSTS.by_ring(1) == 0
    assert COSTS.by_ring(2) == pytest.approx(1)
    assert COSTS.by_ring(64) == pytest.approx(2, rel=0.02)


def test_the_table_has_a_line_for_each_number_of_workers(monkeypatch, capsys):
    arguments = ["--parameters", "25e6", "--images-per-sec", "100", "--batch-size", "128", "--gigabits", "0.8"]
    monkeypatch.setattr(sys, "argv", ["cost_model", *arguments])
    main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["1", "2", "4", "8", "16", "32", "64"]
    # Alone 1.28 s; two: 0.64 s, and 100 MB at 100 MB/s, twice and for two (4 s), twice (2 s), once (1 s).
    assert lines[3] == "| 2 | 0.276 | 0.485 | 0.78 | 1.12 |"
