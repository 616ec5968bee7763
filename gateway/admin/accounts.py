"""Users and groups in the look of the other pages."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from gateway.admin.lookups import CarefulLookups

# A project of one's own may have registered other pages, or have another user model.
for _model in (User, Group):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)


# The stubs' generic parameters differ between the bases, which are one class.
class UserAdmin(CarefulLookups, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    compressed_fields = False  # labels above: the permission boxes need the width


class GroupAdmin(CarefulLookups, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    compressed_fields = False


if not User._meta.swapped:
    admin.site.register(User, UserAdmin)
admin.site.register(Group, GroupAdmin)
