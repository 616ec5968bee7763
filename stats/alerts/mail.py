"""Sends a message by e-mail, the way Django is set up to (EMAIL_*)."""

from __future__ import annotations

import re
from smtplib import SMTPException

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from stats.alerts.undelivered import Undelivered
from stats.models import AlertDelivery

SMTP = "django.core.mail.backends.smtp.EmailBackend"
MAX_ADDRESSES = 20
SECONDS = 5.0


def send(delivery: AlertDelivery) -> None:
    """Raises Undelivered."""
    if problem := not_set_up():
        raise Undelivered(problem)
    payload = delivery.payload
    # A line break would end the header.
    subject = " ".join(f"[Tallygate] {payload['title']}".split())
    message = EmailMessage(
        subject=subject,
        body=f"{payload['text']}\n\nMessage: {delivery.uid}\n",
        to=recipients(delivery.channel.target),
        # A project of one's own may bound nothing, and nobody else's message waits for a silent server.
        connection=get_connection(timeout=settings.EMAIL_TIMEOUT or SECONDS),
        headers={
            "Message-ID": f"<{delivery.uid}@tallygate>",
            "Tallygate-Delivery": str(delivery.uid),
            "Auto-Submitted": "auto-generated",
        },
    )
    try:
        message.send()
    except (SMTPException, OSError, ValueError, ValidationError) as error:
        raise Undelivered(f"{type(error).__name__}: {' '.join(str(error).split())}") from None


def recipients(target: str) -> list[str]:
    """The addresses of a channel. Raises ValidationError that names the wrong one."""
    found = [address for address in re.split(r"[,\s]+", target) if address]
    for address in found:
        try:
            validate_email(address)
        except ValidationError:
            text = _("%(address)s is no e-mail address") % {"address": repr(address)[:100]}
            raise ValidationError(text) from None
    if not 1 <= len(found) <= MAX_ADDRESSES:
        numbers = {"count": len(found), "most": MAX_ADDRESSES}
        raise ValidationError(_("%(count)d addresses are not 1 to %(most)d") % numbers)
    return found


def not_set_up() -> str:
    """Why no e-mail can be sent, as far as the settings tell; empty if it may be."""
    if settings.EMAIL_BACKEND == SMTP and not settings.EMAIL_HOST:
        return _("E-mail is not set up: EMAIL_HOST is empty")
    return ""
