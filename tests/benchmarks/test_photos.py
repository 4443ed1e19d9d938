from __future__ import annotations

from benchmarks.photos import link_photos
from hotdog_ft.data.folder import read_folder
from tests.conftest import make_classes


def test_links_are_as_many_as_asked_for_and_the_classes_in_turn(photos, tmp_path):
    linked = read_folder(link_photos(read_folder(photos), tmp_path / "linked", train=50, test=4))
    assert [sum(linked.train.labels == label) for label in (0, 1)] == [25, 25]
    assert len(linked.test) == 4
    assert {path.resolve() for path in linked.train.paths} == set(photos.resolve().glob("train/*/*"))


def test_without_a_number_all_photos_are_linked_and_a_plain_folder_gets_train_and_test(tmp_path):
    plain = read_folder(make_classes(tmp_path / "plain", 10))
    linked = read_folder(link_photos(plain, tmp_path / "linked"))
    assert (len(linked.train), len(linked.test)) == (16, 4)
    assert {path.resolve() for path in linked.test.paths} == {path.resolve() for path in plain.test.paths}
