"""Builds the lab's images, and only those whose inputs changed since they were built.

An image carries the checksum of its inputs as a label; see `recipe.py` for what counts.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from ..driver.base import ImageStore
from ..errors import ImageError
from ..paths import IMAGES_DIR
from .base_image import BASE_IMAGE, ensure_base_image
from .host import Host, Say
from .recipe import Recipe, checksum, pack_context, read_recipes, wanted

INPUTS_LABEL = "ntplab.inputs"
HOST_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
BUILDS_AT_ONCE = 2
LOG_LINES = 20
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "ftp_proxy", "all_proxy")


def ensure_images(
    store: ImageStore,
    names: Iterable[str] | None,
    say: Say,
    *,
    images_dir: Path = IMAGES_DIR,
    host: Host | None = None,
) -> None:
    """Have the images `names` (all of them for None) as the files in images/ describe them.

    Raises `ImageError` with the last lines of the build's log.
    """
    base_id = ensure_base_image(store, say, host)
    recipes = _chosen(images_dir, names)
    sums = input_sums(images_dir, recipes, base_id)
    stale = set(stale_images(store, sums))
    _in_order(
        {name: recipe.parents & stale for name, recipe in recipes.items() if name in stale},
        lambda name: _build(store, images_dir, recipes[name], sums[name], say),
    )


def image_states(store: ImageStore, images_dir: Path = IMAGES_DIR) -> dict[str, str]:
    """Every image of ours: `current`, `stale` (its inputs changed) or `missing`."""
    recipes = _chosen(images_dir, None)
    base_id = store.image_id(BASE_IMAGE) or "none"
    stale = set(stale_images(store, input_sums(images_dir, recipes, base_id)))
    return {
        name: "missing" if store.image_id(name) is None else "stale" if name in stale else "current"
        for name in sorted(recipes)
    }


def _chosen(images_dir: Path, names: Iterable[str] | None) -> dict[str, Recipe]:
    recipes = read_recipes(images_dir)
    asked = set(recipes if names is None else names) - {BASE_IMAGE}
    if unknown := asked - set(recipes):
        raise ImageError(
            f"no folder of images/ makes {', '.join(sorted(unknown))}",
            hint=f"there are: {', '.join(sorted(recipes))}",
        )
    return wanted(recipes, asked)


def input_sums(images_dir: Path, recipes: Mapping[str, Recipe], base_id: str) -> dict[str, str]:
    """The checksum of each image's inputs, those of its parents included."""
    sums = {BASE_IMAGE: base_id}
    for name in TopologicalSorter({n: r.parents for n, r in recipes.items()}).static_order():
        sums[name] = checksum(images_dir, recipes[name], sums)
    del sums[BASE_IMAGE]
    return sums


def stale_images(store: ImageStore, sums: Mapping[str, str]) -> list[str]:
    """The images that are missing or were built from other inputs."""
    return [name for name, sum_ in sums.items() if _label(store, name) != sum_]


def _label(store: ImageStore, image: str) -> str | None:
    return store.image_labels(image).get(INPUTS_LABEL)


def _in_order(parents: Mapping[str, Collection[str]], build: Callable[[str], None]) -> None:
    """Build each image after its parents, `BUILDS_AT_ONCE` at a time; stop at a failure.

    In daemon threads: on Ctrl-C they end with us, their connections close, and the engine
    gives the builds up.
    """
    order = TopologicalSorter(parents)
    order.prepare()
    ready: list[str] = []
    ended: SimpleQueue[tuple[str, Exception | None]] = SimpleQueue()

    def work(name: str) -> None:
        try:
            build(name)
        except Exception as error:
            ended.put((name, error))
        else:
            ended.put((name, None))

    running = 0
    while order.is_active():
        ready += order.get_ready()
        while ready and running < BUILDS_AT_ONCE:
            Thread(target=work, args=(ready.pop(0),), daemon=True).start()
            running += 1
        name, error = ended.get()
        running -= 1
        if error is not None:
            raise error
        order.done(name)


def _build(store: ImageStore, images_dir: Path, recipe: Recipe, sum_: str, say: Say) -> None:
    say(f"building image {recipe.image}")
    started = time.monotonic()
    host_ca = HOST_CA_BUNDLE.read_bytes() if HOST_CA_BUNDLE.exists() else None
    log: deque[str] = deque(maxlen=LOG_LINES)
    try:
        for line in store.build_image(
            recipe.image,
            pack_context(images_dir, recipe, host_ca),
            dockerfile=recipe.dockerfile,
            labels={INPUTS_LABEL: sum_},
            build_args=proxies_of_this_process(),
        ):
            log.append(line)
    except ImageError as error:
        raise ImageError(
            str(error),
            hint=f"the recipe is images/{recipe.dockerfile}; steps that download need the network",
            log_tail=tuple(log),
        ) from error
    say(f"built image {recipe.image} in {time.monotonic() - started:.0f} s")


def proxies_of_this_process() -> dict[str, str]:
    """Builds reach the network the way this process does; Docker keeps these out of the image."""
    names = (*_PROXY_VARIABLES, *(name.upper() for name in _PROXY_VARIABLES))
    return {name: os.environ[name] for name in names if name in os.environ}
