"""What holds for every test: none depends on how fast the machine is."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("ntplab", deadline=None)
settings.load_profile("ntplab")
