"""The demo on a VPS, from a fresh host to one that is given back: real Ansible over real SSH.

The host is a stand-in (standin.py), one for all tests of this file, which tell its life in order:
refused, deployed, looked at, backed up, wiped, restored, updated badly, rebooted, uninstalled.
Images come from an archive; building them on the host, and a check of a fresh one, take minutes
and are marked `long`.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from ntplab.hostclock import read_host_discipline

from ..lab.kit import REPO, Cli, wait_for
from .host import SECRETS, SITE, SNAPSHOT, STANDING, TimeServer, Vps
from .stack import build_images
from .standin import IMAGE, StandIn, ensure_image, run, save_images

pytestmark = [pytest.mark.docker, pytest.mark.slow]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stack's images in a file."""
    build_images()
    path = tmp_path_factory.mktemp("images") / "images.tar"
    save_images(path)
    return path


@pytest.fixture(scope="module")
def time_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TimeServer]:
    """Serves this machine's time, signed (NTS), and sets no clock (-x)."""
    ensure_image()
    server = TimeServer(tmp_path_factory.mktemp("time"))
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def vps(
    archive: Path, time_server: TimeServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Vps]:
    """As a provider hands it over; only the time server's name and authority are known to it."""
    clock_before = read_host_discipline()
    machine = StandIn(
        tmp_path_factory.mktemp("vps"), more=("--add-host", f"time.test:{time_server.address}")
    )
    try:
        machine.start()
        machine.write("/usr/local/share/ca-certificates/time.crt", time_server.authority)
        machine.inside("update-ca-certificates >/dev/null 2>&1")
        yield Vps(machine, archive, clock_before)
    finally:
        machine.remove()


# before anything is changed


def test_a_host_that_cannot_take_it_is_left_alone_and_told_why(vps: Vps) -> None:
    vps.machine.inside("setsid --fork python3 -m http.server 443 >/dev/null 2>&1 </dev/null")
    wait_for("something on port 443", lambda: vps.opens(443))
    played = vps.machine.play(
        "site.yml", preflight_memory_min_mib=10**7, preflight_disk_min_mib=10**9, **vps.variables
    )
    vps.machine.inside("pkill -f 'http[.]server 443'")
    assert played.code != 0
    assert played.counts["changed"] == 0
    for words in (
        "port 443 is taken by python3", "hint: stop python3, or set ntplab_http_port",
        "MiB of memory, 10000000 are needed", "hint: take a larger host",
        "are free in /var/lib, 1000000000 are needed", "hint: make room",
    ):  # fmt: skip
        assert words in played.output, played.output
    assert vps.machine.inside(SNAPSHOT) == vps.found


def test_who_may_not_become_root_is_told_so(vps: Vps) -> None:
    played = vps.machine.play("site.yml", user="plain", **vps.variables)
    assert played.code != 0
    assert "plain is not root and may not use sudo without a password" in played.output
    assert "hint: log in as root" in played.output
    assert vps.machine.inside(SNAPSHOT) == vps.found


def test_ssh_that_does_not_get_in_is_told_in_words(vps: Vps, tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    options = f"-o UserKnownHostsFile={vps.machine.known_hosts} -o IdentitiesOnly=yes"
    login = f"root@{vps.machine.address}"
    done = cli("deploy", login, "--ssh", f"{options} -i /dev/null", exit_code=5)
    assert f"error: ssh does not get in to {login}" in done.stderr
    assert f"hint: give it your key: ssh-copy-id {login}" in done.stderr


def test_a_container_without_systemd_is_no_host() -> None:
    ensure_image()
    script = (REPO / "orchestrator/ntplab/hosted/preflight.py").read_text()
    release = "printf 'ID=debian\\nVERSION_ID=11\\nPRETTY_NAME=bullseye\\n' >/etc/os-release"
    done = run(
        "docker", "run", "--rm", "-i", IMAGE, "sh", "-c", f"{release}; python3 -",
        input=script, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "the distribution is bullseye",
        "  hint: take a host with Debian 12, Debian 13, Ubuntu 24.04",
        "process 1 is sh, not systemd",
        "  hint: take a host that boots systemd; a container without it is none",
    ]


@pytest.mark.long
def test_a_check_of_a_fresh_host_changes_nothing(vps: Vps) -> None:
    played = vps.machine.play("site.yml", "--check", "--diff", **vps.variables)
    assert played.code == 0, played.output
    assert played.counts["changed"] > 10
    assert vps.machine.inside(SNAPSHOT) == vps.found


# one command


@pytest.fixture(scope="module")
def deployed(vps: Vps) -> Vps:
    done = vps.deploy(*vps.options, "--tls", "self-signed")
    assert f"https://{SITE}/" in done.stdout
    return vps


def test_the_page_answers_over_https(deployed: Vps) -> None:
    answer = deployed.ask("GET", "/")
    assert answer.status_code == 200
    assert "<title>" in answer.text
    assert deployed.ask("GET", "/api/state").json()["halls"] is not None


def test_plain_http_only_leads_to_https(deployed: Vps) -> None:
    answer = requests.get(f"http://{deployed.machine.address}/", timeout=30, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (301, f"https://{SITE}/")


def test_changes_need_the_token(deployed: Vps) -> None:
    without = deployed.ask("POST", "/api/load", json={"rate_hz": 2})
    assert without.status_code == 401, without.text
    wrong = {"Authorization": "Bearer " + "x" * 32}
    assert deployed.ask("POST", "/api/load", json={"rate_hz": 2}, headers=wrong).status_code == 401
    right = {"Authorization": f"Bearer {deployed.token}"}
    answer = deployed.ask("POST", "/api/load", json={"rate_hz": 2}, headers=right)
    assert answer.status_code == 204, answer.text


def test_all_services_run_and_the_doctor_is_content(deployed: Vps) -> None:
    assert set(deployed.containers()) == STANDING
    said = deployed.host.run("ntplab doctor --host --json")
    document = json.loads(said.stdout)
    checks = {check["name"]: check for check in document["checks"]}
    assert (said.rc, document["ok"]) == (0, True), said.stdout
    wrong = {name: check for name, check in checks.items() if check["status"] != "ok"}
    assert set(wrong) <= {"backup"}, wrong
    assert "only observed: this host may not set its clock" in checks["clock"]["detail"]


@pytest.mark.parametrize(
    "package", ["docker.io", "docker-compose", "chrony", "nftables", "unattended-upgrades"]
)
def test_packages(deployed: Vps, package: str) -> None:
    assert deployed.host.package(package).is_installed


@pytest.mark.parametrize("service", ["docker", "chrony", "ntplab", "ntplab-firewall", "ssh"])
def test_services_come_back_by_themselves(deployed: Vps, service: str) -> None:
    found = deployed.host.service(service)
    assert found.is_running
    assert found.is_enabled


def test_compose_is_of_version_2_and_nothing_else_is_of_debian_13(deployed: Vps) -> None:
    assert deployed.host.check_output("docker compose version --short").startswith("2.")
    upgradable = deployed.host.check_output(
        "apt-get -s dist-upgrade | grep -c '^Inst.*trixie' || true"
    )
    assert upgradable == "0"


def test_only_ssh_http_and_https_listen(deployed: Vps) -> None:
    listening = {
        (address.rpartition(":")[0], int(address.rpartition(":")[2]))
        for line in deployed.host.check_output("ss -Hltn").splitlines()
        for address in line.split()[3:4]
    }
    outside = {port for address, port in listening if not address.startswith("127.")}
    assert outside == {22, 80, 443}


def test_the_firewall_keeps_out_what_listens_all_the_same(deployed: Vps) -> None:
    """A program of the host, and a port that Docker publishes past every input chain."""
    machine = deployed.machine
    machine.inside("setsid --fork python3 -m http.server 8000 >/dev/null 2>&1 </dev/null")
    probe = "docker run -d --rm --name probe -p 9999:9999 --entrypoint python3"
    machine.inside(f"{probe} ntplab/page -m http.server 9999")
    local = "curl -s -o /dev/null --retry 20 --retry-all-errors --retry-delay 1"
    machine.inside(f"{local} http://127.0.0.1:8000/ && {local} http://127.0.0.1:9999/")
    try:
        assert deployed.opens(443)
        assert not deployed.opens(8000)
        assert not deployed.opens(9999)
        machine.inside("systemctl stop ntplab-firewall")
        assert deployed.opens(8000), "the probe cannot fail"
        assert deployed.opens(9999), "the probe cannot fail"
    finally:
        machine.inside(
            "systemctl start ntplab-firewall; docker rm -f probe; pkill -f 'http[.]server 8000'"
        )


def test_secrets_are_for_those_who_need_them(deployed: Vps) -> None:
    folder = deployed.host.file(SECRETS)
    assert (folder.user, oct(folder.mode)) == ("root", "0o700")
    for name in ("database_password", "page_token", "tls_certificate.pem", "tls_key.pem"):
        file = deployed.host.file(f"{SECRETS}/{name}")
        assert (file.uid, oct(file.mode)) == (1000, "0o400"), name
        assert file.size > 20
    shown = deployed.host.check_output("docker inspect $(docker ps -aq)")
    assert deployed.token not in shown
    assert deployed.token not in deployed.host.check_output("journalctl --no-pager -o cat")


def test_containers_are_shut_in(deployed: Vps) -> None:
    for service, container in deployed.containers().items():
        found = json.loads(deployed.machine.inside(f"docker inspect {container}"))[0]
        host = found["HostConfig"]
        assert not host["Privileged"], service
        assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], None), service
        assert host["ReadonlyRootfs"], service
        assert "no-new-privileges:true" in host["SecurityOpt"], service
        assert found["Config"]["User"] == "1000:1000", service
        assert host["Memory"] > 0, service
        assert host["RestartPolicy"]["Name"] == "unless-stopped", service
        assert not any("docker.sock" in mount["Source"] for mount in found["Mounts"]), service


def test_logs_are_rotated(deployed: Vps) -> None:
    daemon = json.loads(deployed.host.file("/etc/docker/daemon.json").content_string)
    assert daemon["log-opts"] == {"max-size": "10m", "max-file": "3"}
    shown = deployed.host.check_output("systemd-analyze cat-config systemd/journald.conf")
    assert re.search(r"^SystemMaxUse=200M$", shown, re.MULTILINE)


def test_sshd_takes_no_passwords(deployed: Vps) -> None:
    effective = deployed.host.check_output("sshd -T").lower().splitlines()
    assert "passwordauthentication no" in effective
    assert "kbdinteractiveauthentication no" in effective


def test_security_updates_come_by_themselves(deployed: Vps) -> None:
    shown = deployed.host.check_output("apt-config dump APT::Periodic")
    assert 'APT::Periodic::Unattended-Upgrade "1";' in shown


def test_chrony_is_synchronized_by_signed_time_and_sets_no_clock(deployed: Vps) -> None:
    host = deployed.host
    wait_for(
        "chronyd to be synchronized",
        lambda: "Not synchronised" not in host.check_output("chronyc -c tracking"),
        timeout_s=120,
    )
    assert re.search(r"^time.test +NTS +1 ", host.check_output("chronyc -N authdata"), re.MULTILINE)
    command = host.check_output("ps -o args= -p $(systemctl show -P MainPID chrony)")
    assert "chronyd -x" in command
    bounding = int(host.check_output("awk '/CapBnd/ {print $2}' /proc/1/status"), 16)
    assert not bounding >> 25 & 1, "the stand-in may set clocks"


# again, and badly


def test_a_second_run_changes_nothing(deployed: Vps) -> None:
    before = deployed.containers()
    played = deployed.machine.play("site.yml", **deployed.variables)
    assert played.code == 0, played.output
    assert played.counts["changed"] == 0, played.output
    assert deployed.containers() == before


def test_backup_wipe_restore(deployed: Vps, tmp_path: Path) -> None:
    deployed.sql("CREATE TABLE keepsake AS SELECT 42 AS answer")
    rows = "SELECT count(*) FROM pg_database"
    databases, token = deployed.sql(rows), deployed.token
    deployed.deploy("--backup", str(tmp_path))
    (backup,) = (tmp_path / deployed.machine.address).glob("ntplab-*.tar.gz")
    assert oct(backup.stat().st_mode & 0o777) == "0o600"
    evidence = "docker run --rm -v ntplab_evidence:/e --entrypoint ls ntplab/base /e"
    recordings = set(deployed.machine.inside(evidence).split())
    assert recordings

    deployed.machine.inside(
        f"ntplab-compose down -v -t 5; echo another-token-than-before >{SECRETS}/page_token"
    )
    assert "ntplab_database" not in deployed.machine.inside("docker volume ls -q").split()
    assert deployed.token != token

    deployed.deploy("--restore", str(backup))
    assert deployed.sql("SELECT answer FROM keepsake") == "42"
    assert deployed.sql(rows) == databases
    assert recordings <= set(deployed.machine.inside(evidence).split())
    assert deployed.token == token
    right = {"Authorization": f"Bearer {token}"}
    answer = deployed.ask("POST", "/api/load", json={"rate_hz": 1}, headers=right)
    assert answer.status_code == 204, answer.text


def test_a_damaged_backup_changes_nothing(deployed: Vps) -> None:
    before = deployed.containers()
    newest = "$(ls /var/backups/ntplab/*.gz | head -n 1)"
    deployed.machine.inside(f"head -c 5000 {newest} >/tmp/cut.tar.gz")
    done = deployed.host.run("ntplab-restore /tmp/cut.tar.gz")
    assert done.rc == 1
    assert "cut.tar.gz is no whole archive" in done.stderr
    assert deployed.containers() == before


def test_an_update_that_cannot_be_made_leaves_everything_running(
    deployed: Vps, tmp_path: Path
) -> None:
    broken = tmp_path / "images.tar"
    with deployed.archive.open("rb") as whole:
        broken.write_bytes(whole.read(1 << 20))
    before, release = deployed.containers(), deployed.release
    told = {**deployed.variables, "ntplab_images_archive": str(broken)}
    played = deployed.machine.play("site.yml", "--tags", "ntplab", **told)
    assert played.code != 0
    assert "the previous deployment runs on, untouched" in played.output
    assert (deployed.containers(), deployed.release) == (before, release)
    assert deployed.ask("GET", "/").status_code == 200


@pytest.mark.long
def test_an_update_that_does_not_become_healthy_is_taken_back(deployed: Vps) -> None:
    release = deployed.release
    told = {**deployed.variables, "ntplab_settings": {"NTPLAB_POLICY": "no-such-policy"}}
    played = deployed.machine.play("site.yml", "--tags", "ntplab", **told)
    assert played.code != 0
    assert "the previous deployment runs again" in played.output
    assert re.search(r"^\s+\S+ +\|.*no-such-policy", played.output, re.MULTILINE), played.output
    assert deployed.release == release
    assert set(deployed.containers()) == STANDING
    assert deployed.ask("GET", "/").status_code == 200


@pytest.mark.long
def test_a_certificate_of_ones_own_none_and_the_hosts_own_again(
    deployed: Vps, tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    run(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "90", "-subj", f"/CN={SITE}", "-addext", f"subjectAltName=DNS:{SITE}",
        "-keyout", str(key), "-out", str(certificate),
    )  # fmt: skip
    ones_own = "--certificate", str(certificate), "--key", str(key)
    of_one, of_host = ssl.PEM_cert_to_DER_cert(certificate.read_text()), _shown(deployed)
    for _ in range(2):  # the second time from the release that is still there
        deployed.deploy(*deployed.options, *ones_own)
        assert _shown(deployed) == of_one
        deployed.deploy(*deployed.options, "--tls", "self-signed")
        assert _shown(deployed) == of_host

    plain = deployed.deploy(*deployed.options, "--tls", "plain")
    assert "http://localhost:8480/, after ssh -L 8480:127.0.0.1:80 to the host" in plain.stdout
    assert not deployed.opens(80)
    assert not deployed.opens(443)
    assert "<title>" in deployed.host.check_output("curl -sf http://127.0.0.1/")
    assert deployed.machine.inside("ls /etc/ntplab/tls") == "", "no release has that certificate"

    deployed.deploy(*deployed.options, "--tls", "self-signed")
    assert _shown(deployed) == of_host


def _shown(vps: Vps) -> bytes:
    """What the host shows to whoever asks for the site by name, in DER."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((vps.machine.address, 443), timeout=30) as connection,
        anybody.wrap_socket(connection, server_hostname=SITE) as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""


def test_a_reboot_brings_everything_back(deployed: Vps) -> None:
    before = deployed.sql("SELECT answer FROM keepsake")
    deployed.machine.reboot()
    wait_for("the page after a reboot", lambda: _answers(deployed), timeout_s=180)
    wait_for(
        "the doctor to be content",
        lambda: deployed.host.run("ntplab doctor --host").rc == 0,
        timeout_s=180,
    )
    assert set(deployed.containers()) == STANDING
    assert deployed.sql("SELECT answer FROM keepsake") == before
    assert not deployed.opens(8000)
    assert deployed.host.check_output("nft list table inet ntplab").count("policy drop") == 1


def _answers(vps: Vps) -> bool:
    try:
        return vps.ask("GET", "/").status_code == 200
    except requests.RequestException:
        return False


# the end


def test_uninstall_gives_the_host_back(deployed: Vps) -> None:
    deployed.deploy("--uninstall", "--set", "ntplab_keep_backups=false")
    left = set(deployed.machine.inside(SNAPSHOT).splitlines())
    found = set(deployed.found.splitlines())
    assert (sorted(left - found), sorted(found - left)) == ([], [])
    assert "PasswordAuthentication no" not in deployed.machine.inside(
        "cat /etc/ssh/sshd_config.d/* 2>&1", check=False
    )


def test_this_machine_s_clock_was_never_touched(deployed: Vps) -> None:
    after = read_host_discipline()
    assert (
        after.synchronized or deployed.clock_before.synchronized or after == deployed.clock_before
    )
