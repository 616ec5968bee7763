"""Alerts: who must know that something is wrong, and is told once when it begins and once when it ends.

    looking       each part of the system, asked once a look
    measuring     what a rule's value is now
    machine       ok -> pending -> firing -> clearing -> ok      (pure)
    evaluation    steps every rule by one look; the change of its state, the alert and its messages are one
                  transaction
    outbox        the messages that wait; who may try which, and when
    sending       one message to one channel: mail, webhook      (in a process of its own)

`docs/alerts.md` says what each measure means and how a message is verified.
"""
