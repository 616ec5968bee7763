"""Settings are read when used, and a key is made once."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.conf import conf
from gateway.kept_keys import kept_key
from gateway.networks import parse_networks
from gateway.queue_settings import QUEUE_DEFAULTS, q_cluster

ROOT = Path(__file__).resolve().parent.parent.parent


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_is_made_once(tmp_path):
    path = tmp_path / "keys" / "a_key"

    made = kept_key(path)
    kept_key.cache_clear()

    assert len(made) >= 48
    assert kept_key(path) == made == path.read_text()


def test_a_key_is_closed_to_others(tmp_path):
    path = tmp_path / "keys" / "a_key"
    path.parent.mkdir(mode=0o777)

    kept_key(path)

    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert list(path.parent.iterdir()) == [path]


def test_a_key_that_is_there_is_read_without_its_line_end(tmp_path):
    path = tmp_path / "a_key"
    path.write_text("mine\n")
    assert kept_key(path) == "mine"


def test_processes_that_start_at_once_get_the_same_key(tmp_path):
    program = (
        "import sys, pathlib; from gateway.kept_keys import kept_key;"
        " sys.stdin.read(); print(kept_key(pathlib.Path(sys.argv[1])))"
    )
    path = tmp_path / "keys" / "a_key"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    keys = {process.communicate()[0] for process in started}

    assert keys == {path.read_text() + "\n"}
    assert list(path.parent.iterdir()) == [path]


def test_the_client_hash_key_is_kept_apart_from_the_secret_key(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    del settings.CLIENT_HASH_KEY

    assert conf.client_hash_key == (tmp_path / "keys" / "client_hash_key").read_text()
    assert conf.client_hash_key != settings.SECRET_KEY


def test_an_empty_client_hash_key_is_a_choice(settings):
    settings.CLIENT_HASH_KEY = ""
    assert conf.client_hash_key == ""


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "proxy.example", "", "10.0.0.1 "])
def test_an_entry_that_is_no_network_is_named(entry):
    with pytest.raises(ValueError) as caught:
        parse_networks(("127.0.0.0/8", entry))
    assert str(caught.value).startswith(f"TRUSTED_PROXIES: {entry!r} is no network: ")


def test_networks_may_be_addresses_and_have_host_bits_and_unix_is_a_word():
    networks = parse_networks(("10.1.2.3/8", "192.0.2.7", "2001:db8::/32", "unix"))
    assert [str(network) for network in networks] == ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "unix"]


@pytest.mark.parametrize(
    ("setting", "value", "name", "expected"),
    [
        ("TRAFFIC_ENABLED", False, "enabled", False),
        ("TRAFFIC_EXCLUDE", ["/x"], "exclude", ("/x",)),
        ("TRAFFIC_LOG_EVENTS", True, "log_events", True),
        ("STATS_MODE", "dual", "mode", "dual"),
        ("TRAFFIC_LINGER", 0.5, "linger", 0.5),
        ("TRAFFIC_LINGER", 60, "linger", 5.0),
        ("TRAFFIC_LINGER", -1, "linger", 0.0),
        ("TRAFFIC_BUFFER_EVENTS", "7", "buffer_events", 7),
        ("TRAFFIC_SEND_TIMEOUT", 1, "send_timeout", 1.0),
        ("TRAFFIC_EXIT_TIMEOUT", 3, "exit_timeout", 3.0),
        ("TRAFFIC_DATABASE", "events", "database", "events"),
        ("LEGACY_DATABASE", "old", "legacy_database", "old"),
        ("TRAFFIC_CONSUMER", "a.b", "consumer", "a.b"),
        ("TRAFFIC_COLLECTOR", "a.c", "collector", "a.c"),
        ("LEGACY_MAX_EVENTS", 5, "collector_events", 5),
        ("TRAFFIC_LEASE", 9, "lease", 9.0),
        ("TRAFFIC_RETRY_DELAY", 2, "retry_delay", 2.0),
        ("TRAFFIC_DRAIN_SECONDS", 4, "drain_seconds", 4.0),
        ("TRAFFIC_TRANSACTION_EVENTS", 10, "transaction_events", 10),
        ("TRAFFIC_WORKER_NICE", 3, "worker_nice", 3),
        ("TRAFFIC_EDGE_ID_HEADERS", [], "edge_id_headers", ()),
        ("READINESS_CHECKS", ["a.d"], "readiness_checks", ("a.d",)),
        ("TEST_ENDPOINT", False, "test_endpoint", False),
        ("VAR_DIR", "/srv/x", "var_dir", Path("/srv/x")),
    ],
)
def test_a_setting_is_read_when_it_is_used(settings, setting, value, name, expected):
    setattr(settings, setting, value)
    assert getattr(conf, name) == expected


def test_the_queue_fills_in_what_its_setting_leaves_out(settings):
    settings.TRAFFIC_QUEUE = {"max_batch_size": 7}
    assert conf.queue.max_batch_size == 7
    assert conf.queue.name == QUEUE_DEFAULTS["name"]


def test_each_event_is_logged_by_default_under_runserver_only(settings, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["manage.py", "runserver"])
    assert conf.log_events
    monkeypatch.setattr(sys, "argv", ["gunicorn"])
    assert not conf.log_events


def test_the_task_queue_follows_from_the_traffic_queue():
    cluster = q_cluster({"name": "mine", "max_retries": 5})
    assert (cluster["name"], cluster["max_attempts"], cluster["workers"]) == ("mine", 6, 1)
    assert cluster["retry"] > cluster["timeout"]
    assert cluster["save_limit"] == -1


def test_a_setting_is_read_again_once_it_changed(settings):
    settings.TRAFFIC_LINGER = 0.1
    assert conf.linger == 0.1
    settings.TRAFFIC_LINGER = 0.3
    assert conf.linger == 0.3


def test_a_setting_that_could_not_be_read_is_read_again(settings):
    settings.TRAFFIC_LINGER = "soon"
    with pytest.raises(ValueError, match="soon"):
        _ = conf.linger
    settings.TRAFFIC_LINGER = 0.3
    assert conf.linger == 0.3
