"""What differs between two answers is named, and nothing else is."""

from __future__ import annotations

from stats.reports.differing import Said, differing, share_of


def test_the_same_counts_do_not_differ():
    one = Said({"/a": (5, 1), "/b": (3, 0)})
    assert (differing(one, one), share_of([], one, one)) == ([], 0.0)


def test_what_differs_most_comes_first_and_its_share_is_of_all_requests():
    queue = Said({"/a": (90, 0), "/b": (10, 0), "/c": (100, 5)})
    collector = Said({"/a": (100, 0), "/b": (10, 0), "/c": (100, 6)})
    names = differing(queue, collector)
    assert names == ["/a", "/c"]
    assert share_of(names, queue, collector) == (10 + 1) / 210


def test_a_route_that_one_side_lacks_differs_where_that_side_shows_all_of_its_own():
    queue, collector = {"/a": (9, 0)}, {"/a": (9, 0), "/b": (1, 0)}
    assert differing(Said(queue), Said(collector)) == ["/b"]
    assert differing(Said(queue, is_all=False), Said(collector)) == []
    assert differing(Said(collector), Said(queue)) == ["/b"]


def test_what_the_cap_has_folded_is_not_looked_for():
    queue = Said({"/a": (9, 0), "(other)": (3, 0)})
    collector = Said({"/a": (8, 0), "/b": (2, 0), "/c": (1, 0)})
    assert differing(queue, collector) == ["/a"]


def test_of_no_requests_there_is_no_share():
    assert share_of([], Said({}), Said({})) == 0.0
