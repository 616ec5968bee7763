"""The admin's pages of alerts: rules and channels are made there, alerts acknowledged, by who may."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from stats import background
from stats.alerts import channels, defaults, evaluation
from stats.alerts.measuring import Measured
from stats.models import Alert, AlertChannel, AlertDelivery, AlertRule
from tests.integration.admin_pages import staff, texts, url
from tests.integration.admin_rows import SCRIPT

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

RULE = {
    "name": "Errors of orders",
    "measure": "error_rate",
    "route": "/api/orders*",
    "bound": "5",
    "clears_at": "",
    "hold_minutes": "3",
    "clear_minutes": "5",
    "cool_down_minutes": "10",
    "minimum_requests": "50",
    "severity": "critical",
    "is_enabled": "on",
}
HOOK = {"name": "hook", "kind": "webhook", "target": "https://hooks.example.com/t0ken", "is_enabled": "on"}
MAIL = {"name": "ops", "kind": "email", "target": "ops@example.com, b@example.com", "is_enabled": "on"}


@pytest.fixture(autouse=True)
def _own_rules_only(store: None) -> None:
    """A test that is the first of its process finds the shipped ones, which `migrate` made."""
    AlertRule.objects.all().delete()


@pytest.fixture
def admin(store: None, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Nothing is really sent: a process that was started here would not know the test's database."""
    monkeypatch.setattr(background, "start", lambda *_: True)
    return admin_client


@pytest.fixture
def rule(admin: Client) -> AlertRule:
    return AlertRule.objects.create(
        name="Letters", measure="dead_letters", bound=2, clears_at=1, hold_minutes=0
    )


@pytest.fixture
def channel(admin: Client) -> AlertChannel:
    made = AlertChannel(**{**HOOK, "is_enabled": True})
    channels.renew_secret(made)
    return made


@pytest.fixture
def alert(rule: AlertRule) -> Alert:
    evaluation.record([rule], {rule.pk: Measured(7.0, "by hand")})
    return Alert.objects.get()


@pytest.fixture
def delivery(channel: AlertChannel) -> AlertDelivery:
    (made,) = channels.send_test([channel], by="ann")
    return made


def add(client: Client, model: Any, form: dict[str, Any]) -> Any:
    return client.post(url(model, "add"), form)


def wrong(response: Any) -> dict[str, list[str]]:
    return dict(response.context["adminform"].form.errors)


def plain(response: Any) -> str:
    assert response.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def noted(row: Any) -> list[str]:
    return list(LogEntry.objects.filter(object_id=str(row.pk)).values_list("change_message", flat=True))


# --- rules ---------------------------------------------------------------------------------------------


def test_a_rule_is_made_and_where_it_clears_follows_from_its_bound(admin, channel):
    assert add(admin, AlertRule, {**RULE, "channels": [channel.pk]}).status_code == 302
    rule = AlertRule.objects.get()
    assert (rule.bound, rule.clears_at, rule.route) == (5.0, 4.0, "/api/orders*")
    assert list(rule.channels.all()) == [channel]
    assert len(noted(rule)) == 1


WRONG_RULES: list[tuple[dict[str, Any], str]] = [
    ({"bound": "0"}, "bound"),
    ({"bound": "120"}, "bound"),
    ({"bound": "nan"}, "bound"),
    ({"bound": "much"}, "bound"),
    ({"clears_at": "5"}, "clears_at"),
    ({"clears_at": "-1"}, "clears_at"),
    ({"measure": "backlog"}, "route"),
    ({"measure": "weather"}, "measure"),
    ({"route": "x" * 600}, "route"),
    ({"route": "/\x00"}, "route"),
    ({"hold_minutes": "-1"}, "hold_minutes"),
    ({"cool_down_minutes": "99999"}, "cool_down_minutes"),
    ({"minimum_requests": "9" * 30}, "minimum_requests"),
    ({"name": ""}, "name"),
    ({"severity": "fatal"}, "severity"),
    ({"channels": ["4711"]}, "channels"),
]


def test_what_a_rule_can_not_be_is_said_at_its_field(admin):
    found = [list(wrong(add(admin, AlertRule, {**RULE, **said}))) for said, _ in WRONG_RULES]
    assert found == [[field] for _, field in WRONG_RULES]
    assert not AlertRule.objects.exists()


def test_a_rule_is_edited_but_not_what_it_measures(admin, rule):
    form = {**RULE, "measure": "fallback", "route": "", "bound": "9", "name": "Letters"}
    assert admin.post(url(AlertRule, "change", rule.pk), form).status_code == 302
    rule.refresh_from_db()
    assert (rule.measure, rule.bound, rule.clears_at) == ("dead_letters", 9, 7)


def test_the_list_shows_state_value_and_bound(admin, alert):
    AlertRule.objects.create(name="Off", measure="backlog", bound=1000, clears_at=10, is_enabled=False)
    other = AlertRule.objects.create(name="Times", measure="p95", bound=2000, clears_at=1500)
    evaluation.record([other], {other.pk: Measured(None, "too few")})
    seen = plain(admin.get(url(AlertRule)))
    assert "Letters" in seen
    for shown in ("firing 7 2, 1", "off - 1,000, 10", "unknown - 2000 ms, 1500 ms"):
        assert shown in seen


def test_rules_are_switched_off_and_on_from_the_list(admin, rule):
    for action, is_enabled in (("switch_off", False), ("switch_on", True)):
        form = {"action": action, "_selected_action": [rule.pk], "index": 0}
        response = admin.post(url(AlertRule), form, follow=True)
        rule.refresh_from_db()
        assert rule.is_enabled is is_enabled
        assert texts(response)[0].startswith("1 rule switched o")
    assert noted(rule) == ["Switched on.", "Switched off."]


def test_a_rule_is_tried_out_and_nothing_changes(admin, rule, monkeypatch):
    monkeypatch.setattr("stats.alerts.trial.measure", lambda *_: Measured(5.0, "by hand"))
    seen = plain(admin.get(reverse("admin:stats_alertrule_test", args=[rule.pk])))
    assert "Value now 5 (by hand)" in seen
    assert "The bound is reached: the rule would fire now." in seen
    assert not Alert.objects.exists()


def test_every_measure_can_be_tried_out_on_an_empty_system(admin):
    defaults.create_rules("default")
    for rule in AlertRule.objects.all():
        assert "What follows" in plain(admin.get(reverse("admin:stats_alertrule_test", args=[rule.pk])))


def test_a_test_message_goes_to_each_channel_of_a_rule(admin, rule, channel):
    path = reverse("admin:stats_alertrule_send_test", args=[rule.pk])
    assert "no channel that is switched on" in texts(admin.post(path, follow=True))[0]
    mail = AlertChannel.objects.create(name="ops", kind="email", target="a@b.c")
    rule.channels.add(channel, mail)
    seen = plain(admin.post(path, follow=True))
    assert "hook waiting 0" in seen
    assert "ops waiting 0" in seen
    assert AlertDelivery.objects.filter(kind="test").count() == 2
    assert noted(rule) == ["Test message sent to 2 channels."]


# --- channels ------------------------------------------------------------------------------------------


def test_a_secret_is_shown_once_and_never_again(admin):
    page = add(admin, AlertChannel, HOOK)
    (secret,) = re.findall(r'id="webhook-secret">(\S+)</pre>', page.content.decode())
    channel = AlertChannel.objects.get()
    assert channel.secret == secret
    assert "no-store" in page["Cache-Control"]
    pages = [
        url(AlertChannel),
        url(AlertChannel, "change", channel.pk),
        url(AlertChannel, "history", channel.pk),
    ]
    for path in pages:
        assert secret not in admin.get(path).content.decode()
    assert not LogEntry.objects.filter(change_message__contains=secret).exists()

    renewed = admin.post(reverse("admin:stats_alertchannel_renew", args=[channel.pk]))
    (other,) = re.findall(r'id="webhook-secret">(\S+)</pre>', renewed.content.decode())
    channel.refresh_from_db()
    assert channel.secret == other != secret
    assert "Secret renewed." in noted(channel)


def test_an_edit_keeps_the_secret(admin, channel):
    form = {**HOOK, "target": "https://hooks.example.com/other", "secret": "mine"}
    assert admin.post(url(AlertChannel, "change", channel.pk), form).status_code == 302
    before = channel.secret
    channel.refresh_from_db()
    assert (channel.secret, channel.target) == (before, "https://hooks.example.com/other")


WRONG_ADDRESSES: list[tuple[dict[str, str], str]] = [
    ({**HOOK, "target": "http://10.0.0.1/"}, "no public address"),
    ({**HOOK, "target": "https://[::1]/"}, "no public address"),
    ({**HOOK, "target": "https://user:pw@example.com/"}, "user or a password"),
    ({**HOOK, "target": "javascript:alert(1)"}, "neither with https"),
    ({**HOOK, "target": ""}, "required"),
    ({**MAIL, "target": "nobody"}, "is no e-mail address"),
    ({**MAIL, "target": ","}, "0 addresses"),
    ({**MAIL, "target": "a@b.cc\nBcc: x@y.zz"}, "is no e-mail address"),
]


def test_what_an_address_can_not_be_is_said_at_its_field(admin):
    for form, why in WRONG_ADDRESSES:
        errors = wrong(add(admin, AlertChannel, form))
        assert list(errors) == ["target"], form
        assert why in str(errors["target"])
    assert not AlertChannel.objects.exists()


def test_without_a_mail_server_the_page_of_channels_says_so(admin, settings):
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", ""
    assert "E-mail is not set up" in plain(admin.get(url(AlertChannel, "add")))


def test_a_test_message_waits_and_its_outcome_is_shown(admin, channel):
    shown = admin.post(reverse("admin:stats_alertchannel_test", args=[channel.pk]), follow=True)
    assert "hook waiting 0" in plain(shown)
    assert "data-watched" in shown.content.decode()
    AlertDelivery.objects.update(state="sent", attempts=1)
    again = admin.get(shown.request["PATH_INFO"], {"of": AlertDelivery.objects.get().pk})
    assert "hook sent 1" in plain(again)
    assert "data-watched" not in again.content.decode()
    assert noted(channel) == ["Test message sent."]


def test_an_absurd_address_of_outcomes_shows_none(admin):
    for asked in ("", "x", "-1", "9" * 18, "9" * 40, "1,,2,\x00", "%"):
        assert admin.get(reverse("admin:stats_alertdelivery_outcome"), {"of": asked}).status_code == 200


# --- alerts and messages -------------------------------------------------------------------------------


def test_what_fires_comes_first_and_is_counted_in_the_sidebar(admin, alert, rule):
    over = AlertRule.objects.create(name="Over", measure="backlog", bound=3, clears_at=1)
    now = timezone.now()
    Alert.objects.create(
        rule=over, severity="warning", bound=3, began_at=now, ended_at=now, worst_value=4, last_value=0
    )
    page = admin.get(url(Alert))
    assert [row.rule for row in page.context["cl"].result_list] == [rule, over]
    assert re.search(r"Alerts\s*</span>\s*<span[^>]*>\s*1\s*<", page.content.decode())
    assert [row.rule for row in admin.get(url(Alert), {"state": "over"}).context["cl"].result_list] == [over]


def test_an_alert_is_acknowledged_once_with_a_note(admin, alert):
    path = reverse("admin:stats_alert_acknowledge", args=[alert.pk])
    assert "Acknowledge" in plain(admin.get(url(Alert, "change", alert.pk)))
    admin.post(path, {"note": "disk full, Ann sees to it"})
    again = admin.post(path, {"note": "me too"}, follow=True)
    assert "acknowledged before" in texts(again)[-1]
    alert.refresh_from_db()
    assert (alert.acknowledged_by, alert.note) == ("admin", "disk full, Ann sees to it")
    assert alert.ended_at is None
    assert noted(alert) == ["Acknowledged. disk full, Ann sees to it"]


def test_a_note_that_is_too_long_is_said(admin, alert):
    path = reverse("admin:stats_alert_acknowledge", args=[alert.pk])
    assert "longer than 2000" in texts(admin.post(path, {"note": "x" * 2001}, follow=True))[0]
    alert.refresh_from_db()
    assert alert.acknowledged_at is None


def test_what_was_given_up_is_tried_again_from_the_list(admin, delivery):
    AlertDelivery.objects.update(state="given_up", error="answered with 500", attempts=9)
    assert "answered with 500" in plain(admin.get(url(AlertDelivery)))
    form = {"action": "retry_selected", "_selected_action": [delivery.pk], "index": 0}
    assert "1 message is tried again." in texts(admin.post(url(AlertDelivery), form, follow=True))
    delivery.refresh_from_db()
    assert delivery.state == "waiting"
    assert noted(delivery) == ["Tried again."]


def test_stored_text_is_no_markup(admin, rule, channel):
    AlertRule.objects.update(name=SCRIPT)
    AlertChannel.objects.update(name=SCRIPT)
    rule.refresh_from_db()
    rule.channels.add(channel)
    evaluation.record([rule], {rule.pk: Measured(7.0, SCRIPT)})
    AlertDelivery.objects.update(error=SCRIPT)
    Alert.objects.update(note=SCRIPT, acknowledged_by=SCRIPT, acknowledged_at=timezone.now())
    rows = [*AlertRule.objects.all(), *AlertChannel.objects.all(), *Alert.objects.all()]
    rows += [*AlertDelivery.objects.all()]
    pages = [url(type(row)) for row in rows] + [url(type(row), "change", row.pk) for row in rows]
    pages += [f"{reverse('admin:stats_alertdelivery_outcome')}?of={AlertDelivery.objects.get().pk}"]
    pages += [reverse("admin:stats_alertrule_test", args=[rule.pk])]
    for path in pages:
        assert SCRIPT not in admin.get(path).content.decode(), path


# --- who may -------------------------------------------------------------------------------------------


VERBS = [
    ("rule", "change_alertrule", "change", {**RULE, "route": "", "bound": "9"}),
    ("rule", "test_alertchannel", "send_test", {}),
    ("channel", "change_alertchannel", "change", HOOK),
    ("channel", "change_alertchannel", "renew", {}),
    ("channel", "test_alertchannel", "test", {}),
    ("alert", "acknowledge_alert", "acknowledge", {"note": "x"}),
]
ALL = {"add_alertrule", "add_alertchannel", "change_alertdelivery", *(verb[1] for verb in VERBS)}
VIEWS = {"view_alertrule", "view_alertchannel", "view_alert", "view_alertdelivery"}


@pytest.mark.parametrize(("about", "permission", "verb", "form"), VERBS)
def test_each_verb_takes_its_own_permission_and_no_other(request, about, permission, verb, form):
    row = request.getfixturevalue(about)
    path = url(type(row), verb, row.pk)
    assert staff(*VIEWS, *(ALL - {permission})).post(path, form).status_code == 403
    User.objects.filter(username="staff").delete()
    assert staff(*VIEWS, permission).post(path, form).status_code in (200, 302)
    User.objects.filter(username="staff").delete()
    assert staff().post(path, form).status_code == 403
    User.objects.filter(username="staff").update(is_staff=False)
    assert Client().post(path, form).status_code == 302  # to the log-in


@pytest.mark.parametrize(("model", "form"), [(AlertRule, RULE), (AlertChannel, HOOK)])
def test_who_may_not_add_can_not(admin, model, form):
    assert (
        add(staff(*VIEWS, *(one for one in ALL if not one.startswith("add"))), model, form).status_code == 403
    )
    assert not model.objects.exists()


def test_who_may_only_look_sees_all_pages_and_no_button(alert, channel, delivery):
    looker = staff(*VIEWS)
    for row in (alert, alert.rule, channel, delivery):
        for path in (url(type(row)), url(type(row), "change", row.pk)):
            page = looker.get(path)
            assert page.status_code == 200
            assert not re.search(r'<form[^>]+(acknowledge|send_test|renew|/test)/"', page.content.decode())
    form = {"action": "retry_selected", "_selected_action": [delivery.pk], "index": 0}
    looker.post(url(AlertDelivery), form)
    form = {"action": "switch_off", "_selected_action": [alert.rule.pk], "index": 0}
    looker.post(url(AlertRule), form)
    assert AlertRule.objects.get().is_enabled


def test_an_address_that_may_be_a_secret_is_seen_in_full_by_who_may_change_it_only(channel):
    page = staff("view_alertchannel").get(url(AlertChannel, "change", channel.pk)).content.decode()
    assert "https://hooks.example.com/" in page
    assert "t0ken" not in page


@pytest.mark.parametrize(("about", "permission", "verb", "form"), VERBS)
def test_a_link_can_do_nothing_and_nor_can_another_page(request, admin_user, about, permission, verb, form):
    row = request.getfixturevalue(about)
    path = url(type(row), verb, row.pk)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)
    assert strict.post(path, form).status_code == 403
    if verb != "change":
        assert strict.get(path).status_code == 405


def test_plain_staff_see_no_page_of_alerts(alert, channel, delivery):
    somebody = staff()
    for row in (alert, alert.rule, channel, delivery):
        assert somebody.get(url(type(row))).status_code == 403
    assert somebody.get(reverse("admin:stats_alertrule_test", args=[alert.rule.pk])).status_code == 403
    assert somebody.get(reverse("admin:stats_alertdelivery_outcome")).status_code == 403


def test_nothing_can_be_deleted(admin, alert, channel, delivery):
    for row in (alert, alert.rule, channel, delivery):
        assert admin.post(url(type(row), "delete", row.pk), {"post": "yes"}).status_code == 403
