"""What docs/security.md says for production passes Django's own checks; without a secret nothing starts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.secret_key import weakness
from tests.integration.processes import ROOT, environment

DATABASE = "postgres://tallygate:secret@127.0.0.1:1/tallygate"
KEY = "y1cYpXw0Vv3pS0m3th1ngRand0mAndL0ngEn0ughToBeASecret"
PRODUCTION = {"DATABASE_URL": DATABASE, "SECRET_KEY": KEY, "BEHIND_TLS": "1"}

SHOW = """
import json
from django.conf import settings
names = ("DEBUG", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS",
         "SESSION_COOKIE_HTTPONLY", "SILENCED_SYSTEM_CHECKS")
print(json.dumps({name: getattr(settings, name) for name in names}))
"""


def run(var_dir: Path, *command: str, **extra: str) -> subprocess.CompletedProcess[str]:
    # What other tests of this process have set for themselves is no production setting.
    mine = ("DEBUG", "DJANGO_ALLOW_ASYNC_UNSAFE")
    env = {name: value for name, value in environment(var_dir, **extra).items() if name not in mine}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
    )


def settings_of(var_dir: Path, **extra: str) -> dict[str, object]:
    done = run(var_dir, "-c", SHOW, **extra)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_check_deploy_has_nothing_to_say(tmp_path: Path) -> None:
    done = run(tmp_path, "manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "System check identified no issues (3 silenced).\n"


def test_what_is_silenced_is_what_is_written_down(tmp_path: Path) -> None:
    written = (ROOT / "docs" / "security.md").read_text()
    silenced = settings_of(tmp_path, **PRODUCTION)["SILENCED_SYSTEM_CHECKS"]
    assert silenced == ["security.W005", "security.W021", "gateway.W010"]
    for check in silenced:  # type: ignore[attr-defined]
        assert f"| `{check}` |" in written


def test_behind_tls_cookies_are_secure_and_browsers_remember_it(tmp_path: Path) -> None:
    found = settings_of(tmp_path, **PRODUCTION)
    assert found["DEBUG"] is False
    for name in (
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SECURE_SSL_REDIRECT",
        "SESSION_COOKIE_HTTPONLY",
    ):
        assert found[name] is True, name
    assert found["SECURE_HSTS_SECONDS"] == 30 * 86_400


def test_without_tls_no_browser_is_told_to_insist_on_it(tmp_path: Path) -> None:
    found = settings_of(tmp_path, DATABASE_URL=DATABASE, SECRET_KEY=KEY)
    assert (found["DEBUG"], found["SECURE_HSTS_SECONDS"]) == (False, 0)


def test_with_a_proxy_that_nobody_named_loopback_is_warned_of(tmp_path: Path) -> None:
    done = run(tmp_path, "manage.py", "check", "--deploy", DATABASE_URL=DATABASE, SECRET_KEY=KEY)
    assert "gateway.W010" in done.stderr


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "required when DATABASE_URL is set"),
        ("tooshort", "has 8 characters, at least 32 are needed"),
        ("ab" * 30, "has 2 different characters only"),
        ("django-insecure-" + "abcdefgh" * 5, "is an example (django-insecure-…)"),
    ],
)
def test_a_key_that_is_no_secret_starts_nothing(tmp_path: Path, key: str, said: str) -> None:
    done = run(tmp_path, "manage.py", "check", DATABASE_URL=DATABASE, SECRET_KEY=key)
    assert done.returncode != 0
    assert f"SECRET_KEY: {said}" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not key or key not in done.stderr


def test_a_long_key_of_many_characters_is_a_secret() -> None:
    assert weakness(KEY) is None
