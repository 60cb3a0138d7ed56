"""Which images are built, in what order, from what; over a driver in memory."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntplab.driver.fake import FakeDriver
from ntplab.errors import EngineError, ImageError
from ntplab.paths import IMAGES_DIR
from ntplab.setup.base_image import BASE_IMAGE, KEYRING, ensure_base_image
from ntplab.setup.host import Host, Ran
from ntplab.setup.images import INPUTS_LABEL, ensure_images, image_states
from ntplab.setup.recipe import Recipe, pack_context, parse_recipe, read_recipes

BASE_DOCKERFILE = """\
FROM debian:trixie-slim AS vclock
COPY vclock /src/vclock
FROM debian:trixie-slim
COPY --from=vclock /src/x /usr/lib/
COPY base/enter base/launch /usr/lib/ntplab/
"""


@pytest.fixture
def images_dir(tmp_path: Path) -> Path:
    files = {
        "vclock/model.c": "int x;",
        "base/Dockerfile": BASE_DOCKERFILE,
        "base/enter": "#!/bin/sh",
        "base/launch": "#!/bin/sh",
        "booking/Dockerfile": "FROM ntplab/base\nCOPY booking/booking /opt\n",
        "booking/booking/app.py": "pass",
        "buyers/Dockerfile": "FROM ntplab/base\n",
    }
    for name, text in files.items():
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "images"


@pytest.fixture
def store() -> FakeDriver:
    driver = FakeDriver()
    driver.images[BASE_IMAGE] = {}
    return driver


def built(store: FakeDriver) -> list[str]:
    return [image for (image,) in store.called("build_image")]


def ensure(store: FakeDriver, images_dir: Path, *names: str) -> list[str]:
    """Ensure; what was built by it."""
    store.calls.clear()
    ensure_images(store, names or None, lambda _line: None, images_dir=images_dir)
    return built(store)


def test_all_are_built_after_what_they_are_made_from(store: FakeDriver, images_dir: Path) -> None:
    done = ensure(store, images_dir)
    assert done[0] == "ntplab/base"
    assert sorted(done) == ["ntplab/base", "ntplab/booking", "ntplab/buyers"]


def test_only_what_is_asked_for_and_its_parents_are_built(
    store: FakeDriver, images_dir: Path
) -> None:
    assert ensure(store, images_dir, "ntplab/buyers") == ["ntplab/base", "ntplab/buyers"]


def test_the_second_time_nothing_is_built(store: FakeDriver, images_dir: Path) -> None:
    ensure(store, images_dir)
    assert ensure(store, images_dir) == []


def test_a_change_rebuilds_its_image_alone(store: FakeDriver, images_dir: Path) -> None:
    ensure(store, images_dir)
    (images_dir / "booking/booking/app.py").write_text("print()")
    assert ensure(store, images_dir) == ["ntplab/booking"]


@pytest.mark.parametrize("path", ["vclock/model.c", "base/launch", "base/Dockerfile"])
def test_a_change_below_rebuilds_all_above(store: FakeDriver, images_dir: Path, path: str) -> None:
    ensure(store, images_dir)
    (images_dir / path).write_text(BASE_DOCKERFILE + "# changed\n")
    assert sorted(ensure(store, images_dir)) == ["ntplab/base", "ntplab/booking", "ntplab/buyers"]


def test_a_new_base_rebuilds_all(store: FakeDriver, images_dir: Path) -> None:
    ensure(store, images_dir)
    store.images[BASE_IMAGE] = {"another": "one"}
    assert len(ensure(store, images_dir)) == 3


def test_a_changed_mode_counts_and_a_touched_file_does_not(
    store: FakeDriver, images_dir: Path
) -> None:
    ensure(store, images_dir)
    app = images_dir / "booking/booking/app.py"
    app.touch()
    assert ensure(store, images_dir) == []
    app.chmod(0o755)
    assert ensure(store, images_dir) == ["ntplab/booking"]


def test_what_tools_leave_behind_does_not_count(store: FakeDriver, images_dir: Path) -> None:
    ensure(store, images_dir)
    for left in ("vclock/build/a.o", "booking/booking/__pycache__/app.pyc"):
        (images_dir / left).parent.mkdir()
        (images_dir / left).write_text("left behind")
    assert ensure(store, images_dir) == []


def test_an_image_built_by_other_means_is_built_again(store: FakeDriver, images_dir: Path) -> None:
    ensure(store, images_dir)
    # A parent's label shows through in a child that was built without one of its own.
    store.images["ntplab/buyers"] = dict(store.images["ntplab/base"])
    assert ensure(store, images_dir) == ["ntplab/buyers"]
    assert store.images["ntplab/buyers"][INPUTS_LABEL]


def test_a_failing_build_shows_its_last_words(store: FakeDriver, images_dir: Path) -> None:
    store.broken_builds["ntplab/base"] = [f"line {n}" for n in range(100)]
    with pytest.raises(ImageError, match="ntplab/base could not be built") as caught:
        ensure(store, images_dir)
    assert caught.value.log_tail[-1] == "line 99"
    assert len(caught.value.log_tail) == 20
    assert "images/base/Dockerfile" in caught.value.hint
    assert built(store) == ["ntplab/base"], "nothing is built on top of it"


def test_an_unknown_image_is_an_error(store: FakeDriver, images_dir: Path) -> None:
    with pytest.raises(ImageError, match="ntplab/nosuch"):
        ensure(store, images_dir, "ntplab/nosuch")


def test_states(store: FakeDriver, images_dir: Path) -> None:
    ensure(store, images_dir, "ntplab/booking")
    (images_dir / "booking/booking/app.py").write_text("print()")
    assert image_states(store, images_dir) == {
        "ntplab/base": "current",
        "ntplab/booking": "stale",
        "ntplab/buyers": "missing",
    }


# recipes


def test_recipe_of_stages_options_and_continuations() -> None:
    recipe = parse_recipe(
        "ntplab/buyers",
        "# FROM nothing\n"
        "FROM ntplab/base AS wheels\n"
        "COPY host-ca.cr[t] buyers/requirements.txt /tmp/\n"
        "RUN pip install \\\n  --target /opt\n"
        "FROM debian:trixie-slim\n"
        "COPY --from=wheels /opt /opt\n"
        "COPY --chown=1000:1000 shared \\\n  other/file /x/\n",
    )
    assert recipe == Recipe(
        "ntplab/buyers",
        parents=frozenset({"ntplab/base"}),
        outside=frozenset({"debian:trixie-slim"}),
        folders=frozenset({"buyers", "shared", "other"}),
    )
    assert recipe.dockerfile == "buyers/Dockerfile"


def test_every_recipe_of_the_repository_stands_on_the_base() -> None:
    recipes = read_recipes(IMAGES_DIR)
    assert recipes["ntplab/base"].folders == {"base", "vclock"}
    for image, recipe in recipes.items():
        assert recipe.outside <= {BASE_IMAGE}, image
        assert recipe.parents <= set(recipes), image
        assert all((IMAGES_DIR / folder).is_dir() for folder in recipe.folders), image


def names_in(context: bytes) -> dict[str, int]:
    with tarfile.open(fileobj=io.BytesIO(context)) as tar:
        return {entry.name: entry.mode for entry in tar}


def test_context_has_what_the_recipe_copies(images_dir: Path) -> None:
    (images_dir / "base/enter").chmod(0o775)
    recipe = read_recipes(images_dir)["ntplab/base"]
    context = pack_context(images_dir, recipe, b"CERTIFICATE")
    assert names_in(context) == {
        "base/Dockerfile": 0o644,
        "base/enter": 0o755,
        "base/launch": 0o644,
        "host-ca.crt": 0o644,
        "vclock/model.c": 0o644,
    }
    assert "host-ca.crt" not in names_in(pack_context(images_dir, recipe, None))


@given(st.binary(max_size=200))
def test_context_depends_on_contents_only(ca: bytes) -> None:
    recipe = Recipe("ntplab/x", frozenset(), frozenset(), frozenset({"base"}))
    assert pack_context(IMAGES_DIR, recipe, ca) == pack_context(IMAGES_DIR, recipe, ca)


# the image below all others


class Machine(Host):
    """A machine whose mmdebstrap writes a root file system of five bytes."""

    def __init__(self, *programs: str, root: bool = True, fails: bool = False) -> None:
        self.programs, self.root, self.fails = set(programs), root, fails
        self.done: list[str] = []

    def which(self, program: str) -> str | None:
        return program if program in self.programs else None

    def exists(self, path: Path) -> bool:
        return path == KEYRING and "mmdebstrap" in self.programs

    def may_become_root(self) -> bool:
        return self.root

    def is_root(self) -> bool:
        return self.root

    def run(self, argv: Sequence[str]) -> Ran:
        self.done.append(" ".join(argv))
        if argv[0] != "mmdebstrap":
            return Ran(0, "")
        if self.fails:
            return Ran(1, "E: no network")
        Path(argv[-1]).write_bytes(b"rootf")
        return Ran(0, "")


def make_base(store: FakeDriver, machine: Machine) -> list[str]:
    said: list[str] = []
    ensure_base_image(store, said.append, machine)
    return said


def test_a_base_that_is_there_is_used(store: FakeDriver) -> None:
    machine = Machine()
    assert make_base(store, machine) == []
    assert machine.done == store.calls == []


def test_a_missing_base_is_pulled() -> None:
    store = FakeDriver()
    store.registry = {BASE_IMAGE}
    machine = Machine()
    make_base(store, machine)
    assert machine.done == []
    assert BASE_IMAGE in store.images


def test_without_a_registry_it_is_made_of_packages() -> None:
    store = FakeDriver()
    machine = Machine("mmdebstrap")
    said = make_base(store, machine)
    assert store.images[BASE_IMAGE] == {"size": "5"}
    assert "--variant=minbase" in machine.done[0]
    assert " trixie " in machine.done[0]
    assert "no registry answers" in said[1]


def test_missing_mmdebstrap_is_installed() -> None:
    store = FakeDriver()
    machine = Machine("apt-get")
    make_base(store, machine)
    assert any("install -y" in d and "mmdebstrap debian-archive-keyring" in d for d in machine.done)


def test_without_rights_to_install_it_the_command_is_the_hint() -> None:
    with pytest.raises(EngineError) as caught:
        make_base(FakeDriver(), Machine("apt-get", root=False))
    assert "apt-get install -y mmdebstrap debian-archive-keyring" in caught.value.hint


def test_a_failing_mmdebstrap_shows_its_last_words() -> None:
    with pytest.raises(ImageError) as caught:
        make_base(FakeDriver(), Machine("mmdebstrap", fails=True))
    assert caught.value.log_tail == ("E: no network",)
    assert "docker pull debian:trixie-slim" in caught.value.hint
