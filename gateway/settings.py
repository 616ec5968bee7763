"""Django settings of the gateway project, and the only reader of the environment.

A project of one's own does not use this module: it adds the apps and the middleware to its own
settings (README, "In your own Django project").
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from gateway.archive_url import archive_storage
from gateway.conf import DEFAULT_EXCLUDE, q_cluster
from gateway.database_urls import legacy_database, queue_database
from gateway.kept_keys import kept_key
from gateway.secret_key import weakness

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()

DEBUG = env.bool("DEBUG", default=False)
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var"))).resolve()

# prometheus-client decides at import whether its counters are shared between processes.
os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(VAR_DIR / "metrics"))
Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).mkdir(parents=True, exist_ok=True)

# Lower case: no setting, which a debug page would show with its password.
_database_url = env.str("DATABASE_URL", default="")
EMBEDDED_POSTGRES = not _database_url
_legacy_dir = VAR_DIR / "legacy"
_legacy_dir.mkdir(parents=True, exist_ok=True)
_legacy_dir.chmod(0o700)


def _secret_key() -> str:
    key = env.str("SECRET_KEY", default="")
    if key:
        problem = weakness(key)
        if problem and not (EMBEDDED_POSTGRES or DEBUG):
            raise ImproperlyConfigured(f"SECRET_KEY: {problem}")
        return key
    if EMBEDDED_POSTGRES:
        return kept_key(VAR_DIR / "keys" / "secret_key")
    raise ImproperlyConfigured(
        "SECRET_KEY: required when DATABASE_URL is set "
        "(it is generated and kept under VAR_DIR only with the embedded database)"
    )


def _folder_of(package: str) -> Path:
    """Where it is installed; it is not loaded."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ImproperlyConfigured(f"{package} is not installed")
    return Path(spec.origin).parent


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# The API's page needs ninja's files, which otherwise come from a CDN. An app it is not: as one every process
# would load it, with all of pydantic.
NINJA = _folder_of("ninja")

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_q",
    "gateway",
    "stats",
    "legacy_collector",
]

MIDDLEWARE = [
    "gateway.middleware.TrafficMiddleware",
    "gateway.page_headers.PageHeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "gateway.language.AdminLanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "gateway.urls"
WSGI_APPLICATION = "gateway.wsgi.application"
ASGI_APPLICATION = "gateway.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [NINJA / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASES = {
    "default": queue_database(_database_url, VAR_DIR),
    "legacy": legacy_database(
        env.str("LEGACY_DATABASE_URL", default=f"sqlite:///{quote(str(_legacy_dir / 'collector.sqlite3'))}"),
        _legacy_dir,
    ),
}
DATABASE_ROUTERS = ["legacy_collector.router.LegacyRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LOGIN_URL, LOGIN_REDIRECT_URL = "admin:login", "admin:index"
SESSION_ENGINE = "gateway.sessions"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LANGUAGE_COOKIE_NAME = "tallygate_language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_HTTPONLY = True
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [NINJA / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
    "archive": archive_storage(env.str("ARCHIVE_URL", default=""), VAR_DIR / "archive"),
}

# Headers and cookies. TLS ends at the proxy in front; what it says is believed only if asked for.
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
BEHIND_TLS = env.bool("BEHIND_TLS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = BEHIND_TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=BEHIND_TLS)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # asked for from near, without TLS
# A month: long enough for who comes now and then, and over in time for who gives TLS up.
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=30 * 86_400 if BEHIND_TLS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=False)

# What `check --deploy` need not say (docs/security.md).
SILENCED_SYSTEM_CHECKS = [
    # Whether the domain's other hosts speak TLS, too, and whether browsers are to know it for good, is for
    # the domain's owner to say: SECURE_HSTS_INCLUDE_SUBDOMAINS, SECURE_HSTS_PRELOAD.
    *("security.W005", "security.W021"),
]
if BEHIND_TLS or "TRUSTED_PROXIES" in os.environ:
    # It tells who may know of no proxy that loopback is trusted. Here somebody has put one in front.
    SILENCED_SYSTEM_CHECKS.append("gateway.W010")

# Of alerts. Without a host none is sent, and the channel's page says so.
EMAIL_BACKEND = env.str("EMAIL_BACKEND", default="django.core.mail.backends.smtp.EmailBackend")
EMAIL_HOST = env.str("EMAIL_HOST", default="")
EMAIL_PORT = env.int("EMAIL_PORT", default=25)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", default="")
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", default=False)
EMAIL_USE_SSL = env.bool("EMAIL_USE_SSL", default=False)
EMAIL_TIMEOUT = env.float("EMAIL_TIMEOUT", default=5.0)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="tallygate@localhost")

# What `manage.py serve` starts gunicorn with; as text, so that it can say in one line what is wrong.
WEB_SERVER = {
    "HOST": env.str("HOST", default="") or "127.0.0.1",
    "PORT": env.str("PORT", default="") or "8000",
    "WEB_CONCURRENCY": env.str("WEB_CONCURRENCY", default="") or "2",
    "WEB_THREADS": env.str("WEB_THREADS", default="") or "4",
}

# --- Tallygate -------------------------------------------------------------------------------------

TRAFFIC_ENABLED = env.bool("TRAFFIC_ENABLED", default=True)
TRAFFIC_EXCLUDE = env.list("TRAFFIC_EXCLUDE", default=list(DEFAULT_EXCLUDE))
TRAFFIC_LINGER = env.float("TRAFFIC_LINGER", default=0.4)
TRAFFIC_BUFFER_EVENTS = env.int("TRAFFIC_BUFFER_EVENTS", default=20_000)
TRAFFIC_JOURNAL = env.str("TRAFFIC_JOURNAL", default="os")
TRAFFIC_JOURNAL_BYTES = env.int("TRAFFIC_JOURNAL_BYTES", default=256_000_000)
TRAFFIC_JOURNAL_DAYS = env.float("TRAFFIC_JOURNAL_DAYS", default=7)
TRAFFIC_SEND_TIMEOUT = env.float("TRAFFIC_SEND_TIMEOUT", default=2.0)
if "TRAFFIC_LOG_EVENTS" in os.environ:
    TRAFFIC_LOG_EVENTS = env.bool("TRAFFIC_LOG_EVENTS")
TRAFFIC_EDGE_ID_HEADERS = env.list("TRAFFIC_EDGE_ID_HEADERS", default=["CF-Ray"])
TRAFFIC_STALE_SECONDS = env.float("TRAFFIC_STALE_SECONDS", default=20.0)
TRAFFIC_WORKER_NICE = env.int("TRAFFIC_WORKER_NICE", default=5)
TRAFFIC_LEASE = env.float("TRAFFIC_LEASE", default=5.0)
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=["127.0.0.0/8", "::1/128"])
METRICS_ALLOWED_NETWORKS = env.list("METRICS_ALLOWED_NETWORKS", default=["127.0.0.0/8", "::1/128"])
LEGACY_MAX_EVENTS = env.int("LEGACY_MAX_EVENTS", default=1_000_000)
LEGACY_RETENTION_DAYS = env.float("LEGACY_RETENTION_DAYS", default=30)
ARCHIVE_EVENTS = env.bool("ARCHIVE_EVENTS", default=True)
ARCHIVE_PART_EVENTS = env.int("ARCHIVE_PART_EVENTS", default=250_000)
ARCHIVE_RETENTION_DAYS = env.float("ARCHIVE_RETENTION_DAYS", default=0)
EVENT_RETENTION_DAYS = env.float("EVENT_RETENTION_DAYS", default=3)
HOURLY_RETENTION_DAYS = env.float("HOURLY_RETENTION_DAYS", default=90)
DEAD_LETTER_RETENTION_DAYS = env.float("DEAD_LETTER_RETENTION_DAYS", default=30)
DEAD_LETTER_UNSETTLED_DAYS = env.float("DEAD_LETTER_UNSETTLED_DAYS", default=365)
TASK_RETENTION_DAYS = env.float("TASK_RETENTION_DAYS", default=7)
STATS_MODE = env.str("STATS_MODE", default="queue")
STATS_REPLAY_LEGACY = env.bool("STATS_REPLAY_LEGACY", default=True)
STATS_SAMPLE_RATE = env.float("STATS_SAMPLE_RATE", default=0.01)
READ_FROM = env.str("READ_FROM", default="queue")
READ_FROM_QUEUE = env.list("READ_FROM_QUEUE", default=[])
READ_FROM_LEGACY = env.list("READ_FROM_LEGACY", default=[])
READ_COMPARED = env.float("READ_COMPARED", default=0)
STATS_ESTIMATOR = env.str("STATS_ESTIMATOR", default="sketch")
STATS_ROUTES_PER_HOUR = env.int("STATS_ROUTES_PER_HOUR", default=1_000)
STATS_ROUTES_PER_DAY = env.int("STATS_ROUTES_PER_DAY", default=5_000)
STATS_NORMALIZE_IDS = env.bool("STATS_NORMALIZE_IDS", default=True)
STATS_GROUP_NOT_FOUND = env.bool("STATS_GROUP_NOT_FOUND", default=True)
ALERT_WEBHOOK_ALLOWED_NETWORKS = env.list("ALERT_WEBHOOK_ALLOWED_NETWORKS", default=[])
ALERT_ADMIN_URL = env.str("ALERT_ADMIN_URL", default="")
LOGIN_TRIES = env.int("LOGIN_TRIES", default=5)
LOGIN_LONGEST_WAIT = env.float("LOGIN_LONGEST_WAIT", default=900.0)
EXPORT_ROWS = env.int("EXPORT_ROWS", default=200_000)
EXPORT_SECONDS = env.float("EXPORT_SECONDS", default=20.0)
TEST_ENDPOINT = env.bool("TEST_ENDPOINT", default=DEBUG or EMBEDDED_POSTGRES)
if "CLIENT_HASH_KEY" in os.environ:
    CLIENT_HASH_KEY = env.str("CLIENT_HASH_KEY")

TRAFFIC_QUEUE = {
    "name": "traffic-events",
    "max_batch_size": 100,
    "max_batch_timeout": 5,
    "max_retries": 3,
    "max_concurrency": 1,
    "dead_letter_queue": "traffic-events-dlq",
}
Q_CLUSTER = q_cluster(TRAFFIC_QUEUE)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} [{process}] {message}", "style": "{"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        # What was answered, 404s included, is in the events; only what failed is a line.
        "django.request": {"level": "ERROR"},
        # As many lines a request as its sender likes, a traceback each: a wrong Host, too many fields.
        "django.security": {"level": "CRITICAL"},
        # Its debug lines hold the headers it signs, a session's token among them.
        "botocore": {"level": "WARNING"},
        # Two lines a task say nothing that our own batch lines don't.
        "django-q": {"level": "WARNING", "handlers": ["console"], "propagate": False},
    },
}

UNFOLD = {
    "SITE_TITLE": "Tallygate",
    "SITE_HEADER": "Tallygate",
    "SITE_SUBHEADER": _("Every request, counted once"),
    "SITE_SYMBOL": "monitoring",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "DASHBOARD_CALLBACK": "stats.admin.dashboard.context",
    "GLOBAL_CALLBACK": "gateway.admin.look.without_inline_style",
    "STYLES": ["gateway.admin.look.colours"],
    "SCRIPTS": ["gateway.admin.look.htmx"],
    "LOGIN": {"form": "gateway.login_page.LogInForm"},
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "gateway.admin.navigation.sections",
    },
}
