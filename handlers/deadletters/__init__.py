"""What was set aside or dead-lettered: found, understood by its code, sent back or thrown away. Never a body on any screen.

    <handler>.quarantine    ─┬─ …--index ─push─► [arrivals] ─► the index: one record each, without PHI
    <subscription>.dead     ─┘                                   │ list, show, export ◄── operators
             │                                                   ▼
             └─ …--hold ─pull─► [running] ◄── approve ◄── [planning]: exactly which, bound to a hash
                                    └─► the topic of origin, or thrown away; who and why ─► ops.audit

What operators look at is the index; the messages themselves are pulled by a replay alone. desk.py is the door for the
command line and for a console.
"""
