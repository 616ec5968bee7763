from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("stats", "0001_initial"),
    ]

    operations = [
        # A default in the database: the breaker, and a worker of the version before, insert without it.
        migrations.AddField(
            model_name="consumerheartbeat",
            name="seconds",
            field=models.FloatField(db_default=0, help_text="Spent in transactions that counted."),
        ),
        migrations.AddField(
            model_name="consumerheartbeat",
            name="started_at",
            field=models.DateTimeField(help_text="When the worker process began.", null=True),
        ),
    ]
