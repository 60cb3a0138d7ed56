"""Everything a fresh machine needs before a lab can run: Docker Engine, a base image, images.

Stands beside the pipeline, on top of `driver`: `run.py` and the verbs call it first.
"""

from .base_image import ensure_base_image
from .engine import ensure_engine
from .images import ensure_images

__all__ = ["ensure_base_image", "ensure_engine", "ensure_images"]
