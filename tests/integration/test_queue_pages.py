"""The queue's pages: what waits and why, and each button with its entry in the admin log."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from gateway import queue
from gateway.models import QueuedBatch
from stats import background, heartbeat, pausing, repairs
from stats.consumer import drain
from stats.models import ConsumerHeartbeat, DeadLetter, Event, Repair
from tests.integration.admin_pages import change_url, results, texts, url
from tests.integration.admin_rows import SCRIPT

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

LIST = "/admin/gateway/queuedbatch/"


@pytest.fixture(autouse=True)
def admin(store, admin_client, monkeypatch):
    monkeypatch.setattr(background, "start", lambda *command, **options: True)
    ConsumerHeartbeat.objects.all().delete()
    heartbeat.beat()
    return admin_client


def act(client, name, **body):
    return client.post(reverse(f"admin:gateway_queuedbatch_{name}"), body, follow=True)


def page(client, address=LIST) -> str:
    return " ".join(client.get(address).content.decode().split())


def written() -> list[tuple[str, str]]:
    rows = LogEntry.objects.order_by("pk").values_list("user__username", "change_message")
    return list(rows)


def waits_for(client) -> list[str]:
    model_admin = client.get(LIST).context["cl"].model_admin
    return [
        " ".join(str(model_admin.waits_for(batch)).split()) for batch in results(client.get(f"{LIST}?o="))
    ]


def fail(delay=600) -> None:
    for claimed in queue.claim():
        queue.retry(claimed, f"DataError: {SCRIPT}", delay)


# --- looking -----------------------------------------------------------------------------------------


def test_the_list_says_how_much_waits_and_how_the_consumer_is(admin, send, make_event):
    send(make_event(), make_event())
    fail()
    send(make_event())
    figures = {figure.name: (figure.value, figure.more) for figure in admin.get(LIST).context["figures"]}
    assert figures["Batches"] == ("2", "1 due, 0 being counted")
    assert figures["Events"] == ("3", "")
    assert figures["Most deliveries"] == ("1", "1 failed before")
    assert figures["Next attempt (UTC)"][0] != "-"
    assert figures["Consumer"][0] == "at work"


def test_each_batch_says_what_it_waits_for(admin, send, make_event):
    send(make_event())
    for change, words in (
        ({}, "its turn"),
        ({"beat_at": "2026-01-01T00:00Z"}, "a consumer: none shows a sign of life"),
        ({"breaker": "open"}, "the open breaker"),
        ({"paused_at": "2026-01-01T00:00Z", "paused_by": "ada"}, "the paused consumer"),
    ):
        ConsumerHeartbeat.objects.update(name="traffic-events", **change)
        assert words in waits_for(admin)[0]


def test_a_batch_waits_for_its_attempt_or_for_nothing(admin, send, make_event):
    send(make_event())
    queue.claim()
    assert "it is being counted" in waits_for(admin)[0]
    QueuedBatch.objects.update(visible_at="2026-01-01T00:00Z")
    fail()
    assert "its next attempt" in waits_for(admin)[0]


def test_the_page_of_a_batch_pages_through_its_events_and_runs_nothing(admin, send, make_event, settings):
    settings.TRAFFIC_QUEUE = {**settings.TRAFFIC_QUEUE, "max_batch_size": 250}
    events = [make_event(path=f"/{SCRIPT}/{number}") for number in range(250)]
    send(*events)
    fail()
    address = change_url(QueuedBatch.objects.get())

    shown = page(admin, f"{address}?events=3")

    assert "201 to 250 of 250" in shown
    table = shown.partition('id="tg-events"')[2]
    assert (events[200].idempotent_id in table, events[199].idempotent_id in table) == (True, False)
    assert SCRIPT not in shown
    assert "DataError" in shown
    for number in ("0", "-1", "x", "9" * 5000, "%00"):
        assert admin.get(f"{address}?events={number}").status_code in (200, 302)


def test_the_list_is_narrowed_and_leads_on_with_what_it_is_narrowed_to(admin, send, make_event):
    send(make_event())
    fail()
    send(make_event())
    assert [batch.deliveries for batch in results(admin.get(f"{LIST}?kind=failed"))] == [1]
    assert results(admin.get(f"{LIST}?entered=hour")) == []
    shown = page(admin, f"{LIST}?kind=failed")
    assert "/purging/?kind=failed" in shown
    purging = page(admin, f"{reverse('admin:gateway_queuedbatch_purging')}?kind=failed")
    assert "<strong>1</strong>: those that failed before" in purging


def test_a_selection_that_can_not_be_is_refused(admin):
    queries = ("kind=x", "entered=x", "ids=x", "ids=0", f"ids={'9' * 30}", "kind=%00", "ids=%00")
    for name in ("moving", "purging"):
        address = reverse(f"admin:gateway_queuedbatch_{name}")
        assert {admin.get(f"{address}?{query}").status_code for query in queries} == {400}


# --- pause and resume --------------------------------------------------------------------------------


def test_a_pause_stands_on_every_page_of_the_queue_until_it_is_resumed(admin, send, make_event):
    said = texts(act(admin, "pause", note=f"the disk is full {SCRIPT}"))
    assert said == ["The consumer rests once it has ended what is in its hands."]
    send(make_event())
    assert drain().batches == 0
    pages = (LIST, url(DeadLetter), url(ConsumerHeartbeat), change_url(QueuedBatch.objects.get()))
    for address in (*pages, reverse("admin:gateway_queuedbatch_purging")):
        shown = page(admin, address)
        assert "Paused by admin since" in shown
        assert "the disk is full" in shown
        assert SCRIPT not in shown
    assert "paused by admin" in page(admin, "/admin/")

    assert texts(act(admin, "resume")) == ["The consumer goes on."]

    assert drain().inserted == 1
    assert "Paused by" not in page(admin)
    assert written() == [
        ("admin", f"Paused the consumer: the disk is full {SCRIPT}"),
        ("admin", "Resumed the consumer"),
    ]


def test_a_pause_needs_a_note_and_a_second_one_changes_nothing(admin):
    assert texts(act(admin, "pause", note=" ")) == ["Why: This field is required."]
    assert not pausing.is_paused()
    pausing.pause("bob", "first")
    assert texts(act(admin, "pause", note="second")) == ["Nothing to do: somebody was faster."]
    pause = pausing.pause_in_force()
    assert pause is not None
    assert (pause.by, pause.note) == ("bob", "first")
    assert written() == []


# --- batches -----------------------------------------------------------------------------------------


def test_a_batch_is_delivered_now_by_its_button(admin, send, make_event):
    send(make_event())
    fail()
    batch = QueuedBatch.objects.get()
    assert "Deliver now" in page(admin, change_url(batch))
    assert texts(act(admin, "deliver", ids=batch.pk)) == ["1 batch is due now."]
    assert drain().inserted == 1
    assert texts(act(admin, "deliver", ids=batch.pk)) == [
        "1 left as it is: due already, in a consumer's hands, or counted meanwhile."
    ]
    assert written() == [("admin", f"Delivered now: 1 of #{batch.pk}")]
    assert act(admin, "deliver").status_code == 400


def test_a_selection_of_the_list_is_delivered_or_leads_to_the_page_that_moves_it(admin, send, make_event):
    for _ in range(3):
        send(make_event())
    fail()
    first, second, _ = QueuedBatch.objects.order_by("pk")
    chosen = {"_selected_action": [first.pk, second.pk], "index": 0}

    assert texts(admin.post(LIST, {"action": "deliver_selected", **chosen}, follow=True)) == [
        "2 batches are due now."
    ]
    response = admin.post(LIST, {"action": "move_selected", **chosen}, follow=True)
    assert response.redirect_chain[0][0].endswith(f"/moving/?ids={first.pk}%2C{second.pk}")
    across = {**chosen, "select_across": 1, "action": "deliver_selected"}
    assert texts(admin.post(f"{LIST}?kind=failed", across, follow=True)) == ["1 batch is due now."]


def test_batches_are_moved_with_a_note(admin, send, make_event):
    send(make_event(), make_event())
    batch = QueuedBatch.objects.get()
    response = act(admin, "move", ids=batch.pk, note="")
    assert "This field is required." in response.content.decode()
    assert QueuedBatch.objects.count() == 1

    said = texts(act(admin, "move", ids=batch.pk, note="the bad one"))

    assert said == ["Moved to the dead letters: batches 1, events 2."]
    assert set(DeadLetter.objects.values_list("state", "reason")) == {("dead", "moved")}
    assert written() == [("admin", f"Moved to the dead letters: 2 events, 1 of #{batch.pk}: the bad one")]
    assert texts(act(admin, "move", ids=batch.pk, note="again")) == [
        "1 left as it is: in a consumer's hands, or counted meanwhile."
    ]


def test_all_that_match_are_moved_in_the_background(admin, send, make_event):
    send(make_event())
    fail()
    send(make_event())
    response = admin.get(f"{reverse('admin:gateway_queuedbatch_moving')}?kind=failed")
    hidden = {field.name: field.value() for field in response.context["form"].hidden_fields()}
    act(admin, "move", note="why", **hidden)
    assert repairs.carry_out_all() == 1
    assert (QueuedBatch.objects.count(), DeadLetter.objects.get().reason) == (1, "moved")


def test_a_purge_needs_the_name_of_the_queue_a_note_and_an_end(admin, send, make_event):
    send(make_event())
    right = {"before": queue.now().isoformat(), "note": "a load test", "word": "traffic-events"}
    for wrong, told in (
        ({"word": "yes"}, "Not purged: this is not the name of the queue."),
        ({"word": ""}, "This field is required."),
        ({"note": ""}, "This field is required."),
        ({"before": ""}, "Neither batches nor a time are named."),
        ({"before": "yesterday"}, "This is no time."),
        ({"before": "2026-01-01T00:00"}, "This time has no zone."),
        ({"kind": "x"}, "There is no such kind of batch."),
        ({"ids": "1 x"}, "Not all of these are numbers of batches."),
        ({"note": "\x00"}, "Null characters are not allowed."),
    ):
        response = act(admin, "purge", **{**right, **wrong})
        assert (response.status_code, told in response.content.decode()) == (200, True), wrong
    assert (Repair.objects.count(), QueuedBatch.objects.count()) == (0, 1)

    act(admin, "purge", **right)
    assert Repair.objects.get().kind == "purge_queue"


def test_what_was_purged_is_recovered_by_its_button_and_counted(admin, send, make_event):
    send(make_event(), make_event())
    act(admin, "purge", before=queue.now().isoformat(), note="a mistake", word="traffic-events")
    repairs.carry_out_all()
    shown = page(admin)
    assert "The queue is empty" in shown
    assert "a mistake" in shown

    act(admin, "recover", repair=Repair.objects.get().pk)
    repairs.carry_out_all()

    assert drain().inserted == Event.objects.count() == 2
    who_did_what = {(who, what.partition(":")[0]) for who, what in written()}
    assert who_did_what == {("admin", "Asked for"), ("admin", "Done")}
    assert act(admin, "recover", repair="x").status_code == 400
    assert act(admin, "recover", repair=10**9).status_code == 404
