import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

NEW = {
    "redrive_deadletter": "Can redrive dead letters",
    "discard_deadletter": "Can discard dead letters",
    "edit_deadletter": "Can edit the payload of dead letters",
}
OLD = ("add_deadletter", "change_deadletter", "delete_deadletter")


def grant(apps, schema_editor):
    """Who could change dead letters could redrive and discard them: he still can, and may edit them, too."""
    alias = schema_editor.connection.alias
    if "auth_permission" not in schema_editor.connection.introspection.table_names():
        return
    types = apps.get_model("contenttypes", "ContentType").objects.using(alias)
    content_type = types.filter(app_label="stats", model="deadletter").first()
    if content_type is None:  # a new database: `migrate` makes the permissions at its end
        return
    permissions = apps.get_model("auth", "Permission").objects.using(alias).filter(content_type=content_type)
    change = permissions.filter(codename="change_deadletter").first()
    if change is not None:
        made = [
            permissions.get_or_create(
                content_type=content_type, codename=codename, defaults={"name": name}
            )[0]
            for codename, name in NEW.items()
        ]
        view = permissions.filter(codename="view_deadletter")
        for group in change.group_set.all():
            group.permissions.add(*made, *view)
        # A user model of one's own may know no permissions.
        for user in change.user_set.all() if hasattr(change, "user_set") else ():
            user.user_permissions.add(*made, *view)
    permissions.filter(codename__in=OLD).delete()


class Migration(migrations.Migration):
    """Dead letters as the place to repair: grouped by route, edited, undone, and linked to earlier lives.

    Letters that are there already keep an empty route: to read it would mean to read all payloads.
    """

    dependencies = [
        ("stats", "0013_repairs"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="deadletter",
            options={
                "default_permissions": ("view",),
                "permissions": list(NEW.items()),
                "verbose_name": "dead letter",
            },
        ),
        migrations.AddField(
            "deadletter",
            "route",
            models.CharField(
                blank=True, db_collation="C", db_default="", default="", help_text="If known.", max_length=512
            ),
        ),
        migrations.AddField(
            "deadletter",
            "original",
            models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="As received, where the payload was edited.",
            ),
        ),
        migrations.AddField(
            "deadletter",
            "note",
            models.TextField(blank=True, db_default="", default="", help_text="Why it was discarded."),
        ),
        migrations.AddField(
            "deadletter",
            "batch",
            models.BigIntegerField(help_text="The batch that its redrive queued.", null=True),
        ),
        migrations.AddField(
            "deadletter",
            "repair",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                help_text="The repair that settled it.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                to="stats.repair",
            ),
        ),
        migrations.AddField(
            "deadletter",
            "earlier",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                help_text="Its life before: the letter that was redriven and failed again as this one.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="later",
                to="stats.deadletter",
            ),
        ),
        migrations.AddIndex(
            "deadletter",
            models.Index(fields=["state", "reason", "route", "-id"], name="deadletter_group"),
        ),
        migrations.AddIndex(
            "deadletter",
            models.Index(
                condition=models.Q(("repair__isnull", False)), fields=["repair", "id"], name="deadletter_repair"
            ),
        ),
        migrations.AddIndex(
            "deadletter",
            models.Index(condition=models.Q(("batch__isnull", False)), fields=["batch"], name="deadletter_batch"),
        ),
        migrations.AddIndex(
            "deadletter",
            models.Index(
                condition=models.Q(("earlier__isnull", False)), fields=["earlier"], name="deadletter_earlier"
            ),
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
