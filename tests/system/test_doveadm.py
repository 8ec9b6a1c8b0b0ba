# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""doveadm pop3-policy."""

import json
import os
import re

import pytest

import dovecot_2_3
import dovecot_2_4
from dovecot import wait_until
from host import message

USERS = ("anna@example.org", "bert@example.org", "carl@example.net")
DOMAIN = "@example.org"

USERDB = {
    dovecot_2_3: "userdb {{\n  driver = passwd-file\n"
                 "  args = username_format=%u {path}\n}}\n",
    dovecot_2_4: "userdb passwd-file {{\n  passwd_file_path = {path}\n}}\n",
}

EX_USAGE = 64
EX_DATAERR = 65
EX_TEMPFAIL = 75


@pytest.fixture(scope="module")
def users_host(make_module_host):
    """A host whose userdb can list USERS, each of whom retrieved the first of
    two messages, which hides it."""
    host = make_module_host()
    with open(host.path("users"), "w") as file:
        file.writelines("%s:::::::\n" % user for user in USERS)
    os.chmod(host.path("users"), 0o644)
    host.extra += USERDB[host.dialect].format(path=host.path("users"))
    # the processes of before a reload may still be ending
    host.restart()
    host.set_policies("*", on_retrieve="hide")
    for user in USERS:
        host.deliver(user, message("First"), message("Second"))
        with host.pop3(user) as pop:
            pop.retr(1)
        host.wait_sessions(user)
    return host


@pytest.fixture
def admin(users_host):
    return Admin(users_host)


class Admin:
    def __init__(self, host):
        self.host = host

    def run(self, command, *args, formatter="tab"):
        return self.host.run("doveadm", "-f", formatter, "pop3-policy",
                             command, *args)

    def rows(self, command, *args):
        """The rows that a command prints, as dicts; it must succeed."""
        done = self.run(command, *args, formatter="json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, code, command, *args):
        """The error of a command that fails with this exit code."""
        done = self.run(command, *args)
        assert (done.returncode, done.stdout.strip()) == (code, "")
        return done.stderr


def test_show_user(admin):
    admin.host.set_policy(DOMAIN, "expire_hidden", "30d")
    try:
        rows = {row["parameter"]: row
                for row in admin.rows("show", "-u", USERS[0])}
    finally:
        admin.host.unset_policy(DOMAIN, "expire_hidden")
    assert len(rows) == admin.host.value("SELECT count(*) FROM pop3.parameter")
    assert rows["expire_hidden"] == {
        "parameter": "expire_hidden", "value": str(30 * 86400),
        "human": "30 days", "level": "domain", "scope": DOMAIN, "preset": ""}
    assert rows["enforcement"]["value"] == "enforce"


@pytest.mark.parametrize("options, users", [
    (["-u", "*@example.org"], USERS[:2]),
    (["-u", "?arl@*"], USERS[2:]),
    (["-A"], USERS),
])
def test_show_several_users(admin, options, users):
    rows = admin.rows("show", *options)
    assert sorted({row["username"] for row in rows}) == sorted(users)
    assert len(rows) == len(users) * admin.host.value(
        "SELECT count(*) FROM pop3.parameter")


def test_show_users_of_a_file(admin, tmp_path):
    file = tmp_path / "users"
    file.write_text("%s\nnew@example.com\n" % USERS[1])
    assert {row["username"] for row in admin.rows("show", "-F", str(file))} \
        == {USERS[1], "new@example.com"}


def test_show_takes_the_name_of_the_userdb(admin, make_host):
    lower = {dovecot_2_3: "%Lu", dovecot_2_4: "%{user | lower}"}
    host = make_host(settings={
        "auth_username_format": lower[admin.host.dialect]})
    host.set_policy("jane@example.org", "top_lines", "7")
    rows = Admin(host).rows("show", "-u", "Jane@example.org")
    assert {"scope": "jane@example.org", "value": "7"}.items() <= {
        row["parameter"]: row for row in rows}["top_lines"].items()


def test_show_explained(admin):
    done = admin.run("show", "-u", USERS[0], "--explain")
    assert "Retrieved mail is hidden at QUIT (site *)." in done.stdout


def test_show_scopes(admin):
    assert admin.rows("show") == [
        {"scope": "*", "parameter": "enforcement", "value": "enforce"},
        {"scope": "*", "parameter": "on_retrieve", "value": "hide"}]
    assert admin.rows("show", "@*") == []


@pytest.mark.parametrize("formatter, pattern", [
    ("table", r"^scope +parameter +value *\n\* +enforcement +enforce *\n"),
    ("tab", r"^scope\tparameter\tvalue\n\*\tenforcement\tenforce\n"),
    ("flow", r"^scope=\* parameter=enforcement value=enforce\n"),
    ("pager", r"^scope: \*\nparameter: enforcement\nvalue: enforce\n"),
])
def test_formatters(admin, formatter, pattern):
    done = admin.run("show", formatter=formatter)
    assert re.match(pattern, done.stdout), done.stdout


def test_set_prints_what_changes(admin):
    host = admin.host
    # nobody is over 30 days old, so nothing becomes due
    rows = admin.rows("set", DOMAIN, "expire_retrieved=30 days",
                      "leave_max_bytes=1G")
    try:
        assert [(row["parameter"], row["old"], row["new"], row["users"])
                for row in rows] == [
            ("expire_retrieved", "inherit", "30 days", "2"),
            ("leave_max_bytes", "inherit", "1 GB", "2")]
        assert admin.rows("show", DOMAIN) == [
            {"scope": DOMAIN, "parameter": "expire_retrieved",
             "value": "30 days"},
            {"scope": DOMAIN, "parameter": "leave_max_bytes",
             "value": "1 GB"}]
    finally:
        rows = admin.rows("unset", DOMAIN, "expire_retrieved",
                          "leave_max_bytes")
    assert [(row["old"], row["new"]) for row in rows] == [
        ("30 days", "inherit"), ("1 GB", "inherit")]
    assert host.value("SELECT count(*) FROM pop3.policy WHERE scope = %s",
                      (DOMAIN,)) == 0


def test_caller_is_kept(admin):
    admin.rows("set", "bert@example.org", "top_lines=0")
    admin.rows("unset", "bert@example.org", "top_lines")
    rows = admin.host.sql("SELECT who, caller FROM pop3.policy_history "
                          "WHERE name = 'bert@example.org'")
    assert rows
    for who, caller in rows:
        assert who == "pop3_admin"
        assert re.fullmatch(r"\S+ \(uid 0\)", caller)


def test_dry_run_changes_nothing(admin):
    rows = admin.rows("set", "--dry-run", DOMAIN, "on_dele=hide")
    assert [(row["old"], row["new"]) for row in rows] == [("inherit", "hide")]
    assert admin.rows("show", DOMAIN) == []


@pytest.mark.parametrize("args, text", [
    ([DOMAIN, "expire_retreived=14d"],
     'there is no parameter "expire_retreived": did you mean '
     '"expire_retrieved"? Parameters are: enforcement, '),
    ([DOMAIN, "on_retrieve=remove"],
     'on_retrieve: "remove" is not allowed: use keep, hide, move or delete'),
    ([DOMAIN, "expire_retrieved=2 months"], "expire_retrieved: "),
    ([DOMAIN, "preset=gmal"], "preset"),
    (["a b", "top_lines=0"], 'scope: "a b" is not allowed: use * (site)'),
    ([DOMAIN, "on_dele"], "on_dele: not of the form parameter=value"),
    ([DOMAIN, "on_dele=hide\nx"], "A parameter and its value are one line"),
])
def test_wrong_values(admin, args, text):
    assert text in admin.refused(EX_USAGE, "set", *args)
    assert admin.rows("show", DOMAIN) == []


def test_wrong_names_in_unset(admin):
    assert 'did you mean "on_dele"' in admin.refused(
        EX_USAGE, "unset", DOMAIN, "on_del")
    assert "what to unset has no value" in admin.refused(
        EX_USAGE, "unset", DOMAIN, "on_dele=hide")


def test_a_typo_does_not_expire_a_domain(admin):
    """14 seconds instead of 14 days."""
    host = admin.host
    host.set_policy("*", "on_retrieve", "keep")
    users = ["%s@typo.example" % name for name in ("dora", "emil")]
    try:
        for user in users:
            host.deliver(user, message("Kept"))
            with host.pop3(user) as pop:
                pop.retr(1)
            host.wait_sessions(user)
            host.age(user, "1 hour")
        done = admin.run("set", "@typo.example", "expire_retrieved=14s",
                         formatter="json")
        assert done.returncode == EX_DATAERR
        assert json.loads(done.stdout) == [{
            "parameter": "expire_retrieved", "old": "inherit",
            "new": "14 seconds", "users": "2", "due_before": "0",
            "due_after": "2"}]
        assert "2 messages would be removed at once" in done.stderr
        assert "nothing was changed" in done.stderr
        assert admin.rows("show", "@typo.example") == []
        for user in users:
            with host.pop3(user) as pop:
                assert pop.stat()[0] == 1
        admin.rows("set", "--yes", "@typo.example", "expire_retrieved=14s")
        assert admin.rows("show", "@typo.example") == [{
            "scope": "@typo.example", "parameter": "expire_retrieved",
            "value": "14 seconds"}]
    finally:
        host.set_policy("*", "on_retrieve", "hide")
        host.unset_policy("@typo.example", "expire_retrieved")


def test_presets(admin):
    rows = {row["preset"]: row for row in admin.rows("presets")}
    assert set(rows) == {row[0] for row in admin.host.sql(
        "SELECT name FROM pop3.preset")}
    assert rows["gmail"]["source"].startswith("Gmail")


@pytest.mark.parametrize("options, users", [
    (["-u", USERS[0]], USERS[:1]),
    (["-u", "*@example.org"], USERS[:2]),
    (["-u", "?arl@example.net"], USERS[2:]),
])
def test_status(admin, options, users):
    rows = admin.rows("status", *options)
    assert [row["username"] for row in rows] == list(users)
    for row in rows:
        assert {"enforcement": "enforce", "messages": "2",
                "hidden": "1"}.items() <= row.items()


def test_status_of_all(admin):
    found = [row["username"] for row in admin.rows("status", "-A")]
    assert set(USERS) <= set(found)
    assert found == [row[0] for row in admin.host.sql(
        "SELECT username FROM pop3.report_user ORDER BY username "
        'COLLATE "C"')]


def test_more_users_than_one_answer_has(admin, make_host):
    host = make_host()
    host.sql("INSERT INTO pop3.maildrop (username, mailbox_guid, uidvalidity, "
             "uidnext) SELECT format('user%s@example.org', n), "
             "gen_random_uuid(), 1, 1 FROM generate_series(1, 2500) n")
    found = [row["username"] for row in Admin(host).rows("status", "-A")]
    assert sorted(found) == sorted("user%d@example.org" % n
                                   for n in range(1, 2501))


def test_commands_open_no_mailbox(admin):
    """They work where there is none, and do not make one."""
    name = "no-mailbox@example.org"
    for command in ("show", "status"):
        assert admin.run(command, "-u", name).returncode == 0
    admin.run("log", "-u", name)
    assert not os.path.exists(admin.host.path("mail", name))


@pytest.fixture
def hidden(admin, user):
    """Three hidden messages of a user, by two sessions."""
    host = admin.host
    mails = [message("Invoice"), message("Letter"), message("Invoice")]
    host.deliver(user, *mails)
    for numbers in ((1, 2), (1,)):
        with host.pop3(user) as pop:
            for number in numbers:
                pop.retr(number)
    host.wait_sessions(user, 2)
    assert visible(host, user) == 0
    return [mail["Message-ID"] for mail in mails]


def visible(host, user):
    with host.pop3(user) as pop:
        return pop.stat()[0]


@pytest.mark.parametrize("args, count", [
    (["subject", "Invoice"], 2),
    (["mailbox", "INBOX", "subject", "Letter"], 1),
    (["subject", "nothing"], 0),
    (["--since", "1h"], 3),
    (["--until", "1h"], 0),
    (["--since", "2026-01-01", "--until", "2099-01-01 00:00"], 3),
    (["--since", "1h", "subject", "Letter"], 1),
    (["--all"], 3),
])
def test_restore(admin, user, hidden, args, count):
    host = admin.host
    assert admin.rows("restore", "-u", user, *args) == [
        {"restored": str(count)}]
    assert visible(host, user) == count
    detail = [row["detail"] for row in host.audit(user)
              if row["event"] == "restored"]
    assert len(detail) == count
    for text in detail:
        assert re.match(r"by pop3_admin for \S+ \(uid 0\); was hidden by "
                        "retrieved", text)


def test_restore_by_message_id(admin, user, hidden):
    assert admin.rows("restore", "-u", user, "-m", hidden[1]) == [
        {"restored": "1"}]
    with admin.host.pop3(user) as pop:
        assert b"Subject: Letter" in pop.top(1, 0)[1]


def test_restore_by_the_doveadm_service(admin, user, hidden):
    """The mail process is another one, and has no terminal."""
    assert admin.rows("restore", "-S", admin.host.path("run", "doveadm-server"),
                      "-u", user, "subject", "Invoice") == [{"restored": "2"}]
    assert visible(admin.host, user) == 2


def test_restore_by_session(admin, user, hidden):
    session = admin.rows("log", "-m", hidden[0])[0]["session"]
    assert admin.rows("restore", "-u", user, "--session", session) == [
        {"restored": "2"}]


def test_restore_several_users(admin):
    host = admin.host
    users = ["%s@restore.example" % name for name in ("fay", "gus")]
    with open(host.path("users"), "a") as file:
        file.writelines("%s:::::::\n" % user for user in users)
    for user in users:
        host.deliver(user, message("Hidden"))
        with host.pop3(user) as pop:
            pop.retr(1)
        host.wait_sessions(user)
    done = admin.run("restore", "-u", "*@restore.example", "--all",
                     formatter="json")
    assert done.returncode == 0, done.stderr
    assert sorted(row["username"] for row in json.loads(done.stdout)) == users
    assert [visible(host, user) for user in users] == [1, 1]


def test_restore_wants_to_know_what(admin, user, hidden):
    done = admin.run("restore", "-u", user)
    assert done.returncode == EX_USAGE
    assert "Say which hidden messages" in done.stderr
    assert visible(admin.host, user) == 0


def test_log(admin, user, hidden):
    rows = admin.rows("log", "-u", user)
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    found = [row for row in rows if row["message_id"] == hidden[0]]
    assert len(found) == 1
    assert {"username": user, "what": "hidden", "rule": "retrieved",
            "scope": "*", "address": "127.0.0.1"}.items() <= found[0].items()
    assert found[0]["session"] != ""


@pytest.mark.parametrize("args, empty", [
    (["--since", "1h"], False),
    (["--until", "1h"], True),
    (["--since", "2099-01-01"], True),
])
def test_log_of_a_time(admin, user, hidden, args, empty):
    assert (admin.rows("log", "-u", user, *args) == []) == empty


def test_log_of_a_message(admin, hidden):
    for name in (hidden[2], hidden[2].strip("<>")):
        rows = admin.rows("log", "--message-id", name)
        assert [row["what"] for row in rows] == ["hidden"]


def test_log_of_a_session(admin, user, hidden):
    session = admin.rows("log", "-m", hidden[0])[0]["session"]
    rows = admin.rows("log", "--session", session)
    assert {row["message_id"] for row in rows if row["message_id"]} == \
        set(hidden[:2])
    assert {row["username"] for row in rows} == {user}


def test_log_has_a_limit(admin, user, hidden):
    rows = admin.rows("log", "-u", user)
    assert admin.rows("log", "-u", user, "--limit", "2") == rows[-2:]


def test_log_as_text(admin, user, hidden):
    done = admin.run("log", "-m", hidden[1], formatter="flow")
    assert re.match(r"^\d{4}-\d\d-\d\dT\S+ %s hidden rule=retrieved scope=\* "
                    r"address=127\.0\.0\.1 " % re.escape(user), done.stdout)


@pytest.mark.parametrize("command, args", [
    ("show", ["-u", USERS[0], "@example.org"]),
    ("show", ["--explain"]),
    ("set", [DOMAIN]),
    ("set", []),
    ("unset", []),
    ("status", []),
    ("log", []),
    ("log", ["-u", USERS[0], "--limit", "0"]),
])
def test_usage(admin, command, args):
    done = admin.run(command, *args)
    assert done.returncode == EX_USAGE
    assert "pop3-policy %s" % command in done.stderr


def test_wrong_time(admin):
    assert 'invalid input syntax for type timestamp' in admin.refused(
        EX_USAGE, "log", "-u", USERS[0], "--since", "sometime")


def test_setting_of_the_socket(admin, make_host):
    host = make_host(plugin_settings={
        "pop3_policy_admin_socket": "no-such-socket"})
    error = Admin(host).refused(EX_TEMPFAIL, "show")
    assert re.search(r"connect\(%s\) failed: No such file or directory"
                     % re.escape(host.path("run", "no-such-socket")), error)


def test_database_away(make_host):
    host = make_host(own_pg=True)
    admin = Admin(host)
    assert admin.rows("show")
    host.pg.stop("immediate")
    assert "database" in admin.refused(EX_TEMPFAIL, "show")
    host.pg.start()

    def answered():
        return admin.run("show").returncode == 0
    wait_until(answered, what="the database to be asked again")
