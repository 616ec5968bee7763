"""The project's settings with a watch that loses patience soon."""

from gateway.settings import *  # noqa: F403

TRAFFIC_STALE_SECONDS = 6.0
