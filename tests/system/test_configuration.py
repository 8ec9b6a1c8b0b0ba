# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The shipped configuration, wrong values, and what is missing: each gives one
clear line in the log (or at the terminal), and no crash."""

import contextlib
import os
import poplib
import re
import socket

import pytest

from dovecot import Failure, wait_until
from dovecot_files import dialect
from maildrop import Maildrop

REFUSAL = "-ERR [SYS/TEMP]"


def errors(host):
    """Errors and warnings but those of deliveries and IMAP, which go on."""
    return [line for line in host.errors() if
            "The user's policy is not known, Dovecot's own quota holds: "
            not in line]


def check_refused(host, user, pattern):
    """POP3 is refused, IMAP goes on."""
    host.check_refused(user, pattern)
    assert host.imap_uids(user) == [1]


# --- the shipped files ---

def test_doveconf_is_clean(host):
    """No warning about the shipped file."""
    done = host.run("doveconf", "-n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "service pop3-policy {" in done.stdout


@pytest.mark.parametrize("name, value", [
    ("process_limit", "1"), ("process_min_avail", "1"),
    ("client_limit", "4096"), ("unix_listener/pop3-policy/mode", "0660"),
    (dialect().service_count(0).split(" = ")[0],
     dialect().service_count(0).split(" = ")[1]),
])
def test_service_is_the_same_on_all_versions(host, name, value):
    """Whether the file says so or Dovecot has it built in."""
    done = host.run("doveconf", "-h", "service/pop3-policy/" + name)
    assert done.stdout.strip() == value


def test_user_of_the_service(host):
    """default_internal_user."""
    (pid,) = host.service_pids()
    assert os.stat("/proc/%d" % pid).st_uid == os.stat(
        host.path("policy")).st_uid != 0


# --- wrong values ---

WRONG = 'pop3_policy_timeout: "%s" is not a time between 100 ms and 60 s'


def check_login_fails(host, user, text):
    """By Dovecot's own words, and the log says why. IMAP goes on."""
    offset = host.log_position()
    assert host.login_refusal(user).startswith(REFUSAL)
    (line,) = wait_until(lambda: [line for line in host.errors(offset)
                                  if "pop3(" in line], what="the log")
    assert text in line
    assert host.imap_uids(user) == [1]


@pytest.mark.parametrize("value", ["5", "soon", "1ms", "2h", "-1s", "5 s x"])
def test_wrong_timeout(make_host, user, value):
    """Setting, value and what is allowed are named where Dovecot first looks:
    at start if it knows the setting, else at the login."""
    text = WRONG % value
    settings = {"pop3_policy_timeout": value}
    if dialect().CHECKS_PLUGIN_SETTINGS:
        with pytest.raises(Failure, match=re.escape(text)):
            make_host(plugin_settings=settings)
    else:
        host = make_host(plugin_settings=settings)
        Maildrop(host, user).deliver(1)
        check_login_fails(host, user, text)


def test_wrong_timeout_at_reload(make_host, user):
    """Dovecot that checks it goes on with what it had."""
    host = make_host()
    drop = Maildrop(host, user)
    drop.deliver(1)
    host.plugin_settings["pop3_policy_timeout"] = "soon"
    offset = host.log_position()
    host.reload()
    if dialect().CHECKS_PLUGIN_SETTINGS:
        wait_until(lambda: host.log_contains(
            "master: Error: .*" + WRONG % "soon", offset), what="the refusal")
        assert drop.view() == [1]
    else:
        def noticed():
            # some are let in by processes that end, or cut off
            with contextlib.suppress(poplib.error_proto, OSError):
                host.pop3(user).quit()
            return host.log_contains(WRONG % "soon", offset)
        wait_until(noticed, what="new processes")
        check_login_fails(host, user, WRONG % "soon")


def test_unknown_setting(make_host, user):
    """Dovecot 2.3 takes any name in plugin {}."""
    settings = {"pop3_policy_nonsense": "1"}
    if dialect().CHECKS_PLUGIN_SETTINGS:
        with pytest.raises(Failure, match="pop3_policy_nonsense"):
            make_host(plugin_settings=settings)
    else:
        host = make_host(plugin_settings=settings)
        offset = host.log_position()
        drop = Maildrop(host, user)
        drop.deliver(1)
        assert drop.view() == [1]
        assert host.errors(offset) == []


def test_empty_settings_are_the_built_in_ones(make_host, user):
    host = make_host(plugin_settings={"pop3_policy_socket": ""})
    drop = Maildrop(host, user)
    drop.deliver(1)
    assert drop.view() == [1]


@pytest.mark.parametrize("settings", [
    {"connect": "hots=somewhere"}, {"reader_connections": "0"},
    {"intent_lease": "5"}, {"record_polls": "maybe"}])
def test_wrong_service_setting(make_host, user, settings):
    """The service says what is wrong, and logins wait for an
    administrator."""
    host = make_host(plugin_settings={"pop3_policy_timeout": "500ms"})
    offset = host.log_position()
    host.pop3(user).quit()
    ((key, value),) = settings.items()
    host.service_settings[key] = value
    host.expect_log("Fatal: .*%s" % key)
    host.expect_log("service.pop3-policy.*returned error 89")
    host.write_service_config()
    host.kill_service()
    wait_until(lambda: host.log_contains(
        "pop3-policy.*Fatal: .*%s.*allowed is" % key, offset),
        what="the service to complain")
    assert host.login_refusal(user).startswith(REFUSAL)


def test_database_without_the_schema(make_host, user):
    """The log names the command to run; once it was run, all is well."""
    host = make_host(plugin_settings={"pop3_policy_timeout": "1s"})
    host.sql("ALTER SCHEMA pop3 RENAME TO pop3_away")
    offset = host.log_position()
    host.kill_service()
    wait_until(lambda: host.log_contains("install.sql", offset),
               what="the service to complain")
    assert host.login_refusal(user).startswith(REFUSAL)
    host.sql("ALTER SCHEMA pop3_away RENAME TO pop3")
    drop = Maildrop(host, user)
    drop.deliver(1)
    assert drop.view_when_accepted() == [1]


# --- what is missing ---

def test_plugin_without_configuration(make_host, user):
    """Loaded, and nothing else done. Where Dovecot has the service built in,
    it waits for its settings file and says so once."""
    host = make_host(configured=False, mail_plugins="pop3_policy")
    Maildrop(host, user).deliver(1)
    socket_path = host.path("run", "pop3-policy")
    if dialect().UNCONFIGURED:
        # nor is there a group to let in
        pattern = r"connect\(%s\) failed: Permission denied" % socket_path
        (warning,) = errors(host)
        assert "pop3-policy: Warning: Not configured: %s does not exist" % \
            host.path("pop3-policy.conf.ext") in warning
    else:
        pattern = r"connect\(%s\) failed: No such file" % socket_path
        assert errors(host) == []
    for _ in range(2):
        check_refused(host, user, pattern)
    assert host.crashes() == []


def test_settings_file_appears(make_host, user):
    """No restart is needed, in whichever order things are installed."""
    host = make_host()
    drop = Maildrop(host, user)
    drop.deliver(1)
    offset = host.log_position()
    os.rename(host.path("pop3-policy.conf.ext"), host.path("away"))
    host.kill_service()
    wait_until(lambda: host.log_contains("Not configured: ", offset),
               what="the service to miss its settings")
    check_refused(host, user, "closed the connection|Broken pipe|reset by "
                  "peer")
    os.rename(host.path("away"), host.path("pop3-policy.conf.ext"))
    assert drop.view_when_accepted() == [1]
    assert len(host.log_text(offset).split("Not configured: ")) == 2


@pytest.mark.parametrize("left", ["nothing", "a socket"])
def test_service_does_not_run(make_host, user, left):
    """Nobody listens at its socket."""
    host = make_host(plugin_settings={"pop3_policy_socket": "down",
                                      "pop3_policy_timeout": "500ms"})
    Maildrop(host, user).deliver(1)
    path = host.path("run", "down")
    reason = "No such file or directory"
    if left == "a socket":
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path)
        os.chmod(path, 0o666)
        reason = "Connection refused"
    for _ in range(2):
        check_refused(host, user, r"Login refused, .*connect"
                      r"\(%s\) failed: %s" % (path, reason))
    assert host.crashes() == []


def test_service_without_a_database(make_host, user):
    """The service says once what PostgreSQL says; each login that is refused
    says that the service has no answer."""
    host = make_host(service_settings={
        "connect": "host=/nonexistent dbname=mail user=pop3_service"})
    Maildrop(host, user).deliver(1)
    wait_until(lambda: host.log_contains("pop3-policy: .*/nonexistent/"),
               what="the service to complain")
    for _ in range(2):
        check_refused(host, user, "Login refused, .*database")
    (line,) = [line for line in errors(host) if "pop3-policy: " in line
               and "pop3(" not in line]
    assert "/nonexistent/" in line
    assert host.crashes() == []
