"""The JSON API below `/stats/api/`: a thin layer over `stats.reports`. It reads, and changes nothing.

`application` puts it together; docs/api.md describes it for its users.
"""
