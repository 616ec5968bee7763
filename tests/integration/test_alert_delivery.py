"""A message that waits arrives, at least once, under one id; or a person sees why it did not."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from stats.alerts import channels, messages, outbox, sending, signing, webhook
from stats.alerts.machine import Message
from stats.alerts.sending import Sent, send_due
from stats.models import Alert, AlertChannel, AlertDelivery, AlertRule
from tests.integration.alert_receivers import Received, hook, mail_server
from tests.integration.processes import ROOT, wait_for

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
    pytest.mark.usefixtures("store"),
]

NEAR = ["127.0.0.0/8"]


@pytest.fixture(autouse=True)
def _near(settings: Any) -> None:
    settings.ALERT_WEBHOOK_ALLOWED_NETWORKS = NEAR


def webhook_to(url: str, name: str = "hook") -> AlertChannel:
    channel = AlertChannel(name=name, kind="webhook", target=url)
    channels.renew_secret(channel)
    return channel


def waiting(channel: AlertChannel) -> AlertDelivery:
    (made,) = channels.send_test([channel], by="ann")
    return made


def now_due() -> None:
    AlertDelivery.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))


def is_genuine(one: Received, channel: AlertChannel) -> bool:
    stamp, signature = one.headers["Tallygate-Timestamp"], one.headers["Tallygate-Signature"]
    return signing.verify(channel.secret, stamp, one.body, signature, time.time())


# --- webhooks ------------------------------------------------------------------------------------------


def test_a_receiver_that_fails_twice_gets_the_same_message_a_third_time():
    with hook(answers=[500, 503]) as receiver:
        channel = webhook_to(receiver.url)
        delivery = waiting(channel)
        seen = []
        for _ in range(3):
            now_due()
            send_due()
            delivery.refresh_from_db()
            seen.append((delivery.state, delivery.attempts, delivery.error))
    assert seen == [
        ("waiting", 1, "answered with 500: ok"),
        ("waiting", 2, "answered with 503: ok"),
        ("sent", 3, ""),
    ]
    assert all(is_genuine(one, channel) for one in receiver.received)
    assert {one.headers["Tallygate-Delivery"] for one in receiver.received} == {str(delivery.uid)}
    assert {json.loads(one.body)["id"] for one in receiver.received} == {str(delivery.uid)}
    assert receiver.received[0].headers["Tallygate-Event"] == "alert.test"


def test_what_is_sent_is_not_sent_again_and_what_failed_not_at_once():
    with hook(answers=[500]) as receiver:
        waiting(webhook_to(receiver.url))
        assert send_due() == Sent(failed=1)
        assert send_due() == Sent()
        now_due()
        assert send_due() == Sent(sent=1)
        now_due()
        assert send_due() == Sent()
    assert len(receiver.received) == 2


def test_each_attempt_comes_later_than_the_one_before():
    with hook(answers=[500] * 9) as receiver:
        delivery = waiting(webhook_to(receiver.url))
        pauses = []
        for _ in range(9):
            now_due()
            send_due()
            delivery.refresh_from_db()
            pauses.append(round((delivery.next_attempt_at - timezone.now()) / timedelta(minutes=1)))
    assert pauses == [1, 2, 4, 8, 15, 30, 60, 60, 60]


def test_what_did_not_arrive_in_a_day_is_given_up_and_can_be_tried_again():
    with hook(answers=[500]) as receiver:
        delivery = waiting(webhook_to(receiver.url))
        AlertDelivery.objects.update(give_up_at=timezone.now())
        send_due()
        delivery.refresh_from_db()
        assert (delivery.state, delivery.error) == ("given_up", "answered with 500: ok")
        now_due()
        assert send_due() == Sent()
        assert outbox.retry(AlertDelivery.objects.all()) == 1
        assert send_due() == Sent(sent=1)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error) == ("sent", "")


def test_a_redirect_is_not_followed():
    with hook(answers=[302]) as receiver:
        delivery = waiting(webhook_to(receiver.url))
        send_due()
    delivery.refresh_from_db()
    assert delivery.error == "answered with 302, and redirects are not followed"
    assert [one.path for one in receiver.received] == ["/hook"]


def test_a_private_address_is_refused_and_nothing_is_sent(settings):
    settings.ALERT_WEBHOOK_ALLOWED_NETWORKS = ["10.0.0.0/8"]
    with hook() as receiver:
        delivery = waiting(webhook_to(receiver.url))
        send_due()
    delivery.refresh_from_db()
    assert delivery.error == "127.0.0.1 is no public address; ALERT_WEBHOOK_ALLOWED_NETWORKS may allow it"
    assert receiver.received == []


def test_a_name_that_means_another_address_by_now_changes_nothing(monkeypatch):
    """DNS rebinding: the first answer is public, the next would be inside."""
    answers = ["93.184.216.34", "127.0.0.1"]
    asked, connected = [], []

    def look_up(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0), 443))]

    def connect(address: tuple[str, int], *_: Any) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError("tests")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(webhook.socket, "create_connection", connect)
    with pytest.raises(webhook.Undelivered, match="ConnectionRefusedError"):
        webhook.send(
            AlertDelivery(payload={}, kind="test", channel=AlertChannel(target="https://a.example/"))
        )
    assert (asked, connected) == (["a.example"], [("93.184.216.34", 443)])


def test_a_receiver_that_says_nothing_holds_up_nobody_for_long(monkeypatch):
    monkeypatch.setattr(webhook, "SECONDS", 0.3)
    with hook() as receiver:
        receiver.hold.clear()
        delivery = waiting(webhook_to(receiver.url))
        began = time.monotonic()
        send_due()
        assert time.monotonic() - began < 3
    delivery.refresh_from_db()
    assert "timed out" in delivery.error


def test_a_receiver_that_answers_a_byte_at_a_time_is_cut_off(monkeypatch):
    monkeypatch.setattr(webhook, "ALL_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        delivery = waiting(webhook_to(f"http://127.0.0.1:{server.getsockname()[1]}/"))
        child = os.fork()
        if child == 0:
            drip(server)
        began = time.monotonic()
        send_due()
        lasted = time.monotonic() - began
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    delivery.refresh_from_db()
    assert (delivery.state, lasted < 3) == ("waiting", True)


def drip(server: socket.socket) -> None:
    try:
        peer, _ = server.accept()
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50:
            peer.send(bytes([byte]))
            time.sleep(0.1)
    finally:
        os._exit(0)


def test_of_an_endless_answer_only_the_beginning_is_read():
    with hook(answers=[500], says=b"x" * 5_000_000) as receiver:
        delivery = waiting(webhook_to(receiver.url))
        send_due()
    delivery.refresh_from_db()
    assert delivery.error == "answered with 500: " + "x" * webhook.MAX_QUOTED


def test_nothing_of_the_secret_is_logged(caplog):
    with caplog.at_level("DEBUG"), hook(answers=[500]) as receiver:
        channel = webhook_to(receiver.url + "?token=t0ken")
        waiting(channel)
        send_due()
    assert "Alert message not sent" in caplog.text
    assert channel.secret not in caplog.text
    assert "t0ken" not in caplog.text


# --- in order, and whatever dies -----------------------------------------------------------------------


def test_who_has_not_been_told_of_the_beginning_is_not_told_of_the_end_first():
    rule = AlertRule.objects.create(name="r", measure="backlog", bound=1, clears_at=0)
    now = timezone.now()
    alert = Alert.objects.create(
        rule=rule, severity="warning", bound=1, began_at=now, worst_value=2, last_value=2
    )
    with hook(answers=[500]) as receiver:
        channel = webhook_to(receiver.url)
        for kind in (Message.FIRED, Message.RESOLVED):
            outbox.put([channel], kind, messages.of_alert(rule, alert, kind, ""), now, alert)
        assert send_due() == Sent(failed=1)
        now_due()
        assert send_due() == Sent(sent=2)
    events = [one.headers["Tallygate-Event"] for one in receiver.received]
    assert events == ["alert.fired", "alert.fired", "alert.resolved"]


def test_a_channel_that_was_switched_off_gets_nothing_more():
    with hook() as receiver:
        channel = webhook_to(receiver.url)
        delivery = waiting(channel)
        AlertChannel.objects.update(is_enabled=False)
        assert send_due() == Sent(failed=1)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error) == ("given_up", "the channel was switched off")
    assert receiver.received == []


@pytest.mark.slow
def test_a_sender_that_is_killed_while_it_sends_has_it_sent_again():
    with hook() as receiver:
        receiver.hold.clear()
        channel = webhook_to(receiver.url)
        delivery = waiting(channel)
        sender = send_alerts()
        assert wait_for(lambda: receiver.received, 30)
        sender.kill()
        sender.wait()
        delivery.refresh_from_db()
        assert (delivery.state, delivery.attempts) == ("waiting", 1)
        assert not outbox.is_due()  # not in a tight loop
        receiver.hold.set()
        now_due()
        assert send_due() == Sent(sent=1)
    first, second = receiver.received
    assert first.headers["Tallygate-Delivery"] == second.headers["Tallygate-Delivery"]
    assert is_genuine(second, channel)


def send_alerts() -> subprocess.Popen[bytes]:
    """In a process of its own, on the running test's databases."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "send_alerts"],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.app_settings",
            "TALLYGATE_TEST_DATABASE": connections["default"].settings_dict["NAME"],
            "TALLYGATE_TEST_LEGACY": str(connections["legacy"].settings_dict["NAME"]),
            "ALERT_WEBHOOK_ALLOWED_NETWORKS": ",".join(NEAR),
        },
        stdout=subprocess.DEVNULL,
    )


def test_two_senders_do_not_send_the_same_at_once():
    with hook() as receiver:
        waiting(webhook_to(receiver.url))
        first = outbox.claim()
        assert outbox.claim() is None
        assert first is not None
        assert sending.attempt(first)
    assert len(receiver.received) == 1


def test_the_command_says_what_it_sent():
    with hook(answers=[200, 500]) as receiver:
        for name in ("one", "two"):
            waiting(webhook_to(receiver.url, name))
        out = StringIO()
        with pytest.raises(SystemExit) as end:
            call_command("send_alerts", "--json", stdout=out)
    assert (json.loads(out.getvalue()), end.value.code) == ({"sent": 1, "failed": 1}, 1)


# --- mail ----------------------------------------------------------------------------------------------


@pytest.fixture
def smtp(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.DEFAULT_FROM_EMAIL = "tallygate@example.com"


def test_a_message_goes_to_all_addresses_of_a_channel(smtp, settings):
    channel = AlertChannel.objects.create(
        name="ops\nX: y", kind="email", target="a@example.com, b@example.com"
    )
    delivery = waiting(channel)
    with mail_server() as box:
        settings.EMAIL_PORT = box.port
        assert send_due() == Sent(sent=1)
    (mail,) = box.mails
    assert box.recipients == ["a@example.com", "b@example.com"]
    assert mail["Subject"] == "[Tallygate] test message to ops X: y"
    assert mail["Message-ID"] == f"<{delivery.uid}@tallygate>"
    assert mail["Tallygate-Delivery"] == str(delivery.uid)
    assert "sent by ann. Nothing is wrong." in mail.get_payload()
    assert str(delivery.uid) in mail.get_payload()


def test_a_mail_server_that_is_away_is_said_and_tried_again(smtp, settings):
    delivery = waiting(AlertChannel.objects.create(name="ops", kind="email", target="a@example.com"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings.EMAIL_PORT = taken.getsockname()[1]
    send_due()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error[:22]) == ("waiting", "ConnectionRefusedError")


def test_without_a_mail_server_set_up_it_is_said(smtp, settings):
    settings.EMAIL_HOST = ""
    delivery = waiting(AlertChannel.objects.create(name="ops", kind="email", target="a@example.com"))
    send_due()
    delivery.refresh_from_db()
    assert delivery.error == "E-mail is not set up: EMAIL_HOST is empty"
