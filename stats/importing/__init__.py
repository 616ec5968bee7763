"""Access logs of the past, straight into the queue.

`formats` finds or compiles a log's format, `line_format` reads its lines, `events` makes them events,
`hand_over` queues those, and `importer` is the run. `gateway.accesslog` holds what reading has in common
with the replay of a log.
"""
