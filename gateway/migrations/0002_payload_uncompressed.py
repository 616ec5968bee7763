from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("gateway", "0001_initial")]

    operations = [
        # A payload lives for less than a second. Compressed, as PostgreSQL does with long text, it would cost
        # its sender more than all the rest of the hand-over, and its consumer the way back.
        migrations.RunSQL(
            "ALTER TABLE gateway_queuedbatch ALTER COLUMN payload SET STORAGE EXTERNAL",
            "ALTER TABLE gateway_queuedbatch ALTER COLUMN payload SET STORAGE EXTENDED",
        ),
    ]
