# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""doveadm pop3-policy uninstall: count, convert, export, drop."""

import csv
import json
import os
import shutil

import pytest

import dovecot_2_3
import dovecot_2_4
from dovecot import wait_until
from host import message
from pg import SQL_DIR

EX_USAGE = 64
EX_DATAERR = 65
EX_CANTCREAT = 73
EX_TEMPFAIL = 75

USERS = ("anna@example.org", "bert@example.org", "carl@example.net")

USERDB = {
    dovecot_2_3: "userdb {{\n  driver = passwd-file\n"
                 "  args = username_format=%u {path}\n}}\n",
    dovecot_2_4: "userdb passwd-file {{\n  passwd_file_path = {path}\n}}\n",
}


class Site:
    """USERS, of whom the first two hid two of three messages each."""

    def __init__(self, host):
        self.host = host
        with open(host.path("users"), "w") as file:
            file.writelines("%s:::::::\n" % user for user in USERS)
        os.chmod(host.path("users"), 0o644)
        host.extra += USERDB[host.dialect].format(path=host.path("users"))
        host.restart()
        shutil.copytree(SQL_DIR, host.path("sql"))
        host.set_policies("*", on_retrieve="hide")
        for user in USERS:
            host.deliver(user, *[message(text) for text in "abc"])
            with host.pop3(user) as pop:
                if user != USERS[2]:
                    pop.retr(1)
                    pop.retr(2)
            if user != USERS[2]:
                host.wait_sessions(user)

    def run(self, *args):
        return self.host.run("doveadm", "-f", "json", "pop3-policy",
                             "uninstall", *args)

    def rows(self, *args):
        done = self.run(*args)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def owner(self, command, *args):
        return self.run(command, "--connect", self.host.pguri(), "--sql-dir",
                        self.host.path("sql"), *args)

    def intents(self, user):
        return [(row["uid"], row["action"], row["moved_to"])
                for row in self.host.audit(user)
                if row["event"] == "intent" and row["reason"] == "admin"]

    def hidden(self):
        return self.host.value("SELECT count(*) FROM pop3.message "
                               "WHERE hidden_at IS NOT NULL")


@pytest.fixture
def site(make_host):
    return Site(make_host())


def test_count(site):
    done = site.run("--dry-run")
    assert json.loads(done.stdout) == [
        {"username": USERS[0], "hidden": 2}, {"username": USERS[1],
                                              "hidden": 2}]
    assert "4 hidden messages of 2 users" in done.stderr
    assert site.rows("-u", USERS[0]) == [{"username": USERS[0], "hidden": 2}]
    assert site.rows("-u", "*@example.net") == []
    # nothing is hidden from them now
    site.host.set_policy(USERS[0], "enforcement", "observe")
    assert site.rows("-A") == [{"username": USERS[1], "hidden": 2}]
    with site.host.pop3(USERS[0]) as pop:
        assert pop.stat()[0] == 3


def test_convert_by_deletion(site):
    before = len(site.host.audit(USERS[0]))
    assert site.rows("convert", "-A", "--dry-run", "delete") == [
        {"username": user, "messages": 2} for user in USERS[:2]]
    assert site.host.imap_uids(USERS[0]) == [1, 2, 3]
    assert len(site.host.audit(USERS[0])) == before

    assert site.rows("convert", "-A", "delete") == [
        {"username": user, "messages": 2} for user in USERS[:2]]
    for user in USERS[:2]:
        assert site.host.imap_uids(user) == [3]
        assert site.intents(user) == [(1, "expunge", None),
                                      (2, "expunge", None)]
        site.host.wait_audit(user, "committed", 2)
    assert site.host.imap_uids(USERS[2]) == [1, 2, 3]
    assert wait_until(lambda: site.hidden() == 0)
    assert site.rows("--dry-run") == []
    assert site.rows("convert", "-A", "delete") == []
    assert site.host.value("SELECT count(*) FROM pop3.sweep") == 0
    with site.host.pop3(USERS[0]) as pop:
        assert pop.stat()[0] == 1


@pytest.mark.parametrize("options, mailbox", [
    ([], "Trash"), (["--mailbox", "Downloaded"], "Downloaded")])
def test_convert_by_moving(site, options, mailbox):
    user = USERS[0]
    done = site.run("convert", "-u", user, *options, "move")
    assert done.returncode == 0, done.stderr
    assert site.host.imap_uids(user) == [3]
    assert len(site.host.imap_uids(user, mailbox)) == 2
    assert site.intents(user) == [(1, "move", mailbox), (2, "move", mailbox)]
    assert wait_until(lambda: site.hidden() == 2)
    # the other's
    assert site.rows() == [{"username": USERS[1], "hidden": 2}]


def test_what_keeps_hidden_mail(site):
    """A hold, a pause, and a mailbox that has other messages now."""
    site.host.set_policy(USERS[0], "pop3_hold", "yes")
    done = site.run("convert", "-A", "delete")
    assert done.returncode == EX_TEMPFAIL
    assert "%s: pop3_hold" % USERS[0] in done.stderr
    assert site.host.imap_uids(USERS[0]) == [1, 2, 3]
    assert site.host.imap_uids(USERS[1]) == [3]
    site.host.unset_policy(USERS[0], "pop3_hold")
    site.host.doveadm("pop3-policy", "pause")
    done = site.run("convert", "-u", USERS[0], "delete")
    assert done.returncode == EX_TEMPFAIL
    assert "removals are stopped" in done.stderr
    assert site.host.imap_uids(USERS[0]) == [1, 2, 3]
    site.host.doveadm("pop3-policy", "resume")
    site.host.sql("UPDATE pop3.message SET message_guid = gen_random_uuid() "
                  "WHERE uid = 1")
    assert site.run("convert", "-u", USERS[0], "delete").returncode == 0
    assert site.host.imap_uids(USERS[0]) == [1, 3]
    assert wait_until(lambda: site.hidden() == 0)


def test_convert_much(site):
    """More than are removed at a time."""
    user = "many@example.org"
    site.host.deliver(user, *[message("Mail")] * 1003)
    with site.host.pop3(user) as pop:
        for number in range(1, 1003):
            pop.retr(number)
    site.host.wait_sessions(user)
    done = site.run("convert", "-u", user, "delete")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [{"messages": 1002}]
    assert site.host.imap_uids(user) == [1003]


def test_convert_says_what_is_missing(site):
    for args in ([], ["nonsense"], ["--mailbox", "Trash", "delete"]):
        done = site.run("convert", "-A", *args)
        assert done.returncode == EX_USAGE
        assert "delete, or move" in done.stderr


def test_export(site, tmp_path):
    directory = tmp_path / "export"
    done = site.owner("export", str(directory))
    assert done.returncode == 0, done.stderr
    rows = {os.path.basename(row["file"]): row["bytes"]
            for row in json.loads(done.stdout)}
    assert {"audit.csv", "session.csv", "policy.csv", "policy_history.csv",
            "chain.csv", "message.csv"} <= set(rows)
    assert set(rows) == set(os.listdir(directory))
    for name, size in rows.items():
        status = os.stat(directory / name)
        assert (status.st_size, status.st_mode & 0o777) == (size, 0o600)
    with open(directory / "audit.csv", newline="") as file:
        exported = list(csv.DictReader(file))
    assert len(exported) == site.host.value("SELECT count(*) FROM pop3.audit")
    assert {row["username"] for row in exported} == set(USERS[:2])
    # nothing is written over
    done = site.owner("export", str(directory))
    assert done.returncode == EX_CANTCREAT
    done = site.owner("export", str(tmp_path / "no" / "where"))
    assert done.returncode == EX_CANTCREAT


def test_drop(site):
    done = site.owner("drop")
    assert done.returncode == EX_DATAERR
    assert "say --yes" in done.stderr
    done = site.owner("drop", "--yes")
    assert done.returncode == EX_TEMPFAIL
    assert "services are connected" in done.stderr
    # the plugin is taken out
    site.host.stop()
    done = site.owner("drop", "--yes")
    assert done.returncode == EX_TEMPFAIL
    assert "4 messages are hidden: nothing was dropped" in done.stderr
    site.host.sql("CREATE VIEW public.mine AS SELECT * FROM pop3.report_user")
    done = site.owner("drop", "--yes", "--even-hidden")
    assert done.returncode == EX_TEMPFAIL
    assert "mine depends on view pop3.report_user" in done.stderr
    site.host.sql("DROP VIEW public.mine")
    assert site.hidden() == 4
    done = site.owner("drop", "--yes", "--even-hidden")
    assert done.returncode == 0, done.stderr
    assert "Schema pop3 was dropped" in done.stdout
    assert site.host.value("SELECT to_regnamespace('pop3')") is None
    done = site.owner("drop", "--yes")
    assert "there is no schema pop3" in done.stderr
    # and it can be installed again
    site.host.pg.install_schema(test=False, dbname=site.host.dbname)
    assert site.host.value("SELECT count(*) FROM pop3.schema_version") > 0
