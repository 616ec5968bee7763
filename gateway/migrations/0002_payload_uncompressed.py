from django.db import migrations


class Migration(migrations.Migration):
    """Batches stay for a second: compressing them costs PostgreSQL more than writing them as they are.

    EXTERNAL is out of line and uncompressed. In exchange a queued event takes its full size, some 350 bytes,
    in the table and in the WAL, where it was a quarter (docs/performance.md).
    """

    dependencies = [("gateway", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE gateway_queuedbatch ALTER COLUMN payload SET STORAGE EXTERNAL",
            "ALTER TABLE gateway_queuedbatch ALTER COLUMN payload SET STORAGE EXTENDED",
        )
    ]
