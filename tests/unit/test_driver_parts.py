"""The pure parts of the Docker driver: create documents, archives, exec streams, errors."""

from __future__ import annotations

import io
import socket
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace

import docker.errors
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from ntplab.driver.archives import pack, unpack
from ntplab.driver.container_config import container_config, volume_options
from ntplab.driver.container_info import container_info
from ntplab.driver.docker_api import reported
from ntplab.driver.exec_stream import STDERR, STDOUT, ExecStream
from ntplab.errors import EngineDenied, EngineError, ImageError, NodeError
from ntplab.topology import NodeSpec, PublishedPort, VolumeMount, VolumeSpec

SPEC = NodeSpec(
    "paris",
    "server",
    "ntplab/booking",
    networks=("time", "app"),
    environment={"B": "2", "A": "one two"},
    mounts=(VolumeMount("ntplab-t-clock-paris", "/clock", read_only=True),),
    ports=(PublishedPort(8000, 18000),),
    time_namespace=True,
)


def test_a_container_has_no_rights() -> None:
    config = container_config("t", SPEC, {}, "PROFILE")
    host = config["HostConfig"]
    assert config["User"] == "1000:1000"
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges", "seccomp=PROFILE"]
    for granting in ("CapAdd", "Privileged", "Devices", "PidMode", "IpcMode", "Binds", "UTSMode"):
        assert granting not in host
    assert host["PortBindings"] == {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18000"}]}


def test_only_time_namespaces_get_the_wider_profile() -> None:
    plain = container_config("t", NodeSpec("ntp1", "timeserver", "x"), {}, "PROFILE")
    assert plain["HostConfig"]["SecurityOpt"] == ["no-new-privileges"]
    assert plain["HostConfig"]["NetworkMode"] == "none"
    assert "NetworkingConfig" not in plain
    assert "Cmd" not in plain


def test_a_container_weighs_what_its_node_says() -> None:
    for spec, shares in ((SPEC, 1024), (replace(SPEC, cpu_shares=4096), 4096)):
        assert container_config("t", spec, {}, "")["HostConfig"]["CpuShares"] == shares


def test_a_container_is_named_and_labelled() -> None:
    config = container_config("t", SPEC, {"ntplab.run": "r1", "ntplab.lab": "forged"}, "")
    assert config["Labels"] == {
        "ntplab.lab": "t",
        "ntplab.node": "paris",
        "ntplab.kind": "server",
        "ntplab.run": "r1",
    }
    assert config["Hostname"] == "paris"
    assert config["Env"] == ["A=one two", "B=2"]
    endpoints = config["NetworkingConfig"]["EndpointsConfig"]
    assert endpoints == {"ntplab-t-time": {"Aliases": ["paris"]}}
    assert config["HostConfig"]["Mounts"][0]["ReadOnly"] is True


def test_a_clock_volume_is_a_small_tmpfs_of_ours() -> None:
    assert volume_options(VolumeSpec("v", "paris", size_kib=64)) == {
        "type": "tmpfs",
        "device": "tmpfs",
        "o": "size=64k,uid=1000,gid=1000,mode=0755",
    }


def test_container_info_reads_the_engines_answer() -> None:
    info = container_info(
        {
            "Name": "/ntplab-t-paris",
            "Config": {
                "Image": "ntplab/booking",
                "Labels": {"ntplab.lab": "t", "ntplab.node": "paris", "ntplab.kind": "server"},
            },
            "State": {"Status": "exited", "ExitCode": 137},
            "NetworkSettings": {
                "Ports": {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "80"}], "9/tcp": None},
                "Networks": {"ntplab-t-time": {}, "ntplab-t-app": {}, "bridge": {}},
            },
        }
    )
    assert (info.lab, info.node, info.exit_code) == ("t", "paris", 137)
    assert info.ports == {8000: "127.0.0.1:80"}
    assert info.networks == ("app", "time")


# archives


def entries(archive: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {entry.name: entry for entry in tar}


def test_packed_files_are_the_labs_and_secrets_are_secret() -> None:
    found = entries(pack({"/etc/chrony/chrony.conf": b"a", "/etc/ntplab/secrets/password": b"b"}))
    assert {(entry.uid, entry.gid) for entry in found.values()} == {(1000, 1000)}
    assert found["etc/chrony/chrony.conf"].mode == 0o644
    assert found["etc/ntplab/secrets/password"].mode == 0o400


NAMES = st.text("abc.-_", min_size=1, max_size=8).filter(lambda name: name.strip("."))


@given(
    files=st.dictionaries(NAMES, st.binary(max_size=3000), max_size=5),
    chunk=st.integers(1, 5000),
)
def test_what_is_packed_is_unpacked(files: dict[str, bytes], chunk: int) -> None:
    # As the engine sends it: the last component of the path in front of every name.
    archive = pack({f"/chrony/{name}": content for name, content in files.items()})
    chunks = [archive[at : at + chunk] for at in range(0, len(archive), chunk)]
    assert unpack("/var/log/chrony/", chunks) == files


def test_a_single_file_keeps_its_name() -> None:
    assert unpack("/etc/hostname", [pack({"/hostname": b"paris\n"})]) == {"hostname": b"paris\n"}


# exec streams


@pytest.fixture
def ends() -> Iterator[tuple[ExecStream, socket.socket]]:
    ours, theirs = socket.socketpair()
    reader = ours.makefile("rb")
    stream = ExecStream(reader, ours, reader.close)
    yield stream, theirs
    stream.close()
    theirs.close()


def frame(kind: int, data: bytes) -> bytes:
    return bytes([kind, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def test_frames_in_any_pieces(ends: tuple[ExecStream, socket.socket]) -> None:
    stream, engine = ends
    sent = frame(STDOUT, b"hello") + frame(STDERR, b"") + frame(STDERR, b"oh" * 40_000)

    def send() -> None:
        for at in range(0, len(sent), 1001):
            engine.sendall(sent[at : at + 1001])
        engine.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    assert list(stream.frames()) == [(STDOUT, b"hello"), (STDERR, b""), (STDERR, b"oh" * 40_000)]
    sender.join()


def test_the_end_of_input_reaches_the_command(ends: tuple[ExecStream, socket.socket]) -> None:
    stream, engine = ends
    assert stream.send(b"words")
    stream.end_input()
    assert engine.makefile("rb").read() == b"words"


def test_a_command_that_reads_no_more_is_no_error(ends: tuple[ExecStream, socket.socket]) -> None:
    stream, engine = ends
    engine.close()
    assert not stream.send(b"x" * 1_000_000)


# errors


def api_error(said: str, status: int = 500) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    return docker.errors.APIError(said, response, said)


@pytest.mark.parametrize(
    "said",
    [
        "driver failed: Bind for 127.0.0.1:8080 failed: port is already allocated",
        "Error starting userland proxy: listen tcp4 127.0.0.1:8080: bind: address already in use",
        "failed to bind host port 127.0.0.1:8080/tcp: address already in use",
    ],
)
def test_a_taken_port_is_named(said: str) -> None:
    with pytest.raises(NodeError) as caught, reported("start paris"):
        raise api_error(said)
    assert str(caught.value) == "cannot start paris: port 8080 of 127.0.0.1 is already taken"
    assert "ss -ltnp" in caught.value.hint


def test_a_refusal_comes_with_the_log() -> None:
    with pytest.raises(NodeError) as caught, reported("start paris", lambda: ["last words"]):
        raise api_error("OCI runtime create failed")
    assert str(caught.value) == "cannot start paris: OCI runtime create failed"
    assert caught.value.log_tail == ("last words",)


def test_a_missing_image_is_an_image_error() -> None:
    with pytest.raises(ImageError, match="No such image"), reported("create paris"):
        raise docker.errors.ImageNotFound("No such image: x", requests.Response(), "No such image")


def test_no_engine_and_no_right_to_it_are_told_apart() -> None:
    with pytest.raises(EngineError) as caught, reported("list labs"):
        raise requests.ConnectionError("refused")
    assert not isinstance(caught.value, EngineDenied)
    with pytest.raises(EngineDenied, match="no right"), reported("list labs"):
        raise PermissionError(13, "Permission denied")
