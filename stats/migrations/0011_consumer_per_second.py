import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("stats", "0010_imported_hours")]

    operations = [
        migrations.AddField(
            model_name="consumerheartbeat",
            name="per_second",
            field=models.FloatField(
                db_default=0,
                help_text="Events that left the queue a second, in the last whole span of some seconds.",
            ),
        ),
        migrations.AddField(
            model_name="consumerheartbeat",
            name="span_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(), help_text="When the present span began."
            ),
        ),
        migrations.AddField(
            model_name="consumerheartbeat",
            name="span_events",
            field=models.BigIntegerField(db_default=0, help_text="Left the queue in it."),
        ),
    ]
