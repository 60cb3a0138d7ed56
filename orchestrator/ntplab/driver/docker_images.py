"""Images on Docker Engine: asking, pulling, importing, building. The `ImageStore` half of
`docker.py`'s driver; `setup/images.py` decides what to build and when.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import IO, Any

import docker
import docker.errors
import requests

from ..errors import ImageError
from .docker_api import UNREACHABLE, connect, reported, unreachable, words

BUILD_SILENCE_MAX_S = 900
_COLORS = re.compile(r"\x1b\[[0-9;]*m")


class DockerImages:
    """Implements `base.ImageStore`."""

    def __init__(self, api: docker.APIClient | None = None) -> None:
        self._api = api or connect()

    def close(self) -> None:
        """Hang up; the lab goes on."""
        self._api.close()

    def image_id(self, image: str) -> str | None:
        found = self._inspect_image(image)
        return None if found is None else str(found["Id"])

    def image_labels(self, image: str) -> dict[str, str]:
        found = self._inspect_image(image)
        return {} if found is None else dict(found["Config"]["Labels"] or {})

    def _inspect_image(self, image: str) -> dict[str, Any] | None:
        with reported(f"look for image {image}"):
            try:
                return dict(self._api.inspect_image(image))
            except docker.errors.ImageNotFound:
                return None

    def pull_image(self, image: str, silence_max_s: float) -> None:
        """Raises `ImageError` when no registry has it or none speaks for `silence_max_s`."""
        repository, _, tag = image.partition(":")
        url = f"{self._api.base_url}/v{self._api.api_version}/images/create"
        try:
            with self._api.post(
                url, params={"fromImage": repository, "tag": tag},
                stream=True, timeout=silence_max_s,
            ) as answer:  # fmt: skip
                said = [json.loads(line) for line in answer.iter_lines() if line]
        except requests.RequestException as error:
            raise ImageError(f"cannot pull {image}: no registry answers ({error})") from error
        refused = [line.get("error") or line.get("message") for line in said]
        if problem := next(filter(None, refused), None):
            raise ImageError(f"cannot pull {image}: {problem}")

    def import_image(self, archive: IO[bytes], image: str) -> None:
        """Make an image of a root file system's tar."""
        repository, _, tag = image.partition(":")
        with reported(f"import {image}"):
            # Not ..._from_stream, which sends a length and chunks at once. Like the registry's
            # image, it offers a shell.
            self._api.import_image_from_data(
                archive, repository=repository, tag=tag, changes=['CMD ["bash"]']
            )

    def build_image(
        self,
        image: str,
        context: bytes,
        *,
        dockerfile: str,
        labels: Mapping[str, str],
        build_args: Mapping[str, str],
    ) -> Iterator[str]:
        """Build from a context (tar), yielding the log line by line; `ImageError` at the end
        when a step failed."""
        try:
            answer = self._api.build(
                fileobj=io.BytesIO(context), custom_context=True, dockerfile=dockerfile,
                tag=image, labels=dict(labels), buildargs=dict(build_args),
                rm=True, forcerm=True, decode=True, timeout=BUILD_SILENCE_MAX_S,
            )  # fmt: skip
            for part in answer:
                if "error" in part:
                    raise ImageError(f"{image} could not be built: {part['error'].strip()}")
                said = _COLORS.sub("", part.get("stream", ""))
                yield from filter(str.strip, said.splitlines())
        except docker.errors.APIError as error:
            raise ImageError(f"{image} could not be built: {words(error)}") from error
        except UNREACHABLE as error:
            raise unreachable(error) from error
