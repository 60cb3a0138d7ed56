"""The observer: reads every clock page against lab time, and bends the clocks' oscillators.

    observer.json ─► config ─► service ─┬─► sampling ─► output
                                        ├─► belief   ─► output
                                        └─► driving ◄─┐
    docker exec   ─► cli ─┬─► faults ─► holding ──────┘   what is asked of each oscillator
                          └─► waiting

Its own clock is not virtual. It knows clocks and chronyd, nothing of what runs on them.
"""
