"""What the admin's first page shows: traffic of a range, and how the pipeline is.

    choice = Choice.of(request.GET, zone="Europe/Berlin")
    cards(overview), requests_chart(series), …      # of `stats.reports`
    strip()                                         # of the pipeline

Nothing here reads events, except minutes of a range of up to three hours.
"""
