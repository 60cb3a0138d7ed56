"""Where things are in the repository. Imports nothing of ours."""

from __future__ import annotations

from pathlib import Path

REPO_DIR = Path(__file__).resolve().parents[2]
IMAGES_DIR = REPO_DIR / "images"
SECCOMP_PROFILE = REPO_DIR / "compose" / "seccomp.json"
HEADLINE_SCENARIO = REPO_DIR / "playbooks" / "scenarios" / "concert.yaml"
