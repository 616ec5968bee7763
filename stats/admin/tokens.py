"""Admin page of the API's tokens: made here and shown once, revoked here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from gateway.admin import text
from gateway.admin.readonly import ReadOnlyAdmin
from stats import tokens
from stats.models import ApiToken


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Who may read the API without a session, newest first."""

    list_display = ("name_cut", "beginning", "state", "made", "used")
    actions = ("revoke_selected",)
    change_form_outer_before_template = "gateway/api_token_actions.html"
    keeps_history = True
    empty_text = _("No token has been made. One lets a program read /stats/api/ and /metrics.")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("stats.add_apitoken"))

    def has_revoke_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """The page is read-only for everybody; this is about revoking."""
        return bool(request.user.has_perm("stats.change_apitoken"))

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> tuple[str, ...]:
        return ("name",) if obj is None else ("name_whole", "beginning", "state", "made", "maker", "used")

    # --- made ----------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        obj.created_by_id = request.user.pk
        obj.secret = tokens.issue(obj)  # type: ignore[attr-defined]  # for this answer, no longer

    def response_add(
        self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None
    ) -> HttpResponse:
        # No redirect: what a redirect shows must be kept meanwhile, in a cookie or in the session.
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Token %(name)s") % {"name": obj.name},
            "opts": self.opts,
            "media": self.media,
            "token": obj,
            "secret": obj.secret,  # type: ignore[attr-defined]
        }
        return TemplateResponse(request, "gateway/api_token_made.html", context)

    # --- revoked -------------------------------------------------------------------------------------

    @action(description=_("Revoke"), permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, rows: QuerySet[ApiToken]) -> None:
        self._revoke(request, rows)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.revoke_view)
        return [path("<int:object_id>/revoke/", view, name="stats_apitoken_revoke"), *super().get_urls()]

    def revoke_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The detail page's button. POST only: a link would let any page revoke in a user's name."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_revoke_permission(request):
            raise PermissionDenied
        token = get_object_or_404(ApiToken, pk=object_id)
        self._revoke(request, ApiToken.objects.filter(pk=token.pk))
        return redirect("admin:stats_apitoken_change", token.pk)

    def detail_context(self, request: HttpRequest) -> dict[str, Any]:
        return {
            **super().detail_context(request),
            "may_revoke": self.has_revoke_permission(request),
            # A token that was made is shown at once, and there is nothing to go on with.
            "show_save_and_continue": False,
            "show_save_and_add_another": False,
        }

    def _revoke(self, request: HttpRequest, rows: QuerySet[ApiToken]) -> None:
        valid = list(rows.filter(revoked_at=None))
        count = tokens.revoke(ApiToken.objects.filter(pk__in=[token.pk for token in valid]))
        told = ngettext("%(count)s token revoked.", "%(count)s tokens revoked.", count)
        messages.success(request, told % {"count": text.count(count)})
        LogEntry.objects.log_actions(
            user_id=str(request.user.pk),
            queryset=valid,
            action_flag=CHANGE,
            change_message="Revoked.",
        )

    # --- columns and fields --------------------------------------------------------------------------

    @display(description=_("Name"))
    def name_cut(self, token: ApiToken) -> str:
        return text.one_line(token.name)

    @display(description=_("Name"))
    def name_whole(self, token: ApiToken) -> str:
        return text.whole(token.name)

    @display(description=_("Begins with"))
    def beginning(self, token: ApiToken) -> str:
        return text.code(token.prefix)

    @display(description=_("State"))
    def state(self, token: ApiToken) -> SafeString:
        if token.revoked_at:
            return text.label(gettext("revoked"), "danger", title=f"{text.utc(token.revoked_at)} UTC")
        return text.label(gettext("valid"), "success")

    @display(description=_("Made (UTC)"))
    def made(self, token: ApiToken) -> str:
        return text.utc(token.created_at)

    @display(description=_("Made by"))
    def maker(self, token: ApiToken) -> str:
        return text.whole(token.created_by.get_username() if token.created_by else "")

    @display(description=_("Last used (UTC)"))
    def used(self, token: ApiToken) -> str:
        return text.utc(token.last_used_at)
