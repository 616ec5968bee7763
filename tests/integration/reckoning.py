"""What a running system has counted, as its PostgreSQL says."""

from __future__ import annotations

from tests.integration.stack import Server


def stored_paths(server: Server) -> list[str]:
    return [path for (path,) in server.rows("SELECT path FROM stats_event ORDER BY path")]


def assert_rollups_equal_rows(server: Server) -> None:
    rows = server.rows(
        'SELECT route, "timestamp" / 3600000 * 3600, count(*)::int'
        " FROM stats_event GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert rows == server.rows(
        "SELECT route, extract(epoch FROM hour)::bigint, requests::int"
        " FROM stats_pathstatshourly ORDER BY 1, 2"
    )
