"""An event's columns, and the statement that one would write first to store some and count them."""

from __future__ import annotations

COLUMNS = {
    "idempotent_id": "text",
    "timestamp": "bigint",
    "path": "text",
    "route": "text",
    "method": "text",
    "status": "smallint",
    "response_time": "float8",
    "client_ip_hash": "text",
    "request_id": "text",
    "host": "text",
    "user_agent": "text",
    "response_bytes": "bigint",
    "country": "text",
}
NAMES = ", ".join(f'"{name}"' for name in COLUMNS)

STORE = f"""
WITH stored AS (
    INSERT INTO stats_event ({NAMES})
    SELECT * FROM unnest({", ".join(f"%s::{kind}[]" for kind in COLUMNS.values())})
    ON CONFLICT DO NOTHING RETURNING "timestamp", route, status, response_time
)
INSERT INTO plain_hourlycount AS present (hour, route, requests, errors, response_time_sum)
SELECT "timestamp" / 3600000 * 3600000, route, count(*), count(*) FILTER (WHERE status >= 400),
       sum(response_time)
FROM stored GROUP BY 1, 2
ON CONFLICT (hour, route) DO UPDATE SET
    requests = present.requests + excluded.requests,
    errors = present.errors + excluded.errors,
    response_time_sum = present.response_time_sum + excluded.response_time_sum
"""  # noqa: S608
