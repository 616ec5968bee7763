"""The admin's pages of dead letters: grouped, looked into, edited, and settled many at once."""

from __future__ import annotations

import json

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.urls import reverse
from django.utils.http import urlencode

from gateway.events import encode
from gateway.models import QueuedBatch
from stats import dead_letters, letter_repairs, repairs
from stats.consumer import drain
from stats.dead_letters import grouping
from stats.models import DeadLetter, Event, Repair
from tests.integration.admin_pages import change_url, results, texts, url
from tests.integration.admin_rows import SCRIPT
from tests.integration.letters import broken, bury_broken, deliver, one, rolled_up

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

GROUPS = "/admin/stats/deadletter/groups/"


@pytest.fixture
def admin(store, admin_client):
    return admin_client


@pytest.fixture
def letters(admin, make_event):
    """Three of one route and two of another."""
    routes = ("/a", "/a", "/a", "/b", "/b")
    return bury_broken(*(make_event(route=route) for route in routes))


def bulk(verb, **query):
    return f"{reverse('admin:stats_deadletter_all', args=[verb])}?{urlencode(query)}"


def states():
    return dict(DeadLetter.objects.order_by("pk").values_list("pk", "state"))


# --- groups ------------------------------------------------------------------------------------------


def test_letters_are_grouped_by_reason_and_route_with_counts_of_each_state(admin, letters):
    dead_letters.discard(one(letters[0]), "ada")
    dead_letters.redrive(one(letters[3]), "ada", 60)
    dead_letters.redrive(one(letters[4]), "ada", 60)

    found = dead_letters.groups(DeadLetter.State.DEAD)
    assert [(each.reason, each.route, each.dead, each.redriven, each.discarded) for each in found] == [
        ("schema", "/a", 2, 0, 1)
    ]
    assert found[0].first_failed_at == letters[1].first_failed_at
    assert found[0].last_failed_at == letters[2].last_failed_at
    (redriven,) = dead_letters.groups(DeadLetter.State.REDRIVEN)
    assert (redriven.route, redriven.redriven) == ("/b", 2)


def test_a_group_leads_to_its_letters(admin, letters):
    (row,) = [row for row in admin.get(GROUPS).context["rows"] if "/b" in row["route"]]

    assert {letter.pk for letter in results(admin.get(row["link"]))} == {letters[3].pk, letters[4].pk}
    for address in (row["redrive"], row["discard"]):
        assert "2 dead letters are" in admin.get(address).content.decode()


def test_a_route_that_cannot_be_read_is_a_group_of_its_own(admin):
    DeadLetter.objects.create(payload="{torn", reason="undecodable", error="", deliveries=1)

    (row,) = admin.get(GROUPS).context["rows"]
    assert row["route"] == "can't be read"
    assert len(results(admin.get(row["link"]))) == 1


def test_many_groups_are_paged_and_none_is_left_out(admin, monkeypatch):
    monkeypatch.setattr("stats.admin.dead_letters.groups.GROUPS", 3)
    for number in range(8):
        DeadLetter.objects.create(payload="", route=f"/{number}", reason="schema", error="", deliveries=1)

    seen, query = [], ""
    while True:
        context = admin.get(GROUPS + query).context
        seen += [str(row["route"]) for row in context["rows"]]
        query = context["following"]
        if not query:
            break
    assert [f"/{number}" in route for number, route in enumerate(seen)] == [True] * 8


@pytest.mark.parametrize("query", ["?state=eaten", "?reason=%00", "?route=%00&reason=schema", "?reason=zzz"])
def test_whatever_the_address_says_the_groups_answer(admin, letters, query):
    assert admin.get(GROUPS + query).status_code == 200


def test_no_group_and_no_count_reads_the_whole_table(store):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO stats_deadletter (payload, reason, route, error, traceback, deliveries, state,"
            " settled_by) SELECT '{}', 'schema', '/' || n %% 20, '', '', 1,"
            " (ARRAY['dead', 'redriven', 'discarded'])[1 + n %% 3], '' FROM generate_series(1, 20000) AS n",
            [],
        )
        cursor.execute("ANALYZE stats_deadletter")
        parameters = {"state": "dead", "reason": "", "route": "", "cap": 1_000, "limit": 51}
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {grouping._GROUPS}", parameters)
        (plan,) = cursor.fetchone()
        text = json.dumps(plan)

    assert len(dead_letters.groups(DeadLetter.State.DEAD)) == 20
    assert "Seq Scan" not in text
    assert "deadletter_group" in text


# --- all that match ----------------------------------------------------------------------------------


def test_all_of_a_group_are_redriven_in_the_background_and_counted_a_minute_later(admin, letters):
    response = admin.post(bulk("redrive", reason="schema", route="/a"), {"note": ""})
    repair = Repair.objects.get()
    assert response["Location"] == change_url(repair)
    assert set(states().values()) == {"dead"}

    repairs.carry_out_all()

    assert list(states().values()) == ["redriven"] * 3 + ["dead"] * 2
    repair.refresh_from_db()
    assert (repair.state, repair.total, repair.done, repair.failed) == ("done", 3, 3, 0)
    assert "3 of 3 done" in admin.get(change_url(repair)).content.decode()
    deliver()
    assert DeadLetter.objects.filter(earlier__in=letters[:3]).count() == 3  # nobody has mended them


def test_more_than_one_chunk_is_done_and_what_came_later_is_not(admin, letters, make_event, monkeypatch):
    monkeypatch.setattr(letter_repairs, "CHUNK", 2)
    admin.post(bulk("redrive"), {"note": ""})
    (late,) = bury_broken(make_event())

    repairs.carry_out_all()

    assert states() == {**{letter.pk: "redriven" for letter in letters}, late.pk: "dead"}


def test_to_discard_all_a_note_is_needed_and_each_letter_keeps_it(admin, letters):
    response = admin.post(bulk("discard", route="/b"), {"note": "  "})
    assert "Say why they are discarded." in response.content.decode()
    assert not Repair.objects.exists()

    admin.post(bulk("discard", route="/b"), {"note": "a scanner"})
    repairs.carry_out_all()
    assert (
        list(DeadLetter.objects.filter(state="discarded").values_list("route", "note"))
        == [("/b", "a scanner")] * 2
    )


def test_a_redrive_of_all_is_undone_within_a_minute_of_its_end(admin, letters):
    admin.post(bulk("redrive"), {"note": ""})
    repairs.carry_out_all()
    repair = Repair.objects.get()

    response = admin.post(reverse("admin:stats_repair_undo", args=[repair.pk]))
    undo = Repair.objects.first()
    assert (response["Location"], undo.kind) == (change_url(undo), "undo_redrive")
    repairs.carry_out_all()

    assert set(states().values()) == {"dead"}
    assert not QueuedBatch.objects.exists()
    undo.refresh_from_db()
    assert (undo.done, undo.failed) == (5, 0)


def test_of_a_redrive_that_was_delivered_the_undo_leaves_what_is_counted_and_says_how_many(
    admin, letters, make_event
):
    admin.post(bulk("redrive"), {"note": ""})
    repairs.carry_out_all()
    dead_letters.hasten(one(letters[0]))
    drain()

    admin.post(reverse("admin:stats_repair_undo", args=[Repair.objects.get().pk]))
    repairs.carry_out_all()

    undo = Repair.objects.first()
    assert (undo.done, undo.failed) == (4, 1)
    assert states()[letters[0].pk] == "redriven"
    assert "1 left as they were" in admin.get(change_url(undo)).content.decode()


def test_more_than_a_minute_after_its_end_nothing_is_undone(admin, letters):
    admin.post(bulk("discard"), {"note": "why"})
    repairs.carry_out_all()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE stats_repair SET finished_at = finished_at - interval '61 s'")

    response = admin.post(reverse("admin:stats_repair_undo", args=[Repair.objects.get().pk]), follow=True)

    assert texts(response) == ["It can be undone only within a minute of its end."]
    assert set(states().values()) == {"discarded"}


def test_the_search_is_part_of_the_filter(admin, letters):
    admin.post(bulk("redrive", q=letters[1].event_id), {"note": ""})
    repairs.carry_out_all()

    assert [pk for pk, state in states().items() if state == "redriven"] == [letters[1].pk]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"reason": "tired"}, "reason: must be one of undecodable, schema"),
        ({"state": "redriven"}, "state: only letters that are dead"),
        ({"q": "2025-13-01"}, "2025-13-01 is no date or time."),
        ({"q": "some words"}, "by number, event id or time only"),
        ({"q": "#x"}, "#x is no number of a dead letter."),
        ({"route": "\x00"}, "No letter holds a NUL character."),
    ],
)
def test_a_filter_that_says_nothing_sensible_is_refused_by_name(admin, letters, query, said):
    for response in (admin.get(bulk("redrive", **query)), admin.post(bulk("redrive", **query), {"note": ""})):
        assert response.status_code == 400
        assert said in response.content.decode()
    assert not Repair.objects.exists()


def test_of_a_list_narrowed_to_what_is_settled_nothing_is_offered(admin, letters):
    dead_letters.discard(one(letters[0]), "ada")

    assert bulk("redrive") in admin.get(url(DeadLetter)).content.decode()
    assert "/all/" not in admin.get(url(DeadLetter) + "?state__exact=discarded").content.decode()


def test_several_are_discarded_with_one_note(admin, letters):
    form = {"action": "discard_selected", "_selected_action": [letters[0].pk, letters[1].pk], "index": 0}
    asked = admin.post(url(DeadLetter), form)
    assert "2 dead letters are set aside" in asked.content.decode()
    assert set(states().values()) == {"dead"}

    assert texts(admin.post(url(DeadLetter), {**form, "note": "a scanner"}, follow=True)) == [
        "2 dead letters discarded."
    ]
    assert DeadLetter.objects.filter(state="discarded", note="a scanner").count() == 2


# --- one letter --------------------------------------------------------------------------------------


def edit(client, letter, payload, button="save"):
    version = dead_letters.version_of(DeadLetter.objects.get(pk=letter.pk).payload)
    return client.post(
        reverse("admin:stats_deadletter_edit", args=[letter.pk]),
        {"payload": payload, "version": version, button: "1"},
        follow=True,
    )


def test_a_payload_is_mended_and_redriven_and_the_event_counted_once(admin, make_event):
    event = make_event()
    (letter,) = bury_broken(event)
    form = admin.get(reverse("admin:stats_deadletter_edit", args=[letter.pk])).content.decode()
    assert "&quot;status&quot;: 9999" in form

    edit(admin, letter, encode(event).decode(), "redrive")
    admin.post(reverse("admin:stats_deadletter_settle", args=[letter.pk]), {"verb": "deliver now"})
    drain()

    assert (Event.objects.get().status, rolled_up()) == (200, 1)
    letter.refresh_from_db()
    assert letter.original == broken(event)
    messages = list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True))
    assert '-  "status": 9999,\n' in messages[0]
    assert messages[1:] == ["Put back into the queue.", "Delivered without waiting for an undo."]
    page = admin.get(change_url(letter)).content.decode()
    assert "As received, before it was edited" in page
    assert "-  &quot;status&quot;: 9999" in page  # its history


def test_a_payload_that_would_fail_again_is_refused_at_the_field(admin, make_event):
    event = make_event()
    (letter,) = bury_broken(event)

    page = edit(admin, letter, broken(event).replace("9999", "999"), "redrive").content.decode()

    assert "status: Expected `int` &lt;= 599" in page
    assert "&quot;status&quot;: 999" in page  # what was typed is still there
    letter.refresh_from_db()
    assert (letter.state, letter.original) == ("dead", "")


def test_what_is_settled_cannot_be_edited(admin, letters):
    dead_letters.discard(one(letters[0]), "ada")

    response = edit(admin, letters[0], "{}")

    assert texts(response) == ["Only a letter that is dead can be edited."]


def test_its_page_undoes_a_redrive_and_a_discard(admin, letters):
    settle = reverse("admin:stats_deadletter_settle", args=[letters[0].pk])
    for verb in ("redrive", "discard"):
        admin.post(settle, {"verb": verb, "note": "why"})
        assert f'value="undo {verb}"' in admin.get(change_url(letters[0])).content.decode()
        admin.post(settle, {"verb": f"undo {verb}"})
        assert states()[letters[0].pk] == "dead"
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == [
        "Put back into the queue.",
        "Redrive undone: taken out of the queue.",
        "Discarded. Note: why",
        "Discard undone.",
    ]


def test_a_redrive_that_was_delivered_is_said_to_be_so(admin, letters):
    settle = reverse("admin:stats_deadletter_settle", args=[letters[0].pk])
    admin.post(settle, {"verb": "redrive"})
    deliver()

    response = admin.post(settle, {"verb": "undo redrive"}, follow=True)

    assert texts(response)[-1] == "1 can't be undone: it was delivered already."
    assert 'value="undo redrive"' not in response.content.decode()


def test_each_life_shows_the_others(admin, letters):
    first = letters[0]
    dead_letters.redrive(one(first), "ada")
    drain()
    second = DeadLetter.objects.get(earlier=first)

    assert f'href="{change_url(second)}"' in admin.get(change_url(first)).content.decode()
    assert f'href="{change_url(first)}"' in admin.get(change_url(second)).content.decode()
    one(first).delete()  # as retention does
    assert admin.get(change_url(second)).status_code == 200


def test_a_hostile_payload_is_shown_and_runs_nothing(admin, make_event):
    event = make_event(path=SCRIPT, route=SCRIPT, user_agent=SCRIPT)
    (letter,) = bury_broken(event)
    one(letter).update(note=SCRIPT, original=broken(event))

    edit_page = reverse("admin:stats_deadletter_edit", args=[letter.pk])
    for page in (change_url(letter), GROUPS, edit_page, bulk("discard", route=SCRIPT), url(DeadLetter)):
        text = admin.get(page).content.decode()
        assert SCRIPT not in text
        assert "&lt;script&gt;" in text, page


def test_an_address_of_another_verb_is_none(admin):
    assert admin.get(reverse("admin:stats_deadletter_all", args=["eat"])).status_code == 404
