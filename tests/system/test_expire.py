# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""doveadm pop3-policy expire: what is due goes without a login."""

import concurrent.futures
import json
import os
import re
import signal
import subprocess

import pytest

import dovecot_2_3
import dovecot_2_4
from dovecot import wait_until
from host import message

USERDB = {
    dovecot_2_3: "userdb {{\n  driver = passwd-file\n"
                 "  args = username_format=%u {path}\n}}\n",
    dovecot_2_4: "userdb passwd-file {{\n  passwd_file_path = {path}\n}}\n",
}


class Site:
    """A host whose userdb lists the users that it has."""

    def __init__(self, host):
        self.host = host
        host.set_policies("*", expire_retrieved="7d", expire_unretrieved="60d")
        self._write([])
        host.extra += USERDB[host.dialect].format(path=host.path("users"))
        host.restart()

    def _write(self, users):
        with open(self.host.path("users"), "w") as file:
            file.writelines("%s:::::::\n" % user for user in users)
        os.chmod(self.host.path("users"), 0o644)

    def add(self, *users, retrieved=2, others=1, age="8 days"):
        """Users who retrieved some of their messages a while ago."""
        with open(self.host.path("users"), "a") as file:
            file.writelines("%s:::::::\n" % user for user in users)
        for user in users:
            self.host.deliver(user, *[message("Mail")] * (retrieved + others))
            with self.host.pop3(user) as pop:
                for number in range(1, retrieved + 1):
                    pop.retr(number)
            self.host.wait_sessions(user)
            self.host.age(user, age)

    def start(self, *args):
        return subprocess.Popen(
            [self.host.path("bin", "doveadm"), "-f", "json", "pop3-policy",
             "expire", *args], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def expire(self, *args, stopped=None):
        """{user: {rule: messages}} of the users for whom there is a line; the
        key is None where one user was named. stopped: by what removals are, as
        the command is to say."""
        process = self.start(*args)
        out, error = process.communicate()
        if stopped is None:
            assert process.returncode == 0, error
        else:
            assert process.returncode == 75
            error, count = re.subn(
                r".* Error: pop3-policy: Removals by policy are stopped "
                r"\(%s\): .*\n" % stopped, "", error)
            assert count == 1, error
        # what was repaired is told
        assert re.sub(r".* Info: pop3-policy: Repaired .*\n", "", error) == ""
        found = {}
        for row in json.loads(out):
            rules = found.setdefault(row.get("username"), {})
            rules[row["rule"]] = rules.get(row["rule"], 0) + row["messages"]
        return found

    def left(self, user):
        """UIDs in the mailbox, by IMAP so that nothing is done by a login."""
        return self.host.imap_uids(user)

    def expunged(self, user):
        """UIDs and rules by the audit."""
        return sorted((row["uid"], row["reason"])
                      for row in self.host.audit(user)
                      if row["event"] == "expunged")


@pytest.fixture
def site(make_host):
    return Site(make_host())


def test_removes_what_is_due(site):
    user = "anna@example.org"
    site.add(user)
    before = site.host.rows("SELECT * FROM pop3.maildrop")[0]
    assert site.expire("-u", user) == {None: {"expired-retrieved": 2}}
    assert site.left(user) == [3]
    intents = [row for row in site.host.audit(user)
               if row["reason"] == "expired-retrieved"]
    assert sorted({row["uid"] for row in intents}) == [1, 2]
    after = wait_until(lambda: next(iter(site.host.rows(
        "SELECT * FROM pop3.maildrop WHERE messages = 1")), None))
    # nobody logged in
    for name in ("last_login_at", "last_quit_at", "sessions"):
        assert after[name] == before[name]
    assert site.expire("-u", user) == {}
    # the owner sees what is left, with a session as ever
    with site.host.pop3(user) as pop:
        assert pop.stat()[0] == 1


def test_dry_run(site):
    site.add("anna@example.org")
    site.add("bert@example.org", age="61 days")
    rows = site.host.value("SELECT count(*) FROM pop3.audit")
    assert site.expire("-A", "--dry-run") == {
        "anna@example.org": {"expired-retrieved": 2},
        "bert@example.org": {"expired-retrieved": 2,
                             "expired-unretrieved": 1}}
    assert site.left("anna@example.org") == [1, 2, 3]
    assert site.host.value("SELECT count(*) FROM pop3.audit") == rows
    assert site.host.value("SELECT count(*) FROM pop3.sweep") == 0
    assert site.expire("-A")["bert@example.org"] == {
        "expired-retrieved": 2, "expired-unretrieved": 1}
    assert site.left("bert@example.org") == []


def test_opens_only_mailboxes_with_due_mail(site):
    site.add("due@example.org")
    site.add(*["user%d@example.org" % n for n in range(5)], age="1 day")
    process = subprocess.run(
        [site.host.path("bin", "doveadm"), "-D", "pop3-policy", "expire",
         "-A"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert process.returncode == 0
    # who a line is about
    assert set(re.findall(r"doveadm\(([^),]+@[^),]+)\)",
                          process.stderr)) == {"due@example.org"}
    assert site.left("due@example.org") == [3]


def test_users_never_seen_get_a_watermark(site):
    user = "new@example.org"
    with open(site.host.path("users"), "a") as file:
        file.write("%s:::::::\n" % user)
    site.host.deliver(user, message("Mail"))
    assert site.expire("-A") == {}
    rows = wait_until(lambda: site.host.sql(
        "SELECT w.uidnext FROM pop3.watermark w JOIN pop3.maildrop d "
        "USING (maildrop_id) WHERE d.username = %s", (user,)))
    assert rows == [(2,)]
    assert site.host.value("SELECT last_login_at FROM pop3.maildrop") is None
    site.host.age(user, "61 days")
    assert site.expire("-A") == {user: {"expired-unretrieved": 1}}


def test_pause_stops_it(site):
    site.add("anna@example.org")
    site.host.doveadm("pop3-policy", "pause")
    assert site.expire("-A", stopped="paused") == {}
    assert site.expire("-u", "anna@example.org", stopped="paused") == {}
    assert site.expire("-A", "--dry-run") == {}
    assert site.left("anna@example.org") == [1, 2, 3]
    site.host.doveadm("pop3-policy", "resume")
    assert site.expire("-A") == {"anna@example.org": {"expired-retrieved": 2}}


def test_several_at_once(site):
    users = ["user%d@example.org" % n for n in range(8)]
    site.add(*users)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: site.expire("-A"), range(3)))
    done = [user for result in results for user in result]
    assert sorted(done) == users
    for user in users:
        assert site.left(user) == [3]
        rows = [row["uid"] for row in site.host.audit(user)
                if row["event"] == "intent"]
        assert len(rows) == len(set(rows))


def test_killed_and_run_again(site):
    users = ["user%d@example.org" % n for n in range(6)]
    site.add(*users)
    for delay in (0.15, 0.2, 0.25, 0.3):
        process = site.start("-A")
        try:
            process.communicate(timeout=delay)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    site.host.sql("DELETE FROM pop3.sweep")
    site.host.sql("UPDATE pop3.intent SET lease_until = now() - interval '1 s'"
                  " WHERE state <> 'closed'")
    # settles what was left open, and removes what is due of that
    site.expire("-A")
    for user in users:
        assert site.left(user) == [3]
    wait_until(lambda: site.host.value(
        "SELECT count(*) FROM pop3.intent WHERE state <> 'closed'") == 0)


def test_what_was_left_open_goes_at_once(site):
    """An intent whose session is over, with nothing done yet."""
    user = "anna@example.org"
    site.add(user)
    site.host.sql("""
        INSERT INTO pop3.intent
               (session_id, intent_no, maildrop_id, username, chain_id,
                first_seq, state, lease_until, mailbox_guid, uidvalidity, uid,
                guid, size, action, reason)
        SELECT gen_random_uuid(), 1, d.maildrop_id, d.username,
               gen_random_uuid(), 1, 'abandoned', now(), d.mailbox_guid,
               d.uidvalidity, array_agg(m.uid ORDER BY m.uid),
               array_agg(m.message_guid ORDER BY m.uid),
               array_agg(m.size ORDER BY m.uid),
               array_agg('expunge'::text),
               array_agg('expired-retrieved'::text)
          FROM pop3.maildrop d JOIN pop3.message m USING (maildrop_id)
         WHERE d.username = %s GROUP BY d.maildrop_id""", (user,))
    assert site.expire("-A") == {user: {"expired-retrieved": 2}}
    assert site.left(user) == [3]
    site.host.wait_audit(user, "committed")
    assert [row["event"] for row in site.host.audit(user)
            if row["event"] in ("released", "intent", "committed")] == \
        ["released", "released", "intent", "intent", "committed"]


def test_more_than_are_done_at_a_time(site):
    user = "many@example.org"
    site.add(user, retrieved=1050, others=2)
    assert site.expire("-A") == {user: {"expired-retrieved": 1050}}
    assert site.left(user) == [1051, 1052]


def test_without_the_plugin(make_host):
    host = make_host()
    host.extra += "\nprotocol doveadm {\n  mail_plugins =\n}\n" \
        if host.dialect is dovecot_2_3 else \
        "\nprotocol doveadm {\n  mail_plugins {\n    pop3_policy = no\n  }\n}\n"
    host.restart()
    done = host.run("doveadm", "pop3-policy", "expire", "-u", "a@example.org")
    assert done.returncode == 75
    assert "not among doveadm's mail_plugins" in done.stderr
