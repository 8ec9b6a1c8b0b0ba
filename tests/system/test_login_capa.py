# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""CAPA before the login: the optional plugin of the login processes, enabled
by the lines that the shipped configuration has for it."""

import os
import poplib
import re
import subprocess

import pytest

from dovecot_files import built, install, shipped_config
from owner import Owner
from raw import RawPop3
from test_tls import tls_context

PLUGIN = "lib20_pop3_policy_login_plugin.so"
# By Dovecot's series: how the lines set a value.
FORMS = {"2.3": ("POP3_POLICY_CAPA_EXPIRE=", "POP3_POLICY_CAPA_LOGIN_DELAY="),
         "2.4": ("pop3_policy_capa_expire = ",
                 "pop3_policy_capa_login_delay = ")}


# AUTH's list of them is longer than the reply to CAPA could be.
MECHANISMS = "plain login cram-md5 scram-sha-1 scram-sha-256 anonymous"


def shipped_lines():
    """The commented lines of the shipped configuration. "# " begins prose."""
    with open(os.path.join(shipped_config(), "90-pop3-policy.conf")) as file:
        text = file.read().rpartition("# CAPA before the login.")[2]
    return "".join(line[1:] + "\n" for line in text.splitlines()
                   if re.match(r"#(\S|  )", line))


def enable(host, expire=None, login_delay=None, plugin=True):
    """Have the login processes load the plugin, with values in place of the
    shipped ones. An empty one takes the setting away."""
    directory = host.path("login_modules")
    os.makedirs(directory, exist_ok=True)
    install(built("src/login", PLUGIN), os.path.join(directory, PLUGIN))
    host.settings["login_plugin_dir"] = directory
    text = shipped_lines()
    (forms,) = [forms for forms in FORMS.values() if forms[0] in text]
    for form, value in zip(forms, (expire, login_delay)):
        if value is not None:
            text, count = re.subn(
                re.escape(form) + r"\w+", form + value if value else "", text)
            assert count == 1
    host.extra = text if plugin else ""
    host.restart()


def capa(connection):
    """All lines of CAPA."""
    connection.send("CAPA")
    assert connection.line() == "+OK"
    return [line.decode() for line in connection.lines()]


def policy_lines(host):
    with RawPop3(host) as raw:
        return [line for line in capa(raw)
                if line.split()[0] in ("EXPIRE", "LOGIN-DELAY")]


@pytest.fixture(scope="module")
def login_host(make_module_host):
    """Has a certificate and mechanisms, so that the login process has
    something to say."""
    host = make_module_host()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "2", "-subj", "/CN=localhost", "-keyout", host.path("key.pem"),
         "-out", host.path("cert.pem")], check=True, capture_output=True)
    host.settings.update({"auth_mechanisms": MECHANISMS, "ssl": "yes",
                          "ssl_cert": "<" + host.path("cert.pem"),
                          "ssl_key": "<" + host.path("key.pem")})
    return host


def test_off_by_default(host):
    assert policy_lines(host) == []


def test_as_shipped(login_host, user):
    """Dovecot's own lines, and ours behind them; in the session it is the
    user's policy that is told."""
    enable(login_host, plugin=False)
    with RawPop3(login_host) as raw:
        own = capa(raw)
    assert {"TOP", "UIDL", "STLS", "USER"} < set(own)

    enable(login_host)
    ours = ["EXPIRE 30 USER", "LOGIN-DELAY 600 USER"]
    owner = Owner(login_host, user)
    owner.set(expire_retrieved="7 days")
    with RawPop3(login_host) as raw:
        assert capa(raw) == own + ours
        # other replies are as ever
        assert raw.command("NOOP").startswith("-ERR")
        raw.send("AUTH")
        assert raw.line() == "+OK"
        assert sorted(raw.lines()) == sorted(
            MECHANISMS.upper().encode().split())
        assert capa(raw) == own + ours
        assert raw.command("USER " + user).startswith("+OK")
        assert raw.command("PASS test").startswith("+OK")
        lines = capa(raw)
        assert "EXPIRE 7" in lines
        assert not set(lines) & set(ours)
        assert raw.command("QUIT").startswith("+OK")


def test_with_tls(login_host):
    enable(login_host)
    pop = poplib.POP3("127.0.0.1", login_host.pop3_port, timeout=60)
    pop.stls(tls_context())
    lines = pop.capa()
    assert lines["EXPIRE"] == ["30", "USER"]
    assert lines["LOGIN-DELAY"] == ["600", "USER"]
    assert "STLS" not in lines
    pop.close()


def test_pipelined(login_host, user):
    enable(login_host)
    with RawPop3(login_host) as raw:
        raw.send("CAPA", "USER " + user, "CAPA", "PASS test", "CAPA", "STAT")
        for _ in range(2):
            assert raw.line() == "+OK"
            assert b"EXPIRE 30 USER" in raw.lines()
            assert raw.line().startswith("+OK")
        assert raw.line() == "+OK"
        assert b"EXPIRE NEVER" in raw.lines()
        assert raw.line() == "+OK 0 0"


@pytest.mark.parametrize("expire, login_delay, lines", [
    ("never", "90s", ["EXPIRE NEVER USER", "LOGIN-DELAY 90 USER"]),
    ("0", "1h", ["EXPIRE 0 USER", "LOGIN-DELAY 3600 USER"]),
    ("14", "", ["EXPIRE 14 USER"]),
    ("", "1s", ["LOGIN-DELAY 1 USER"]),
    ("", "", []),
])
def test_values(login_host, expire, login_delay, lines):
    enable(login_host, expire, login_delay)
    assert policy_lines(login_host) == lines


@pytest.mark.parametrize("expire, login_delay, name", [
    ("soon", "10min", "pop3_policy_capa_expire"),
    ("36526", "10min", "pop3_policy_capa_expire"),
    ("30", "600", "pop3_policy_capa_login_delay"),
    ("30", "0s", "pop3_policy_capa_login_delay"),
])
def test_wrong_value(make_host, expire, login_delay, name):
    """Dovecot 2.4 does not take it. Dovecot 2.3 cannot check it: the login
    process says so, and announces the right one of the two alone."""
    host = make_host()
    if host.dialect.SHIPPED == "dovecot-2.4":
        enable(host, "30", "10min")
        host.extra = host.extra.replace("= 30\n", "= %s\n" % expire).replace(
            "= 10min\n", "= %s\n" % login_delay)
        host.write_config()
        done = host.run("doveconf")
        assert done.returncode != 0
        assert name + ': "' in done.stderr
        return
    offset = host.log_position()
    enable(host, expire, login_delay)
    assert len(policy_lines(host)) == 1
    assert host.log_contains(r'pop3-policy: %s: ".*" is not ' % name, offset)


def test_imap_has_no_part_in_it(make_host, user):
    """Loaded into all login processes, it acts in pop3-login."""
    host = make_host()
    enable(host)
    host.extra = re.sub(r"protocol pop3 {\n(.*?)\n}\n", r"\1\n", host.extra,
                        flags=re.S)
    assert "protocol" not in host.extra
    host.restart()
    assert policy_lines(host) == ["EXPIRE 30 USER", "LOGIN-DELAY 600 USER"]
    imap = host.imap(user)
    assert "IMAP4REV1" in imap.capabilities
    imap.logout()
