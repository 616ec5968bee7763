"""Where messages of alerts may go, and what they point to."""

from __future__ import annotations

from functools import cached_property

from gateway.conf.base import Settings
from gateway.networks import Network, parse_networks


class AlertSettings(Settings):
    """One property a setting; the README's table says what it means."""

    @cached_property
    def webhook_networks(self) -> tuple[Network | str, ...]:
        """`ALERT_WEBHOOK_ALLOWED_NETWORKS`: networks that webhooks may be in though they are not public."""
        entries = tuple(self._get("ALERT_WEBHOOK_ALLOWED_NETWORKS", ()))
        return parse_networks(entries, "ALERT_WEBHOOK_ALLOWED_NETWORKS")

    @cached_property
    def alert_admin_url(self) -> str:
        """`ALERT_ADMIN_URL`: address of the admin, for the links in messages; empty: there are none."""
        return str(self._get("ALERT_ADMIN_URL", ""))
