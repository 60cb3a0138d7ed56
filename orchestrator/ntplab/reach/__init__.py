"""What the preload cannot reach: programs on the host's clock, named before they run."""

from .asking import listed, unreached_programs, warning_about

__all__ = ["listed", "unreached_programs", "warning_about"]
