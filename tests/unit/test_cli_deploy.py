"""`deploy`: what it tells Ansible, and how refusals of SSH are told to the user."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from ntplab.cli import deploy
from ntplab.cli.deploy import PLAYBOOKS, Target, chosen, pairs, refusal_hint, variables
from ntplab.errors import LabError, UsageError
from ntplab.setup.base_image import bootstrap_command


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("203.0.113.5", Target("203.0.113.5")),
        ("root@tickets.example.org", Target("tickets.example.org", "root")),
        ("root@203.0.113.5:2222", Target("203.0.113.5", "root", 2222)),
        ("root@[2001:db8::5]:22", Target("2001:db8::5", "root", 22)),
    ],
)
def test_hosts(text: str, target: Target) -> None:
    assert Target.parse(text) == target


@pytest.mark.parametrize("text", ["", "-oProxyCommand=x", "root@", "a b", "host:port", "@host"])
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(UsageError):
        Target.parse(text)


def test_the_inventory_names_the_user_only_where_one_is_given() -> None:
    told = Target.parse("root@h:22").inventory("-v")["all"]["hosts"]["h"]
    assert told == {
        "ansible_host": "h",
        "ansible_user": "root",
        "ansible_port": 22,
        "ansible_ssh_common_args": "-v",
    }
    assert "ansible_user" not in Target.parse("h").inventory("")["all"]["hosts"]["h"]


def test_which_certificate(tmp_path: Path) -> None:
    pem = tmp_path / "x.pem"
    pem.touch()
    assert variables(None, None, None, None, None)["ntplab_tls"] == "self-signed"
    assert variables("a.example", None, None, None, None)["ntplab_tls"] == "acme"
    assert variables("a.example", None, pem, pem, None)["ntplab_tls"] == "own"
    assert variables("a.example", "plain", None, None, None)["ntplab_tls"] == "plain"


def test_files_have_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such file: .*images\.tar"):
        variables(None, None, None, None, tmp_path / "images.tar")
    with pytest.raises(UsageError, match="belong together"):
        variables(None, None, tmp_path, None, None)


def test_one_thing_at_a_time(tmp_path: Path) -> None:
    backup = tmp_path / "backup.tar.gz"
    backup.touch()
    assert chosen(None, None, False) == ("site.yml", {})
    assert chosen(None, None, True) == ("uninstall.yml", {})
    assert chosen(tmp_path, None, False)[0] == "backup.yml"
    assert chosen(None, backup, False) == ("restore.yml", {"ntplab_backup": str(backup)})
    with pytest.raises(UsageError, match="one at a time"):
        chosen(tmp_path, None, True)
    with pytest.raises(UsageError, match="no file"):
        chosen(None, tmp_path / "none", False)


def test_variables_of_the_playbook() -> None:
    assert pairs(["a=1", "b=x=y", "c=[{d: 2}]"]) == {"a": "1", "b": "x=y", "c": [{"d": 2}]}
    for wrong in ("a", "=1", "a=[", "a-b=1"):
        with pytest.raises(UsageError):
            pairs([wrong])


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("root@h: Permission denied (publickey).", "give it your key: ssh-copy-id root@h"),
        ("Host key verification failed.", "look at its key and accept it once: ssh root@h"),
        ("ssh: Could not resolve hostname h", "is h the name or the address of the host?"),
        ("connect to host h port 22: Connection refused", "no SSH server answers there; "
         "another port is given as root@h:PORT"),
        ("connect to host h port 22: Connection timed out", "is the host up, and does its "
         "provider's firewall let SSH in?"),
        ("Something else", "try by hand: ssh root@h"),
    ],
)  # fmt: skip
def test_refusals_of_ssh(said: str, hint: str) -> None:
    assert refusal_hint(said, Target("h", "root")) == hint


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is started, with the files it is given; the playbook fails where told `fails`."""
    made: list[dict[str, Any]] = []

    def started(argv: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        call: dict[str, Any] = {"argv": argv, **options}
        code = 0
        if "-i" in argv and "playbook" in argv:
            call["inventory"] = json.loads(Path(argv[argv.index("-i") + 1]).read_text())
            call["told"] = json.loads(Path(argv[argv.index("-e") + 1][1:]).read_text())
            code = 2 if "fails" in call["told"] else 0
        made.append(call)
        return subprocess.CompletedProcess(argv, code, "", "")

    monkeypatch.setattr(subprocess, "run", started)
    monkeypatch.setattr(deploy.shutil, "which", lambda _: "/usr/bin/ssh")
    return made


def test_ssh_is_asked_before_ansible(calls: list[dict[str, Any]]) -> None:
    deploy.deploy("root@h:2222", site="t.example", ssh="-i key", check=True, settings=["a=b"])
    login, playing = calls
    assert login["argv"][0] == "ssh"
    assert login["argv"][-6:] == ["-p", "2222", "-i", "key", "root@h", "true"]
    assert playing["argv"][-3:] == ["site.yml", "--check", "--diff"]
    assert playing["cwd"] == PLAYBOOKS
    assert playing["told"] == {"ntplab_site": "t.example", "ntplab_tls": "acme", "a": "b"}
    assert playing["inventory"]["all"]["hosts"]["h"]["ansible_port"] == 2222


def test_a_playbook_that_fails_is_an_error(calls: list[dict[str, Any]]) -> None:
    with pytest.raises(LabError, match=r"site.yml did not go through on h"):
        deploy.deploy("h", settings=["fails=1"])
    assert len(calls) == 2


def test_the_base_image_is_made_on_a_host_as_it_is_made_here() -> None:
    tasks = yaml.safe_load((PLAYBOOKS / "roles/ntplab/tasks/build.yml").read_text())
    steps = [step for task in tasks for step in task.get("block", [])]
    (argv,) = [
        step["ansible.builtin.command"]["argv"]
        for step in steps
        if step["name"] == "Make the root file system"
    ]
    here = bootstrap_command(Path("{{ ntplab_home }}/base.tar"))
    assert sorted(argv) == sorted(here)


def test_settings_of_the_stack_mean_what_yaml_writes() -> None:
    """`on` is a truth in YAML and a word in an env file."""
    source = (PLAYBOOKS / "roles/ntplab/templates/settings.env.j2").read_text()
    told = pairs(["s={NTPLAB_NTP: on, NTPLAB_LOAD_HZ: 2}"])["s"]
    site = {"ntplab_tls": "self-signed", "ntplab_site": "t.example", "ntplab_settings": told}
    shown = jinja2.Environment(trim_blocks=True).from_string(source).render(**site)
    assert "NTPLAB_LOAD_HZ=2\nNTPLAB_NTP=on\n" in shown
    assert "NTPLAB_TLS=own\nNTPLAB_SITE=t.example\nNTPLAB_BIND=0.0.0.0\n" in shown
