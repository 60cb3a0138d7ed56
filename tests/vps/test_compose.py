"""`docker compose up` of the demo stack on this engine: it ends healthy, is shut tight, and works.

One stack for all; what changes it for those that come after stands at the end.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import ssl
import stat
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
import testinfra
from playwright.sync_api import Browser, expect

from ..browser.conftest import browser, keep_shot, visit
from .stack import MACHINES, ONCE, SERVERS, STANDING, Stack, build_images, run, wait_for

__all__ = ["browser"]  # the fixture

pytestmark = [pytest.mark.docker, pytest.mark.slow]

NS = 1_000_000_000
MS = 1_000_000


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Up, in plain mode, with the clocks as they come: NTP off."""
    stack = Stack.of(f"ntplab-test-{secrets.token_hex(3)}", tmp_path_factory.mktemp("stack"))
    build_images()
    stack.make_secrets()
    try:
        stack.up()
        yield stack
    finally:
        stack("--profile", "observability", "down", "-v", "-t", "5", check=False)


# what is up, and how it is shut in


def test_up_ends_with_everything_healthy(stack: Stack) -> None:
    for service in STANDING:
        assert stack.inspect(service)["State"]["Health"]["Status"] == "healthy", service
    for service in ONCE:
        state = stack.inspect(service)["State"]
        assert (state["Status"], state["ExitCode"]) == ("exited", 0), service


@pytest.mark.parametrize("service", [*STANDING, *ONCE])
def test_every_container_is_shut_in(stack: Stack, service: str) -> None:
    found = stack.inspect(service)
    host = found["HostConfig"]
    assert found["Config"]["User"] == "1000:1000"
    assert host["ReadonlyRootfs"] is True
    assert host["Privileged"] is False
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert 0 < host["Memory"] <= 640 << 20
    assert 0 < host["NanoCpus"] <= NS
    assert 0 < host["PidsLimit"] <= 256
    assert host["LogConfig"]["Type"] == "json-file"
    assert host["LogConfig"]["Config"] == {"max-size": "2m", "max-file": "3"}
    wanted = "no" if service in ONCE else "unless-stopped"
    assert host["RestartPolicy"]["Name"] == wanted
    assert "docker.sock" not in json.dumps(found["Mounts"])
    # Only machines with a clock of their own may make a time namespace.
    has_profile = any(option.startswith("seccomp=") for option in host["SecurityOpt"])
    assert has_profile == (service in MACHINES)


@pytest.mark.parametrize("service", STANDING)
def test_the_kernel_agrees(stack: Stack, service: str) -> None:
    """Not what Docker was told, but what holds for the running program."""
    host = stack.host(service)
    status = dict(
        line.split(":\t", 1) for line in host.file("/proc/1/status").content_string.splitlines()
    )
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert status["Uid"].split() == ["1000"] * 4
    assert host.run("touch /usr/bin/something").rc != 0
    assert host.run("date -s '2020-01-01'").rc != 0


def test_secrets_are_in_files_only(stack: Stack) -> None:
    folder = stack.folder / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    values = [stack.secret(name) for name in ("database_password", "page_token")]
    assert all(len(value) >= 32 for value in values)
    for service in (*STANDING, *ONCE):
        told = json.dumps(stack.inspect(service))
        assert not any(value in told for value in values), service
    for service, wanted in (("page", "page_token"), ("proxy", "tls_key.pem")):
        assert stack.host(service).file(f"/run/secrets/{wanted}").exists
    assert not stack.host("proxy").file("/run/secrets/page_token").exists
    assert not stack.host("page").file("/etc/ntplab/secrets/db_password").exists


def test_secrets_that_are_there_stay(stack: Stack) -> None:
    before = stack.secret("page_token")
    stack.make_secrets()
    assert stack.secret("page_token") == before
    mode = stat.S_IMODE((stack.folder / "secrets" / "page_token").stat().st_mode)
    assert mode == (0o400 if os.getuid() in (0, 1000) else 0o444)


def test_only_the_proxy_listens_and_on_loopback(stack: Stack) -> None:
    published = {}
    for service in STANDING:
        for port, bindings in stack.inspect(service)["NetworkSettings"]["Ports"].items():
            for binding in bindings or ():
                published[service, port] = (binding["HostIp"], binding["HostPort"])
    ports = [stack.settings[f"NTPLAB_{name}_PORT"] for name in ("HTTP", "HTTPS")]
    assert published == {
        ("proxy", "8080/tcp"): ("127.0.0.1", ports[0]),
        ("proxy", "8443/tcp"): ("127.0.0.1", ports[1]),
    }
    machine = testinfra.get_host("local://")
    assert machine.socket(f"tcp://127.0.0.1:{ports[0]}").is_listening
    assert not machine.socket(f"tcp://0.0.0.0:{ports[0]}").is_listening


@pytest.mark.parametrize("service", [*MACHINES, "observer", "buyers", "page"])
def test_nothing_behind_the_proxy_has_a_way_out(stack: Stack, service: str) -> None:
    networks = stack.inspect(service)["NetworkSettings"]["Networks"]
    assert networks
    for name in networks:
        found = json.loads(run("docker", "network", "inspect", name, env=os.environ).stdout)
        assert found[0]["Internal"] is True


def test_the_page_can_do_no_more_to_a_node_than_its_list_says(stack: Stack) -> None:
    program = (
        "from ntplab.stack.driver import HandsDriver as D; d = D();"
        "print(d.exec('', 'paris', ['chronyc', '-c', 'activity']).exit_code);"
        "d.exec('', {node!r}, {argv!r}, stdin={stdin!r})"
    )
    for node, argv, stdin in (
        ("paris", ["sh", "-c", "id"], None),
        ("paris", ["cat", "/etc/ntplab/secrets/db_password"], None),
        ("observer", ["ntplab-observer", "drift", "paris", "--ppm=$(id)"], None),
    ):
        text = program.format(node=node, argv=argv, stdin=stdin)
        done = stack("exec", "-T", "page", "python3", "-c", text, check=False)
        assert done.returncode == 1
        assert "not allowed here" in done.stderr, done.stderr


def test_nonsense_is_said_before_anything_starts(stack: Stack) -> None:
    wrong = ("-e", "NTPLAB_LOAD_HZ=99", "-e", "NTPLAB_NTP=perhaps")
    done = stack("run", "--rm", "--no-deps", *wrong, "prepare", check=False)
    assert done.returncode == 2
    assert "NTPLAB_LOAD_HZ: from 0 to 5, not '99'" in done.stderr
    assert "NTPLAB_NTP: one of on, off, not 'perhaps'" in done.stderr
    done = stack("run", "--rm", "--no-deps", "-e", "NTPLAB_SKEW_LYON=soon", "prepare", check=False)
    assert done.returncode == 3
    assert "servers.lyon.clock.offset: 'soon' is not a duration" in done.stderr


def test_clear_text_stays_on_this_machine(stack: Stack) -> None:
    done = stack("run", "--rm", "--no-deps", "-e", "NTPLAB_BIND=0.0.0.0", "proxy", check=False)
    assert done.returncode == 2
    assert "NTPLAB_TLS=plain on 0.0.0.0: the token would travel in clear" in done.stderr
    done = stack("run", "--rm", "--no-deps", "-e", "NTPLAB_TLS=own", "proxy", check=False)
    assert done.returncode == 2
    assert "NTPLAB_TLS=own and no tls_certificate.pem" in done.stderr


# who may look, and who may change things


def test_everybody_may_look_and_only_look(stack: Stack) -> None:
    page = stack.get("/")
    assert page.status_code == 200
    assert "set-cookie" not in page.headers
    assert stack.get("/api/access").json() == {"may_change": False}
    for headers in ({}, {"Authorization": "Bearer 0123456789abcdef"}, {"Origin": stack.url}):
        answer = stack.post("/api/ntp", {"state": "on"}, headers=headers)
        assert answer.status_code == 401, headers
    assert stack.state()["shades"]["state"] == "off"


def test_whoever_shows_the_token_gets_the_cookie(stack: Stack) -> None:
    token = stack.secret("page_token")
    first = stack.get("/", params={"token": token})
    assert (first.status_code, first.headers["location"]) == (303, "/")
    cookies = {"Cookie": first.headers["set-cookie"].partition(";")[0]}
    assert "HttpOnly; SameSite=Strict" in first.headers["set-cookie"]
    assert stack.get("/api/access", headers=cookies).json() == {"may_change": True}
    stranger = {**cookies, "Origin": "http://elsewhere.example"}
    assert stack.post("/api/load", {"rate_hz": 1}, headers=stranger).status_code == 403
    assert token not in stack("logs", "proxy").stdout


def test_other_names_and_the_insides_are_not_served(stack: Stack) -> None:
    assert stack.get("/", headers={"Host": "elsewhere.example"}).status_code == 421
    for path in ("/metrics", "/healthz"):
        assert stack.get(path).status_code == 404
    big = stack.post("/api/load", {"rate_hz": 1, "x": "y" * 20_000}, headers=stack.bearer)
    assert big.status_code == 413


def test_the_load_is_bounded(stack: Stack) -> None:
    answer = stack.post("/api/load", {"rate_hz": 6}, headers=stack.bearer)
    assert answer.status_code == 400
    assert answer.json()["hint"] == "between 0 and 5/s"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/lab/down", {}),
        ("/api/close", {}),
        ("/api/run/start", {"name": "concert"}),
        ("/api/replay/open", {"name": "latest"}),
    ],
)
def test_what_a_stack_cannot_do_it_says(stack: Stack, path: str, body: dict[str, Any]) -> None:
    answer = stack.post(path, body, headers=stack.bearer)
    assert answer.status_code == 400
    assert "not possible in the demo stack" in answer.json()["title"]


# clocks, by the observer's truth


def test_clocks_differ_without_ntp_and_seats_are_sold_twice(stack: Stack) -> None:
    truth = stack.truth_ns()
    assert abs(truth["lyon"] - 2 * NS) < 100 * MS
    assert abs(truth["marseille"] + 1500 * MS) < 100 * MS
    assert abs(truth["paris"]) < 100 * MS
    wait_for("a seat that is sold twice", lambda: stack.twice() > 0)
    assert stack.state()["about"]["trouble"] == ""


def test_the_page_works_in_chromium(stack: Stack, browser: Browser) -> None:
    """First as anybody, who can only look; then with the token: NTP off to on."""
    with ExitStack() as closing:
        context = browser.new_context(viewport={"width": 1440, "height": 1200}, locale="en-US")
        closing.callback(context.close)
        watched = visit(context, stack.url)
        page = watched.page
        expect(page.locator("#view-only")).to_be_visible()
        expect(page.locator("#controls")).to_be_hidden()
        expect(page.locator("#ntp-state")).to_have_text("OFF")
        expect(page.locator("#apart")).to_have_text(re.compile(r"^3\.[45]\d s$"))
        page.locator("#hall .seat.twice").first.click()
        expect(page.get_by_role("dialog").locator(".ticket")).to_have_count(2)
        expect(page.get_by_role("dialog").locator(".formula")).to_contain_text("theta_A")
        page.keyboard.press("Escape")
        keep_shot(page, "stack-view-only")
        page.goto(f"{stack.url}/?token={stack.secret('page_token')}")
        expect(page.locator("#controls")).to_be_visible()
        expect(page.locator("#view-only")).to_be_hidden()
        page.get_by_role("button", name="Switch NTP on").click()
        expect(page.locator("#ntp-state")).to_have_text("ON")
        wait_for("clocks within 10 ms", lambda: stack.apart_ns() < 10 * MS)
        expect(page.locator("#sentence")).to_contain_text("agree to within")
        page.locator("#more-title").click()
        expect(page.locator("#standing")).to_be_visible()
        expect(page.locator("#lab-down")).to_be_hidden()
        keep_shot(page, "stack-with-token")
        assert watched.errors == []
        assert watched.strangers == []


def test_bending_a_clock_is_seen_on_it(stack: Stack) -> None:
    stack.order("/api/ntp", {"state": "off", "servers": ["paris"]})
    stack.order("/api/clock", {"node": "paris", "action": "set", "value": -5 * NS})
    assert abs(stack.truth_ns()["paris"] + 5 * NS) < 50 * MS
    stack.order("/api/clock", {"node": "paris", "action": "step", "value": 7 * NS})
    assert abs(stack.truth_ns()["paris"] - 2 * NS) < 50 * MS
    stack.order("/api/clock", {"node": "paris", "action": "drift", "value": -20_000})
    wait_for("the clock to lose time", lambda: stack.truth_ns()["paris"] < 1900 * MS)
    stack.order("/api/clock", {"node": "paris", "action": "drift", "value": 20})
    stack.order("/api/ntp", {"state": "on"})
    wait_for("all clocks together again", lambda: stack.apart_ns() < 10 * MS)


# what dies comes back


def test_a_killed_server_comes_back_as_it_was(stack: Stack) -> None:
    stack.order("/api/policy", {"name": "unique"})
    stack.kill("lyon")
    wait_for("lyon to be well", lambda: health(stack, "lyon") == "healthy")
    wait_for("lyon's NTP", lambda: stack.state()["shades"]["ntp"]["lyon"] == "on")
    wait_for("lyon's policy", lambda: lyon_decides_by(stack) == "unique")
    wait_for("no trouble", lambda: stack.state()["about"]["trouble"] == "")
    stack.order("/api/policy", {"name": "timestamp-order"})


def health(stack: Stack, service: str) -> str:
    return str(stack.inspect(service)["State"]["Health"]["Status"])


def lyon_decides_by(stack: Stack) -> str:
    asked = (
        "exec 3<>/dev/tcp/127.0.0.1/8000; printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
    )
    said = stack("exec", "-T", "lyon", "bash", "-c", asked).stdout
    return str(json.loads(said.splitlines()[-1])["policy"])


def test_the_page_outlives_everything_else(stack: Stack) -> None:
    for service in ("observer", "buyers", "db"):
        stack.kill(service)
    for service in ("observer", "buyers", "db"):
        wait_for(f"{service} to be well", lambda which=service: health(stack, which) == "healthy")
    wait_for("no trouble", lambda: stack.state()["about"]["trouble"] == "")
    latest = stack.state()
    before = latest["frames"][-1][0], latest["halls"][-1]["attempts"]
    wait_for("newer clocks", lambda: stack.state()["frames"][-1][0] > before[0] + 1000)
    wait_for("buyers", lambda: stack.state()["halls"][-1]["attempts"] > 3)


# limits


def test_one_address_has_so_many_streams(stack: Stack) -> None:
    with ExitStack() as closing:
        seen = []
        for _ in range(10):
            answer = requests.get(f"{stack.url}/api/stream", stream=True, timeout=30)
            closing.callback(answer.close)
            seen.append(answer.status_code)
        assert seen == [200] * 8 + [429] * 2


def test_who_asks_too_much_gets_429(stack: Stack) -> None:
    with requests.Session() as session:
        reading = {session.get(f"{stack.url}/api/access").status_code for _ in range(400)}
        assert reading == {200, 429}
        changing = {session.post(f"{stack.url}/api/load", json={}).status_code for _ in range(30)}
        assert changing == {401, 429}
    wait_for("better times", lambda: stack.get("/api/access").status_code == 200)


# with another configuration


def make_certificate(name: str, certificate: Path, key: Path) -> None:
    """One that signs itself, for this name."""
    run(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
        "-keyout", str(key), "-out", str(certificate), env=os.environ,
    )  # fmt: skip


@pytest.fixture(scope="module")
def with_tls(stack: Stack) -> Stack:
    """The same stack, its own certificate before it, and everything to be begun anew soon."""
    folder = stack.folder / "secrets"
    made = {name: stack.folder / name for name in ("tls_certificate.pem", "tls_key.pem")}
    make_certificate("localhost", made["tls_certificate.pem"], made["tls_key.pem"])
    for name, file in made.items():
        (folder / name).unlink()
        (folder / name).write_bytes(file.read_bytes())
    stack.make_secrets()
    stack.settings.update(
        COMPOSE_PROFILES="observability",
        NTPLAB_TLS="own",
        NTPLAB_ROTATE_S="20",
        NTPLAB_RUNS_KEPT="1",
    )
    stack.settings.update(NTPLAB_SKEW_LYON="9s")
    stack.up()
    return stack


def certificate(stack: Stack) -> str:
    return str(stack.folder / "tls_certificate.pem")


def test_own_certificate(with_tls: Stack) -> None:
    stack, url = with_tls, with_tls.tls_url
    moved = stack.get("/api/state?token=secret")
    assert (moved.status_code, moved.headers["location"]) == (
        301,
        url.replace("localhost", "demo.test") + "/api/state",
    )
    page = requests.get(url, verify=certificate(stack), timeout=30)
    assert page.status_code == 200
    assert page.headers["strict-transport-security"].startswith("max-age=")
    first = requests.get(
        url, params={"token": stack.secret("page_token")}, verify=certificate(stack), timeout=30,
        allow_redirects=False,
    )  # fmt: skip
    assert first.headers["set-cookie"].endswith("; Secure")
    headers = {"Cookie": first.headers["set-cookie"].partition(";")[0], "Origin": url}
    changed = requests.post(
        f"{url}/api/load", json={"rate_hz": 2}, headers=headers, verify=certificate(stack),
        timeout=90,
    )  # fmt: skip
    assert changed.status_code == 204, changed.text


def test_other_settings_reach_every_node(with_tls: Stack) -> None:
    assert abs(with_tls.truth_ns()["lyon"] - 9 * NS) < 100 * MS


def test_what_is_recorded_does_not_grow_for_ever(with_tls: Stack) -> None:
    """Recordings begin anew; the old ones go, and so do the rows in the databases."""
    stack = with_tls

    def runs() -> set[str]:
        return set(stack.host("page").check_output("ls /evidence/stack").split())

    first = runs()
    wait_for("a newer recording, and only that", lambda: len(runs()) == 1 and not runs() & first)
    count = "SELECT count(DISTINCT phase) FROM claims"
    asked = f'psql -U booking -d booking_paris -tAc "{count}"'
    wait_for("one phase's claims", lambda: stack.host("db").check_output(asked) in ("0", "1"))


# observability


def test_prometheus_watches_every_server(with_tls: Stack) -> None:
    stack = with_tls
    assert health(stack, "prometheus") == "healthy"
    url = f"http://127.0.0.1:{stack.settings['NTPLAB_PROMETHEUS_PORT']}/api/v1"

    def ask(path: str, **params: str) -> Any:
        return requests.get(f"{url}/{path}", params=params, timeout=30).json()["data"]

    def healthy() -> set[str]:
        targets = ask("targets")["activeTargets"]
        return {t["labels"]["instance"] for t in targets if t["health"] == "up"}

    wanted = {*(f"{server}:8000" for server in SERVERS), "page:8420"}
    wait_for("every target up", lambda: healthy() == wanted)
    rules = [rule["name"] for group in ask("rules")["groups"] for rule in group["rules"]]
    assert set(rules) == {"ClocksDiverged", "DoubleBookings", "ErrorBoundLarge", "NodeDown"}
    what = "ntplab_clock_divergence_seconds"
    wait_for("true clocks", lambda: len(ask("query", query=what)["result"]) == 5)
    tested = stack(
        "exec", "-T", "-w", "/etc/ntplab-prometheus", "prometheus",
        "promtool", "test", "rules", "rules-test.yml",
    )  # fmt: skip
    assert "SUCCESS" in tested.stdout + tested.stderr


# certificates by ACME


@pytest.fixture
def with_acme(stack: Stack, tmp_path: Path) -> Stack:
    """The proxy again, with an ACME service of our own to ask."""
    acme = Path(__file__).parent / "acme"
    tmp_path.chmod(0o755)
    make_certificate("pebble", tmp_path / "pebble.pem", tmp_path / "pebble.key")
    (tmp_path / "pebble.key").chmod(0o644)
    config = {
        "listenAddress": "0.0.0.0:14000", "managementListenAddress": "0.0.0.0:15000",
        "certificate": "/pebble/pebble.pem", "privateKey": "/pebble/pebble.key",
        "httpPort": 8080, "tlsPort": 8443, "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps({"pebble": config}))
    stack.files.append(acme / "compose.yaml")
    stack.settings.update(
        NTPLAB_TEST_ACME=str(acme), NTPLAB_TEST_FOLDER=str(tmp_path), NTPLAB_TLS="acme",
        NTPLAB_ACME_DIRECTORY="https://pebble:14000/dir",
        NTPLAB_ACME_EMAIL="somebody@demo.test",
    )  # fmt: skip
    stack("build", "pebble")
    stack("up", "-d", "--wait", "--no-deps", "pebble")
    stack("up", "-d", "--wait", "--no-deps", "proxy")
    return stack


def test_a_certificate_is_asked_for_and_used(with_acme: Stack) -> None:
    stack, port = with_acme, int(with_acme.settings["NTPLAB_HTTPS_PORT"])

    def issuer() -> str:
        pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=30)
        argv = ("openssl", "x509", "-noout", "-issuer")
        return subprocess.run(argv, input=pem, capture_output=True, text=True, check=True).stdout

    wait_for("the real certificate", lambda: "Pebble Intermediate" in issuer())
    root = stack("exec", "-T", "proxy", "curl", "-sf", "https://pebble:15000/roots/0").stdout
    # The chain leads to the service's root, and the name is the page's.
    context = ssl.create_default_context(cadata=root)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="demo.test") as secured,
    ):
        secured.sendall(b"GET /api/access HTTP/1.0\r\nHost: demo.test\r\n\r\n")
        with secured.makefile("rb") as said:
            assert b'{"may_change":false}' in said.read()
    kept = stack.host("proxy").file("/var/lib/ntplab-proxy/in-use/privkey.pem")
    assert kept.mode & 0o077 == 0


def test_down_leaves_nothing(stack: Stack, tmp_path: Path) -> None:
    stack("--profile", "observability", "down", "-v", "-t", "20")
    for what in ("container", "volume", "network"):
        argv = ["docker", what, "ls", "-q", *(["-a"] if what == "container" else [])]
        label = f"label=com.docker.compose.project={stack.project}"
        assert run(*argv, "--filter", label, env=os.environ).stdout == ""
