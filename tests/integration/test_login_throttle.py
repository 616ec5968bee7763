"""Who guesses passwords waits longer and longer, in all processes alike; who knows his own gets in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection, connections
from django.db.models import F
from django.test import Client
from django.utils import timezone

from gateway import login_page as login
from gateway import login_throttle
from gateway.login_throttle import FORGOTTEN, Rule, TooManyFailures
from gateway.models import LoginFailures
from stats.retention import rows
from tests.integration.processes import ROOT, environment

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

PAGE = "/admin/login/"
HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"
FREE = 5  # LOGIN_TRIES


@pytest.fixture
def person(store: None) -> User:
    return User.objects.create_superuser("Ada", password="the right one")


def try_to_log_in(client: Client, password: str, name: str = "Ada", address: str = HOME) -> Any:
    return client.post(PAGE, {"username": name, "password": password}, REMOTE_ADDR=address)


def fail(times: int, name: str = "Ada", address: str = HOME) -> list[int]:
    """The statuses of so many wrong tries, each by a client that knows nothing of the others."""
    return [try_to_log_in(Client(), "wrong", name, address).status_code for _ in range(times)]


def pass_seconds(seconds: float) -> None:
    """Time passes, for what is counted."""
    gone = timedelta(seconds=seconds)
    LoginFailures.objects.update(
        closed_until=F("closed_until") - gone, last_failed_at=F("last_failed_at") - gone
    )


# --- what a person notices -----------------------------------------------------------------------


def test_the_sixth_try_in_a_row_is_not_looked_at_and_is_told_for_how_long(person: User) -> None:
    assert fail(FREE) == [200] * FREE
    refused = try_to_log_in(Client(), "the right one")
    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= 5
    assert f"Try again in {refused['Retry-After']} second" in refused.content.decode()


def test_who_comes_in_by_the_page_s_own_address_is_led_to_the_first_page(person: User) -> None:
    assert try_to_log_in(Client(), "the right one")["Location"] == "/admin/"


def test_after_the_wait_the_right_password_lets_in_and_all_is_forgotten(person: User) -> None:
    fail(FREE)
    pass_seconds(5)
    client = Client()
    assert try_to_log_in(client, "the right one").status_code == 302
    assert client.get("/admin/").status_code == 200
    assert not LoginFailures.objects.filter(key__startswith="pair:").exists()
    assert fail(FREE) == [200] * FREE


def test_the_wait_doubles_and_has_an_end(person: User, settings: Any) -> None:
    rule = Rule(free=5, longest=900)
    waits = [rule.wait(failures) for failures in range(4, 14)]
    assert waits == [0, 5, 10, 20, 40, 80, 160, 320, 640, 900]
    assert rule.wait(10**6) == 900


def test_what_is_tried_during_a_wait_does_not_make_it_longer(person: User) -> None:
    fail(FREE)
    kept = LoginFailures.objects.order_by("key").values_list("key", "failures", "closed_until")
    before = list(kept)
    assert fail(20) == [429] * 20
    assert list(kept.all()) == before


def test_an_hour_without_a_failure_forgets_the_earlier_ones(person: User) -> None:
    fail(FREE)
    pass_seconds(FORGOTTEN + 1)
    assert fail(FREE) == [200] * FREE


def test_whether_an_account_exists_is_not_told(person: User) -> None:
    known, unknown = (
        [try_to_log_in(Client(), "wrong", name, address) for _ in range(FREE + 1)]
        for name, address in (("Ada", HOME), ("nobody", ELSEWHERE))
    )
    assert [one.status_code for one in known] == [one.status_code for one in unknown]
    errors = [[form.non_field_errors() for form in answers_forms(some)] for some in (known, unknown)]
    assert errors[0] == errors[1]


def answers_forms(answers: list[Any]) -> list[Any]:
    return [answer.context["form"] for answer in answers]


def test_an_account_without_access_is_a_failure_like_any_other(person: User) -> None:
    User.objects.create_user("visitor", password="the right one")
    statuses = [try_to_log_in(Client(), "the right one", "visitor").status_code for _ in range(FREE + 1)]
    assert statuses == [200] * FREE + [429]


# --- whom it concerns ----------------------------------------------------------------------------


def test_another_client_and_another_account_are_not_concerned(person: User) -> None:
    fail(FREE + 1)
    assert try_to_log_in(Client(), "the right one", address=ELSEWHERE).status_code == 302
    assert fail(1, name="Grace") == [200]


def test_a_client_that_tries_many_accounts_waits_for_all_of_them(person: User) -> None:
    statuses = [fail(1, name=f"guess {number}")[0] for number in range(FREE * 4 + 1)]
    assert statuses == [200] * (FREE * 4) + [429]
    assert try_to_log_in(Client(), "the right one", address=ELSEWHERE).status_code == 302


def test_an_ipv6_client_does_not_come_anew_with_each_of_its_addresses(person: User) -> None:
    statuses = [fail(1, address=f"2001:db8:1:2::{number:x}")[0] for number in range(1, FREE + 2)]
    assert statuses == [200] * FREE + [429]
    assert fail(1, address="2001:db8:1:3::1") == [200]


def test_headers_of_a_stranger_do_not_make_him_another_client(person: User) -> None:
    for number in range(FREE + 1):
        answer = Client().post(
            PAGE,
            {"username": "Ada", "password": "wrong"},
            REMOTE_ADDR=ELSEWHERE,
            headers={"X-Forwarded-For": f"203.0.113.{number}"},
        )
    assert answer.status_code == 429


def test_many_clients_together_slow_an_account_down_for_half_a_minute_at_most(person: User) -> None:
    statuses = [fail(1, address=f"203.0.113.{number}")[0] for number in range(FREE * 10 + 1)]
    assert statuses == [200] * (FREE * 10) + [429]
    for _ in range(5):
        pass_seconds(30)
        fail(1, address="198.51.100.99")
    refused = try_to_log_in(Client(), "the right one")
    assert int(refused["Retry-After"]) <= 30
    pass_seconds(30)
    assert try_to_log_in(Client(), "the right one").status_code == 302


def test_who_came_in_before_is_locked_out_by_nobody_else(person: User) -> None:
    """On the same device: its cookie is signed, and holds nothing of the session."""
    client = Client()
    try_to_log_in(client, "the right one")
    client.post("/admin/logout/")
    fail(FREE + 1)  # from the same address, too
    for number in range(FREE * 10):
        fail(1, address=f"203.0.113.{number}")
    assert try_to_log_in(Client(), "the right one").status_code == 429
    assert try_to_log_in(client, "the right one").status_code == 302


def test_a_device_does_not_guess_for_free(person: User) -> None:
    client = Client()
    try_to_log_in(client, "the right one")
    client.post("/admin/logout/")
    assert [try_to_log_in(client, "wrong").status_code for _ in range(FREE + 1)] == [200] * FREE + [429]


@pytest.mark.parametrize("cookie", ["", "\x00", "a:b", "ö" * 4000, "a:b:c"])
def test_a_cookie_that_nobody_signed_is_none(person: User, cookie: str) -> None:
    client = Client()
    client.cookies[login.COOKIE] = cookie
    assert [try_to_log_in(client, "wrong").status_code for _ in range(FREE + 1)] == [200] * FREE + [429]


def test_a_device_of_one_account_is_none_of_another_s(person: User) -> None:
    User.objects.create_superuser("Grace", password="the right one")
    client = Client()
    try_to_log_in(client, "the right one", name="Grace")
    assert client.cookies[login.COOKIE]["path"] == PAGE
    assert client.cookies[login.COOKIE]["httponly"]
    client.post("/admin/logout/")
    fail(FREE)
    assert try_to_log_in(client, "the right one", name="Ada").status_code == 429


# --- what is kept ---------------------------------------------------------------------------------


def test_neither_a_name_nor_an_address_is_kept_or_logged(person: User, caplog: Any) -> None:
    fail(FREE + 1, name="hunter2-typed-as-a-name")
    kept = str(list(LoginFailures.objects.values_list())) + caplog.text
    assert "closed for 5 s" in caplog.text
    assert "hunter2" not in kept
    assert HOME not in kept


def test_retention_takes_them_after_a_day(person: User) -> None:
    fail(2)
    assert rows.delete(rows.login_failures(timezone.now())) == 0
    assert rows.delete(rows.login_failures(timezone.now() + timedelta(days=1, minutes=1))) == 3
    assert not LoginFailures.objects.exists()


def test_retention_takes_sessions_that_are_over(person: User) -> None:
    for address in (HOME, ELSEWHERE):
        try_to_log_in(Client(), "the right one", address=address)
    Session.objects.filter(pk=Session.objects.first().pk).update(expire_date=timezone.now() - timedelta(1))
    assert rows.delete(rows.sessions(timezone.now())) == 1
    assert Session.objects.count() == 1


def test_a_database_that_is_away_is_told_and_lets_nobody_in(person: User, monkeypatch: Any) -> None:
    def refuse(*_: Any) -> None:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(login_throttle, "begin", refuse)
    client = Client()
    answer = try_to_log_in(client, "the right one")
    assert answer.status_code == 200
    assert "the database does not answer" in answer.content.decode()
    assert client.get("/admin/").status_code == 302


@pytest.mark.parametrize(
    "name", ["\x00", "a" * 5000, "\u202eada", "<script>alert(1)</script>", "=cmd|' /C calc'!A0"]
)
def test_whatever_is_typed_as_a_name_is_answered(person: User, name: str) -> None:
    answer = try_to_log_in(Client(), "wrong", name)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.content.decode()


# --- at once --------------------------------------------------------------------------------------


@pytest.fixture
def looked_at(monkeypatch: Any) -> list[str]:
    """The passwords that were really looked at."""
    seen: list[str] = []
    clean = login.AuthenticationForm.clean

    def watched(form: Any) -> Any:
        seen.append(form.cleaned_data["password"])
        return clean(form)

    monkeypatch.setattr(login.AuthenticationForm, "clean", watched)
    return seen


def in_threads(times: int, do: Callable[[], Any]) -> list[Any]:
    def done() -> Any:
        try:
            return do()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        return [future.result() for future in [pool.submit(done) for _ in range(times)]]


def test_of_forty_tries_at_once_five_are_looked_at(person: User, looked_at: list[str]) -> None:
    statuses = in_threads(40, lambda: try_to_log_in(Client(), "wrong").status_code)
    assert (statuses.count(200), statuses.count(429)) == (FREE, 40 - FREE)
    assert len(looked_at) == FREE


PROCESS = """
import django, sys
from concurrent.futures import ThreadPoolExecutor
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
django.setup()
from django.db import connections
from gateway import login_page as login
from gateway import login_throttle
from gateway.login_throttle import TooManyFailures

def tried(number):
    try:
        login_throttle.begin("Ada", "0123456789abcdef")
    except TooManyFailures:
        return 0
    finally:
        connections.close_all()
    return 1

with ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(tried, range(20))))
"""


def test_two_processes_count_together(person: User) -> None:
    name = connection.settings_dict["NAME"]
    environ = {**environment(ROOT), "DJANGO_SETTINGS_MODULE": "tests.settings", "CLIENT_HASH_KEY": "k3y"}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, name], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    looked_at = [int(process.communicate(timeout=60)[0]) for process in both]
    assert sum(looked_at) == FREE


def test_a_try_that_succeeds_leaves_nothing_behind(person: User) -> None:
    for _ in range(FREE * 12):
        login_throttle.begin("Ada", "0123456789abcdef").succeeded()
    kept = dict(LoginFailures.objects.values_list("key", "failures"))
    assert set(kept.values()) == {0}


def test_a_success_does_not_clear_the_guesses_at_other_accounts(person: User) -> None:
    for number in range(FREE * 4):
        login_throttle.begin("Ada", "0123456789abcdef").succeeded()
        login_throttle.begin(f"guess {number}", "0123456789abcdef")
    with pytest.raises(TooManyFailures):
        login_throttle.begin("another", "0123456789abcdef")


def test_django_still_logs_in_by_this_view() -> None:
    """`admin.site.login` is called by its class; were that to change, the form would be another."""
    assert issubclass(login.LogInForm, LoginView.form_class)
