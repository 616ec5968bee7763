from django.db import migrations


class Migration(migrations.Migration):
    """Batches stay for a second: compressing them costs PostgreSQL more than writing them as they are.

    EXTERNAL is out of line and uncompressed. Nearly half of an INSERT's time went into compression
    (`script/bench producer`); in exchange a queued event takes its full size, some 350 bytes, until it is
    counted.
    """

    dependencies = [("gateway", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE gateway_queuedbatch ALTER COLUMN payload SET STORAGE EXTERNAL",
            "ALTER TABLE gateway_queuedbatch ALTER COLUMN payload SET STORAGE EXTENDED",
        )
    ]
