"""The demo stack of compose/compose.yaml: the live page without Docker's socket.

After ui, beside nothing else. `docker compose` starts the containers; what the page does to them
goes through hands.py, a small program in each of them that does what its list says and no more:

    settings.py ─► preparing.py ─► /config: chrony.conf, observer.json, lists (allowed.py), hands.py
    page.py ─► keeper.py ─► ui.session ─► driver.py ─► reaching.py ═ Unix socket ═► hands.py

- settings.py: the environment, checked as a whole
- preparing.py: the one-shot service that writes what every node reads
- allowed.py: what may be asked of each kind of node
- driver.py: the `Driver` that everything else of the orchestrator goes by, over those sockets
- keeper.py, desk.py: one lab that stands for good: what died comes back, what is old goes
- metrics.py, page.py: the page itself
"""
