"""System checks: each mistake has its own id, and no value makes a check raise."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, registry, run_checks
from django.db import connections
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway import checks
from gateway.checks import capture, values
from gateway.queue_settings import QUEUE_DEFAULTS, q_cluster

CLUSTER = q_cluster(QUEUE_DEFAULTS)
DOCUMENTED = {
    line.split("|")[1].strip() for line in (checks.__doc__ or "").splitlines() if "| gateway." in line
}


def found(*, deploy: bool = False) -> list[CheckMessage]:
    return run_checks(tags=[checks.TAG], include_deployment_checks=deploy)


def ids(*, deploy: bool = False) -> set[str]:
    return {str(message.id).removeprefix("gateway.") for message in found(deploy=deploy)}


def test_the_projects_own_settings_have_no_problem() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("expected", "setting", "value"),
    [
        ("E001", "TRAFFIC_QUEUE", ["name"]),
        ("E001", "TRAFFIC_QUEUE", {"max_batch": 10}),
        ("E002", "TRAFFIC_QUEUE", {"max_batch_size": 0}),
        ("E002", "TRAFFIC_QUEUE", {"max_batch_size": "100"}),
        ("E002", "TRAFFIC_QUEUE", {"max_retries": -1}),
        ("E002", "TRAFFIC_QUEUE", {"max_retries": True}),
        ("E002", "TRAFFIC_QUEUE", {"max_batch_timeout": 0}),
        ("E002", "TRAFFIC_QUEUE", {"max_batch_timeout": float("nan")}),
        ("E002", "TRAFFIC_QUEUE", {"name": ""}),
        ("E002", "TRAFFIC_QUEUE", {"dead_letter_queue": None}),
        ("E003", "TRAFFIC_QUEUE", {"max_concurrency": 2}),
        ("E004", "TRAFFIC_LINGER", 6),
        ("E005 E011", "TRAFFIC_DATABASE", "nowhere"),
        ("E005 E006 E011", "TRAFFIC_DATABASE", "legacy"),
        ("E006", "LEGACY_DATABASE", "nowhere"),
        ("E006", "LEGACY_DATABASE", "default"),
        ("E010", "Q_CLUSTER", None),
        ("E011", "Q_CLUSTER", {**CLUSTER, "orm": "legacy"}),
        ("E011", "Q_CLUSTER", {**CLUSTER, "sqs": {"aws_region": "x"}}),
        ("E012", "Q_CLUSTER", {**CLUSTER, "workers": 4}),
        ("E013", "Q_CLUSTER", {**CLUSTER, "timeout": None}),
        ("E014", "Q_CLUSTER", {**CLUSTER, "retry": 119}),
        ("E015", "Q_CLUSTER", {**CLUSTER, "max_attempts": 0}),
        ("E016", "Q_CLUSTER", {**CLUSTER, "sync": True}),
        ("E017", "Q_CLUSTER", {**CLUSTER, "name": "other"}),
        ("E018", "TRAFFIC_DRAIN_SECONDS", 30),
        ("E019", "TRAFFIC_LEASE", 61),
        ("E020", "STATS_MODE", "both"),
        ("E031", "READ_FROM", "both"),
        ("E031", "READ_FROM_QUEUE", ["ann"]),
        ("E031", "READ_FROM_LEGACY", 5),
        ("E031", "READ_COMPARED", 101),
        ("E021", "TRUSTED_PROXIES", ["10.0.0.0/8", "10.0.0.0/99"]),
        ("E021", "TRUSTED_PROXIES", "127.0.0.1"),
        ("E021", "TRUSTED_PROXIES", [5]),
        ("E021", "METRICS_ALLOWED_NETWORKS", ["10.0.0.0/99"]),
        ("E021", "METRICS_ALLOWED_NETWORKS", "127.0.0.1"),
        ("E022", "TRAFFIC_EXCLUDE", ["re:("]),
        ("E022", "TRAFFIC_EXCLUDE", ["admin/"]),
        ("E022", "TRAFFIC_EXCLUDE", "/admin/"),
        ("E023", "TRAFFIC_BUFFER_EVENTS", 0),
        ("E023", "TRAFFIC_JOURNAL_BYTES", 500_000),
        ("E023", "TRAFFIC_BUFFER_EVENTS", 1.5),
        ("E023", "TRAFFIC_SEND_TIMEOUT", "2"),
        ("E023", "TRAFFIC_SEND_TIMEOUT", 0),
        ("E023", "TRAFFIC_EXIT_TIMEOUT", -1),
        ("E023", "TRAFFIC_LINGER", float("inf")),
        ("E023", "LEGACY_MAX_EVENTS", None),
        ("E023", "TRAFFIC_WORKER_NICE", -5),
        ("E023", "TRAFFIC_WORKER_NICE", 20),
        ("E024", "TRAFFIC_ENABLED", "false"),
        ("E024", "TEST_ENDPOINT", 1),
        ("E025", "VAR_DIR", 5),
        ("E025", "VAR_DIR", __file__),
        ("E025", "VAR_DIR", "/var\0dir"),
        ("E026", "TRAFFIC_COLLECTOR", "legacy_collector.collector.gather"),
        ("E026", "READINESS_CHECKS", ["nowhere.at.all"]),
        ("E026", "READINESS_CHECKS", "gateway.readiness.database"),
        ("E027", "TRAFFIC_EDGE_ID_HEADERS", "CF-Ray"),
        ("E027", "TRAFFIC_EDGE_ID_HEADERS", ["CF Ray"]),
        ("E028", "CLIENT_HASH_KEY", b"k3y"),
        ("W001", "MIDDLEWARE", []),
        ("W002", "MIDDLEWARE", ["django.middleware.gzip.GZipMiddleware", capture.MIDDLEWARE]),
        ("W003", "CLIENT_HASH_KEY", ""),
        ("W004", "Q_CLUSTER", {**CLUSTER, "save_limit": 250}),
    ],
)
def test_a_mistake_has_its_own_id_and_names_the_setting(
    settings: Any, expected: str, setting: str, value: Any
) -> None:
    setattr(settings, setting, value)

    assert ids() == set(expected.split())
    assert any(message.msg.startswith(setting) for message in found())


def test_a_bad_proxy_is_named_and_the_good_one_is_not(settings: Any) -> None:
    settings.TRUSTED_PROXIES = ["unix", "10.0.0.0/8", "proxy.example"]

    assert [message.msg.split(" is no")[0] for message in found()] == ["TRUSTED_PROXIES: 'proxy.example'"]


@pytest.mark.parametrize(
    ("expected", "options"),
    [
        ({"W005"}, {"connect_timeout": 2, "pool": True}),
        ({"W005"}, {"connect_timeout": 2, "pool": {"timeout": 3}}),
        (set(), {"connect_timeout": 2, "pool": {"timeout": 2}}),
        (set(), {"connect_timeout": "2"}),
        ({"W006"}, {}),
        ({"W006"}, {"connect_timeout": 0}),
        ({"W006"}, {"connect_timeout": [2]}),
        ({"W006"}, None),
    ],
)
def test_a_database_that_may_block_for_long_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, expected: set[str], options: Any
) -> None:
    monkeypatch.setitem(connections["default"].settings_dict, "OPTIONS", options)

    assert ids() == expected


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_an_error(settings: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    settings.VAR_DIR = tmp_path / "var"

    assert ids() == {"E025"}


def test_a_folder_that_is_still_to_be_made_is_none(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path / "not" / "yet"

    assert ids() == set()


def test_trusted_loopback_is_warned_of_before_deployment_only(settings: Any) -> None:
    settings.TRAFFIC_EDGE_ID_HEADERS = ["CF-Ray", "X-Amzn-Trace-Id"]

    (message,) = found(deploy=True)

    assert message.id == "gateway.W010"
    for directive in (
        'CF-Connecting-IP ""',
        'CF-Ray ""',
        'CF-IPCountry ""',
        "X-Real-IP $remote_addr",
        "X-Forwarded-For $remote_addr",
        "X-Request-ID $request_id",
        'X-Request-Start "t=${msec}"',
        'X-Amzn-Trace-Id ""',
    ):
        assert f"proxy_set_header {directive};" in str(message.hint)
    assert found() == []


@pytest.mark.parametrize("trusted", [["10.0.0.0/8"], ["unix"], []])
def test_who_trusts_no_loopback_is_not_warned(settings: Any, trusted: list[str]) -> None:
    settings.TRUSTED_PROXIES = trusted

    assert ids(deploy=True) == set()


@pytest.mark.parametrize("trusted", [["0.0.0.0/0"], ["::/0"], ["127.0.0.1"]])
def test_a_wider_network_holds_loopback_too(settings: Any, trusted: list[str]) -> None:
    settings.TRUSTED_PROXIES = trusted

    assert ids(deploy=True) == {"W010"}


def test_a_web_host_without_the_consumer_needs_a_collector_both_reach(settings: Any) -> None:
    settings.TRUSTED_PROXIES = []
    settings.READINESS_CHECKS = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.checks.deploy.apps.is_installed", lambda name: name != "stats")
        assert ids(deploy=True) == {"W011"}


def test_every_id_is_in_the_modules_table() -> None:
    folder = Path(checks.__file__).parent
    source = "".join(path.read_text() for path in folder.glob("*.py"))
    calls = re.findall(r"\b(error|warning)\(\s*(\d+)", source)
    used = {f"gateway.{kind[0].upper()}{int(number):03}" for kind, number in calls}

    assert used == DOCUMENTED


SETTINGS = [
    *values.RANGES,
    *values.SWITCHES,
    *("TRAFFIC_QUEUE", "Q_CLUSTER", "TRAFFIC_DATABASE", "LEGACY_DATABASE", "STATS_MODE", "TRUSTED_PROXIES"),
    *("TRAFFIC_EXCLUDE", "VAR_DIR", "TRAFFIC_COLLECTOR", "READINESS_CHECKS", "TRAFFIC_EDGE_ID_HEADERS"),
    *("CLIENT_HASH_KEY", "MIDDLEWARE"),
]
scalar = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=4),
)
keys = st.sampled_from([*QUEUE_DEFAULTS, *CLUSTER, "sync", "cluster_name"])
anything = st.one_of(
    scalar,
    st.lists(st.one_of(scalar, st.lists(scalar, max_size=1)), max_size=3),
    st.dictionaries(keys, st.one_of(scalar, st.lists(scalar, max_size=1)), max_size=4),
)


@given(setting=st.sampled_from(SETTINGS), value=anything)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_value_of_any_setting_makes_a_check_raise(settings: Any, setting: str, value: Any) -> None:
    setattr(settings, setting, value)
    try:
        for check in registry.registry.get_checks(include_deployment_checks=True):
            if checks.TAG in check.tags:  # type: ignore[attr-defined]
                assert all(str(message) for message in check(app_configs=None))
    finally:
        delattr(settings, setting)
