"""What the WSGI and the ASGI entry point do before Django is loaded."""

from __future__ import annotations

import os
import sys

# gunicorn takes this status of a worker as "can't load the application" and stops, where any other
# one makes it start workers for ever.
CANNOT_LOAD = 4


def prepare() -> None:
    """Load the settings and join the embedded PostgreSQL; a mistake is one line and SystemExit."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    from gateway import embedded_postgres

    try:
        if getattr(settings, "EMBEDDED_POSTGRES", False):
            # Not `ensure_running`: a worker that starts during an outage still has to answer.
            embedded_postgres.join(settings.VAR_DIR)
    except (embedded_postgres.EmbeddedPostgresError, ImproperlyConfigured) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.stderr.flush()
        sys.exit(CANNOT_LOAD)
