"""The live page: what happens in a lab or a run, as it happens, in any number of browsers.

After run and sweep, before the command line. Everything flows one way:

    a run directory that grows (tail.py)      ┐
    a lab under one's hands (session.py)      ├─► model.py ─► hub.py ─► server.py ─► browsers
    a run directory played again (replay.py)  ┘                          │
                                                desk.py ◄── actions ─────┘

- model.py, halls.py, shades.py: the state that the page shows; rows of evidence in, changes out
- tail.py, recorded.py, replay.py, session.py, load.py: where rows come from
- desk.py: what is on the page now, and what its buttons do, by the functions of the verbs
- jobs.py: scenarios started from the page, as the command line would run them
- explain.py: both receipts of a seat, and why
- server.py, security.py, hub.py: HTTP, who may change things, server-sent events
- static/: the page itself; plain modules, no build step
"""
