"""A look steps every rule once: state, alert and messages together, whoever else looks at the same time."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, connections
from django.test import Client
from django.utils import timezone, translation

from stats import background, tasks
from stats.alerts import defaults, evaluation, measuring, outbox
from stats.alerts.evaluation import evaluate, record
from stats.alerts.machine import Message, Phase
from stats.alerts.measuring import Measured
from stats.dashboard.strip import strip
from stats.models import Alert, AlertChannel, AlertDelivery, AlertRule, AlertState
from stats.retention import apply as apply_retention
from tests.integration.test_api_metrics import samples

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


@pytest.fixture(autouse=True)
def _own_rules_only(store: None) -> None:
    """A test that is the first of its process finds the shipped ones, which `migrate` made."""
    AlertRule.objects.all().delete()


@pytest.fixture
def channel() -> AlertChannel:
    return AlertChannel.objects.create(name="ops", kind="email", target="ops@example.com")


@pytest.fixture
def rule(channel: AlertChannel) -> AlertRule:
    made = AlertRule.objects.create(
        name="Dead letters",
        measure="dead_letters",
        bound=10,
        clears_at=5,
        hold_minutes=0,
        clear_minutes=0,
        cool_down_minutes=0,
        severity="critical",
    )
    made.channels.add(channel)
    return made


def look(rule: AlertRule, value: float | None) -> Message | None:
    (outcome,) = record([rule], {rule.pk: Measured(value, "by hand")})
    return outcome.message


def exit_code(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("check_alerts", *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_an_alert_has_a_beginning_a_worst_value_and_an_end(rule):
    assert [look(rule, value) for value in (20, 50, 30, 7, 2)] == [
        *(Message.FIRED, None, None, None, Message.RESOLVED),
    ]
    alert = Alert.objects.get()
    assert (alert.worst_value, alert.last_value, alert.bound) == (50, 2, 10)
    assert alert.began_at < alert.ended_at
    state = AlertState.objects.get()
    assert (state.phase, state.value, state.detail) == ("ok", 2, "by hand")


def test_both_messages_wait_for_each_channel_that_is_switched_on(rule, channel):
    rule.channels.add(AlertChannel.objects.create(name="off", kind="email", target="a@b.c", is_enabled=False))
    with translation.override("zh-hans"):
        look(rule, 20)
    look(rule, 0)
    fired, resolved = AlertDelivery.objects.order_by("pk")
    assert [fired.kind, resolved.kind] == ["fired", "resolved"]
    assert fired.channel == channel
    assert fired.payload["id"] == str(fired.uid) != str(resolved.uid)
    assert fired.payload["event"] == "alert.fired"
    assert fired.payload["alert"]["value"] == 20
    assert fired.payload["rule"] == {
        "id": rule.pk,
        "name": "Dead letters",
        "measure": "dead_letters",
        "route": "",
        "severity": "critical",
        "fires_from": 10,
        "clears_at": 5,
    }
    assert fired.payload["text"].startswith(
        "Dead letters (critical): dead letters that wait for a decision at 20 (by hand), since "
    )
    assert "20 at worst since" in resolved.payload["text"]


def test_a_message_leads_to_its_alert_if_it_is_known_where_the_admin_is(rule, settings):
    settings.ALERT_ADMIN_URL = "https://stats.example.com/admin/"
    look(rule, 20)
    link = f"https://stats.example.com/admin/stats/alert/{Alert.objects.get().pk}/change/"
    payload = AlertDelivery.objects.get().payload
    assert payload["alert"]["url"] == link
    assert payload["text"].endswith(link)


def test_state_alert_and_messages_are_there_together_or_not_at_all(rule, monkeypatch):
    look(rule, 0)

    def fail(*_: Any) -> None:
        raise DatabaseError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "put", fail)
        with pytest.raises(DatabaseError):
            look(rule, 20)
    assert AlertState.objects.get().phase == "ok"
    assert not Alert.objects.exists()
    assert look(rule, 20) is Message.FIRED


def test_of_two_workers_that_look_at_once_one_fires(rule):
    look(rule, 0)
    start, messages = threading.Barrier(4), []

    def work() -> None:
        try:
            start.wait()
            messages.append(look(rule, 20))
        except OperationalError:  # on a busy machine: waited for the others longer than a statement may
            messages.append(None)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(messages) == 4
    assert [message for message in messages if message] == [Message.FIRED]
    assert (Alert.objects.count(), AlertDelivery.objects.count()) == (1, 1)


def test_it_must_hold_by_the_database_s_clock(rule):
    AlertRule.objects.update(hold_minutes=3)
    rule.refresh_from_db()
    assert look(rule, 20) is None
    assert AlertState.objects.get().phase == "pending"
    since = timezone.now() - timedelta(minutes=4)
    AlertState.objects.update(since=since)
    assert look(rule, 20) is Message.FIRED
    assert Alert.objects.get().began_at == since


def test_an_alert_of_a_rule_that_is_switched_off_ends(rule):
    look(rule, 20)
    AlertRule.objects.update(is_enabled=False)
    (outcome,) = evaluate()
    assert (outcome.message, outcome.after.phase) == (Message.RESOLVED, Phase.OK)
    assert AlertDelivery.objects.latest("pk").payload["text"].endswith("The rule was switched off.")
    assert evaluate() == []


def test_an_acknowledgement_made_meanwhile_is_not_lost(rule):
    look(rule, 20)
    Alert.objects.update(acknowledged_by="ann", note="looking")
    look(rule, 30)
    alert = Alert.objects.get()
    assert (alert.acknowledged_by, alert.note, alert.worst_value) == ("ann", "looking", 30)


def test_who_was_not_reached_in_time_is_unknown_and_comes_first_the_next_time(rule, monkeypatch):
    other = AlertRule.objects.create(name="Backlog", measure="backlog", bound=10, clears_at=5)
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "SECONDS", -1.0)
        assert [one.measured for one in evaluate()] == [evaluation.NOT_REACHED] * 2
    AlertState.objects.filter(rule=other).update(measured_at=timezone.now() - timedelta(hours=1))
    assert [one.rule for one in evaluate()] == [other, rule]


# --- from the start ------------------------------------------------------------------------------------


def test_shipped_rules_are_made_once_and_then_the_operator_s():
    defaults.create_rules("default")
    assert AlertRule.objects.count() == len(defaults.SHIPPED) == 10
    assert not AlertRule.objects.filter(channels__isnull=False).exists()
    AlertRule.objects.filter(shipped_as="slow").update(name="Mine", bound=7000, clears_at=1)
    AlertRule.objects.filter(shipped_as="drop").update(is_enabled=False)
    defaults.create_rules("default")
    defaults.create_rules("legacy")
    assert AlertRule.objects.count() == 10
    assert AlertRule.objects.get(shipped_as="slow").bound == 7000


def test_all_shipped_rules_take_few_queries_and_nothing_fires_on_an_empty_system(
    django_assert_max_num_queries,
):
    defaults.create_rules("default")
    evaluate()
    with django_assert_max_num_queries(55):
        outcomes = evaluate()
    assert len(outcomes) == 10
    assert {one.after.phase for one in outcomes} == {Phase.OK}


def test_the_minute_s_task_starts_a_process_only_when_a_message_is_due(rule, monkeypatch):
    started: list[str] = []
    monkeypatch.setattr(background, "start", lambda command, *_: started.append(command))
    tasks.evaluate_alerts()
    assert started == []
    look(rule, 20)
    monkeypatch.setattr(measuring, "measure", lambda *_: Measured(20.0))
    tasks.evaluate_alerts()
    assert started == ["send_alerts"]
    AlertDelivery.objects.update(next_attempt_at=timezone.now() + timedelta(minutes=1))
    tasks.evaluate_alerts()
    assert started == ["send_alerts"]


def test_a_failure_of_the_task_is_a_line_in_the_log(monkeypatch, caplog):
    monkeypatch.setattr(evaluation, "evaluate", lambda: 1 / 0)
    tasks.evaluate_alerts()
    assert "Alert rules not evaluated" in caplog.text


# --- told outside --------------------------------------------------------------------------------------


def test_the_command_says_what_fires(rule, monkeypatch):
    AlertRule.objects.create(name="Backlog", measure="backlog", bound=10, clears_at=5)
    code, said = exit_code("--json")
    assert (code, json.loads(said)["firing"]) == (0, 0)
    monkeypatch.setattr(measuring, "measure", lambda *_: Measured(20.0, "by hand"))
    code, said = exit_code("--json")
    found = json.loads(said)
    assert (code, found["firing"], found["unknown"]) == (1, 1, 0)
    assert [one["state"] for one in found["rules"]] == ["firing", "pending"]
    assert exit_code("--rule", "Backlog")[0] == 0
    assert "FIRING    Dead letters  20 (by hand)  [fires from 10]" in exit_code()[1]


def test_the_command_refuses_a_rule_that_is_not_there(rule):
    with pytest.raises(CommandError, match="--rule: 'Nope'") as refused:
        exit_code("--rule", "Nope")
    assert refused.value.returncode == 2


def test_the_command_says_that_it_could_not_look(monkeypatch):
    def fail() -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr("stats.management.commands.check_alerts.evaluate", fail)
    with pytest.raises(CommandError, match="not evaluated: DatabaseError: gone") as refused:
        exit_code()
    assert refused.value.returncode == 1


def test_what_fires_is_in_the_metrics_and_on_the_first_page(rule):
    assert "Alerts" not in {sign.name for sign in strip()}
    look(rule, 20)
    answer = Client().get("/metrics", REMOTE_ADDR="127.0.0.1")
    found = samples(answer.content.decode())
    assert found["tallygate_alerts_firing{severity=critical}"] == 1
    assert found["tallygate_alerts_firing{severity=warning}"] == 0
    (sign,) = (one for one in strip() if one.name == "Alerts")
    assert (sign.figure, sign.state) == ("1 firing", "bad")


def test_after_a_year_an_alert_and_its_messages_are_deleted(rule):
    look(rule, 20)
    look(rule, 0)
    look(rule, 20)
    old = timezone.now() - timedelta(days=400)
    AlertDelivery.objects.update(state="sent", created_at=old)
    Alert.objects.filter(ended_at__isnull=False).update(ended_at=old)
    apply_retention()
    assert Alert.objects.get().ended_at is None
    assert not AlertDelivery.objects.exists()
