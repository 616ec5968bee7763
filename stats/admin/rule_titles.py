"""What an alert rule is called on a page: a shipped one in its viewer's language, until it is renamed."""

from __future__ import annotations

from django.utils.translation import pgettext_lazy

from stats.models import AlertRule

SHIPPED = {
    "Server errors": pgettext_lazy("alert rule", "Server errors"),
    "Errors": pgettext_lazy("alert rule", "Errors"),
    "Slow responses": pgettext_lazy("alert rule", "Slow responses"),
    "Much more traffic": pgettext_lazy("alert rule", "Much more traffic"),
    "Much less traffic": pgettext_lazy("alert rule", "Much less traffic"),
    "Backlog": pgettext_lazy("alert rule", "Backlog"),
    "Events wait too long": pgettext_lazy("alert rule", "Events wait too long"),
    "Dead letters": pgettext_lazy("alert rule", "Dead letters"),
    "Consumer silent": pgettext_lazy("alert rule", "Consumer silent"),
    "Fallback in use": pgettext_lazy("alert rule", "Fallback in use"),
}


def title_of(rule: AlertRule) -> str:
    """Its name as it is stored, or a translation of that."""
    return str(SHIPPED.get(rule.name, rule.name)) if rule.shipped_as else rule.name
