from __future__ import annotations

from hotdog_ft.models.imagenet import class_names, find_rows


def test_there_are_a_thousand_classes_and_the_hot_dog_is_row_934():
    # facts.md, checked with real weights: hot dog is row 934, and 713 is the photocopier.
    assert len(class_names()) == 1000
    assert class_names()[934] == "hotdog, hot dog, red hot"
    assert class_names()[713] == "photocopier"


def test_names_are_those_of_gluoncvs_table():
    import pytest

    pytest.importorskip("gluoncv")
    from hotdog_ft.models import zoo

    zoo.build_source("dla34", 224)  # as the tool imports GluonCV
    from gluoncv.data.imagenet.classification import ImageNet1kAttr

    assert list(class_names()) == ImageNet1kAttr().classes_long


def test_a_class_is_found_whatever_its_case_and_separators():
    for name in ("hotdog", "Hot_Dog", "hot-dog", "HOT DOG", "red hot"):
        assert find_rows(name) == [934]


def test_most_names_stand_for_no_class():
    assert find_rows("not-hotdog") == []
    assert find_rows("") == []


def test_a_name_may_stand_for_several_classes():
    # The bird and the machine.
    assert find_rows("crane") == [134, 517]


def test_a_first_name_wins_over_another_classs_second():
    # "lesser panda, red panda, panda, …" is 387, "giant panda, panda, …" is 388: neither has it first.
    assert find_rows("panda") == [387, 388]
    # "golf ball" is 574's first name.
    classes = ("bug, beetle", "beetle, scarab")
    assert find_rows("beetle", classes) == [1]


def test_the_whole_line_is_a_name_too():
    assert find_rows("hotdog, hot dog, red hot") == [934]
