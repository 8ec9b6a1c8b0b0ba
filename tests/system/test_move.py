# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""on_retrieve=move, on_dele=move: messages go to move_mailbox."""

import fcntl
import os
import time

import pytest

from dovecot import wait_until
from host import message
from maildrop import (Maildrop, Quit, intents_held, kill_process, pop3_pid,
                      wait_blocked)

FORMATS = ["sdbox", "mdbox", "maildir"]
NOT_MOVED = "-ERR [SYS/TEMP] No message was removed: the mail service cannot " \
    "put messages into the mailbox that they are to be moved to."


@pytest.fixture(scope="module", params=FORMATS)
def format_host(request, make_module_host):
    return make_module_host(mail_format=request.param)


@pytest.fixture
def drop(format_host, user):
    """Three messages; what is retrieved or deleted is moved to POP/Old."""
    found = Maildrop(format_host, user)
    found.deliver(3)
    format_host.set_policies(user, on_dele="move", on_retrieve="move",
                             move_mailbox="POP-Old")
    return found


def headers(drop, mailbox, field="subject"):
    text = drop.host.doveadm("-f", "tab", "fetch", "-u", drop.user,
                             "hdr." + field, "mailbox", mailbox, "ALL")
    return text.splitlines()[1:]


def fetch(drop, mailbox, field):
    text = drop.host.doveadm("-f", "tab", "fetch", "-u", drop.user, field,
                             "mailbox", mailbox, "ALL")
    return text.splitlines()[1:]


def test_retrieved_message_is_moved(drop):
    before = drop.stored()
    drop.session(retr=[2])
    assert drop.uids() == [1, 3]
    assert list(drop.stored("POP-Old").values()) == [before[2]]
    assert headers(drop, "POP-Old") == ["Message 2"]
    rows = drop.host.audit(drop.user)
    assert [(row["event"], row["action"], row["reason"], row["uid"],
             row["moved_to"]) for row in rows] == [
        ("intent", "move", "retrieved", 2, "POP-Old"),
        ("committed", None, None, None, None)]
    session = drop.host.sessions(drop.user)[-1]
    assert str(session["removed"]) == str(session["retrieved"]) == "{[2,3)}"
    assert session["messages"] == 2
    assert drop.state() == {}
    assert drop.view() == [1, 3]


def test_deleted_message_is_moved(drop):
    before = drop.stored()
    drop.session(dele=[1, 3])
    assert drop.uids() == [2]
    assert list(drop.stored("POP-Old").values()) == [before[1], before[3]]
    assert [(row["action"], row["reason"], row["uid"])
            for row in drop.host.audit(drop.user)][:2] == [
        ("move", "dele", 1), ("move", "dele", 3)]


def test_body_stays_the_same(drop):
    text = "x" * 70 + "\n.\n\nl\u00e4st line\n"
    drop.host.deliver(drop.user, message("Message 4", body=text * 50))
    drop.host.doveadm("expunge", "-u", drop.user, "mailbox", "INBOX",
                      "uid", "1:3")
    before = fetch(drop, "INBOX", "text")
    drop.session(retr=[4])
    assert fetch(drop, "POP-Old", "text") == before
    assert "l\u00e4st line" in "\n".join(before) or \
        "l=C3=A4st line" in "\n".join(before)


def test_flags_keywords_and_dates_survive(drop):
    imap = drop.host.imap(drop.user)
    imap.uid("STORE", "1", "+FLAGS", "(\\Flagged \\Answered $Label1 Work)")
    imap.logout()
    dates = fetch(drop, "INBOX", "date.received")
    drop.session(dele=[1, 2])
    flags = [set(line.split()) - {"\\Recent"}
             for line in fetch(drop, "POP-Old", "flags")]
    assert flags == [{"\\Flagged", "\\Answered", "$Label1", "Work"}, set()]
    assert fetch(drop, "POP-Old", "date.received") == dates[:2]


@pytest.mark.parametrize("mark_seen,expected", [
    ("yes", [True, False]), ("no", [False, False]),
    ("as-configured", [True, False])])
def test_seen(drop, mark_seen, expected):
    drop.host.set_policies(drop.user, mark_seen=mark_seen)
    drop.session(retr=[1], dele=[2])
    assert ["\\Seen" in flags for flags in
            fetch(drop, "POP-Old", "flags")] == expected


def test_mailbox_is_created_and_subscribed(drop):
    def mailboxes(*options):
        return drop.host.doveadm("mailbox", "list", "-u", drop.user,
                                 *options).split()
    assert "POP-Old" not in mailboxes()
    drop.session(retr=[1])
    assert "POP-Old" in mailboxes()
    assert "POP-Old" in mailboxes("-s")


def test_mailbox_is_there(drop):
    """It is not subscribed to again."""
    drop.host.doveadm("mailbox", "create", "-u", drop.user, "POP-Old")
    drop.session(retr=[1])
    assert len(drop.stored("POP-Old")) == 1
    assert "POP-Old" not in drop.host.doveadm("mailbox", "list", "-u",
                                              drop.user, "-s").split()


@pytest.mark.parametrize("name", [
    "Gel\u00f6schte Nachrichten", "\u5df2\u5220\u9664", "a & b",
    "x" * 100])
def test_names(drop, name):
    drop.host.set_policies(drop.user, move_mailbox=name)
    drop.session(retr=[1], dele=[2])
    assert headers(drop, name) == ["Message 1", "Message 2"]
    assert drop.uids() == [3]
    assert name in drop.host.doveadm("-f", "flow", "mailbox", "list", "-8",
                                     "-u", drop.user, "*")


def test_trash_is_the_default(drop):
    drop.host.unset_policy(drop.user, "move_mailbox")
    drop.session(dele=[1])
    assert headers(drop, "Trash") == ["Message 1"]


def test_many(drop):
    drop.deliver(600)
    drop.session(dele=range(1, 604))
    assert drop.uids() == []
    assert headers(drop, "POP-Old") == [
        "Message %d" % number for number in range(1, 604)]


def test_dropped_session_moves_nothing(drop):
    drop.session(retr=[1], dele=[2], end="drop")
    assert drop.uids() == [1, 2, 3]
    assert drop.events() == []


def test_stronger_rule(format_host, user):
    drop = Maildrop(format_host, user)
    drop.deliver(3)
    format_host.set_policies(user, on_dele="delete", on_retrieve="move")
    drop.session(retr=[1, 2], dele=[2, 3])
    assert headers(drop, "Trash") == ["Message 1"]
    assert drop.uids() == []


def test_hold_hides(drop):
    drop.host.set_policies(drop.user, pop3_hold="yes")
    drop.session(retr=[1], dele=[2])
    assert drop.uids() == [1, 2, 3]
    assert drop.hidden() == [1, 2]
    assert drop.view() == [3]
    assert "POP-Old" not in drop.host.doveadm("mailbox", "list", "-u",
                                              drop.user)


def test_observe(drop):
    drop.host.set_policies(drop.user, enforcement="observe")
    drop.session(retr=[1, 2], dele=[2])
    assert drop.uids() == [1, 3]
    assert drop.host.sql(
        "SELECT uid, rule FROM pop3.report_would_remove "
        "WHERE username = %s", (drop.user,)) == [(1, "retrieved")]


def test_off(drop):
    drop.host.set_policies(drop.user, enforcement="off")
    drop.session(retr=[1, 2], dele=[2])
    assert drop.uids() == [1, 3]


def test_two_sessions_move_the_same(drop):
    """There is one copy of each."""
    for _ in range(3):
        pops = [drop.host.pop3(drop.user) for _ in range(4)]
        for pop in pops:
            for number in (1, 2, 3):
                pop.dele(number)
        # all go on at the same moment
        with intents_held(drop.host):
            quits = [Quit(pop) for pop in pops]
            wait_blocked(drop.host)
            time.sleep(0.2)
        assert all(quit_.wait().startswith("+OK") for quit_ in quits)
        drop.wait_idle()
        assert drop.uids() == []
        guids = list(drop.stored("POP-Old").values())
        assert len(guids) == len(set(guids)) == 3
        drop.host.doveadm("expunge", "-u", drop.user, "mailbox", "POP-Old",
                          "ALL")
        drop.host.deliver(drop.user, *(
            message("Message %d" % uid) for uid in (1, 2, 3)))


def test_stale_policy_moves_elsewhere(drop):
    pop = drop.host.pop3(drop.user)
    pop.dele(1)
    drop.host.set_policies(drop.user, move_mailbox="Other")
    pop.quit()
    drop.wait_idle()
    assert headers(drop, "Other") == ["Message 1"]
    assert drop.uids() == [2, 3]


# --- it cannot be done ---

def check_failed(drop, pop, before, reason):
    """QUIT says so, nothing is removed, and the intent is settled."""
    answer = Quit(pop).wait()
    assert answer.startswith(NOT_MOVED), answer
    assert "wait" in answer
    drop.wait_idle()
    drop.settle()
    assert drop.stored() == before
    assert drop.open_intents() == []
    assert drop.events("committed", "presumed") == []
    assert drop.host.sessions(drop.user)[-1]["ended_by"] == "update-failed"
    assert drop.host.log_contains(r"%s.*UPDATE failed, nothing was removed: "
                                  r".*%s" % (drop.user, reason))
    assert drop.view() == list(before)


@pytest.mark.parametrize("name", ["../evil", "a//b", "/etc/x", "x/", "~nobody"])
def test_forbidden_name(drop, name):
    drop.host.set_policies(drop.user, move_mailbox=name)
    before = drop.stored()
    pop = drop.host.pop3(drop.user)
    pop.retr(1)
    pop.dele(2)
    check_failed(drop, pop, before, "Opening it failed")
    assert drop.events("intent") == []


def test_no_right_to_create(drop):
    """The directory is read-only."""
    before = drop.stored()
    pop = drop.host.pop3(drop.user)
    pop.dele(2)
    roots = [path for path in (
        os.path.join(drop.home, "sdbox", "mailboxes"),
        os.path.join(drop.home, "mdbox", "mailboxes"),
        os.path.join(drop.home, "Maildir")) if os.path.isdir(path)]
    assert len(roots) == 1
    os.chmod(roots[0], 0o500)
    try:
        answer = Quit(pop).wait()
    finally:
        os.chmod(roots[0], 0o700)
    assert answer.startswith(NOT_MOVED), answer
    drop.wait_idle()
    assert drop.stored() == before
    drop.session(dele=[2])
    assert headers(drop, "POP-Old") == ["Message 2"]


def test_no_right_to_write(drop):
    """The intent is durable already, and released."""
    drop.session(dele=[3])
    before = drop.stored()
    pop = drop.host.pop3(drop.user)
    pop.dele(2)
    (target,) = [path for path in (
        os.path.join(drop.home, "sdbox/mailboxes/POP-Old/dbox-Mails"),
        os.path.join(drop.home, "mdbox/mailboxes/POP-Old/dbox-Mails"),
        os.path.join(drop.home, "Maildir/.POP-Old/tmp"))
        if os.path.isdir(path)]
    files = [os.path.join(target, name) for name in os.listdir(target)]
    for path in files:
        os.chmod(path, 0o400)
    os.chmod(target, 0o500)
    try:
        answer = Quit(pop).wait()
    finally:
        os.chmod(target, 0o700)
        for path in files:
            os.chmod(path, 0o600)
    assert answer.startswith(NOT_MOVED), answer
    drop.wait_idle()
    drop.settle()
    assert drop.stored() == before
    assert drop.view() == [1, 2]
    drop.settle()
    assert drop.open_intents() == []
    drop.session(dele=[2])
    assert headers(drop, "POP-Old") == ["Message 3", "Message 2"]


# --- crashes ---

def test_killed_between_copy_and_expunge(drop):
    """The copies are committed, the messages are still there. The next move
    makes no second copy."""
    drop.session(dele=[3])
    before = drop.stored()
    pop = drop.host.pop3(drop.user)
    pop.retr(1)
    pop.dele(2)
    pid = pop3_pid(drop.host)
    with drop.locked_log():
        quit_ = Quit(pop)
        wait_until(lambda: len(drop.stored("POP-Old")) == 3,
                   what="the copies to be committed")
        assert quit_.waiting()
        kill_process(drop.host, pid)
    assert quit_.wait() == ""
    assert drop.stored() == before
    assert drop.view_when_accepted() == [1, 2]
    assert sorted(drop.wait_events("released", 2)) == [1, 2]
    assert drop.open_intents() == []
    assert drop.retrieved() == []
    drop.session(retr=[1], dele=[2])
    assert drop.uids() == []
    copies = list(drop.stored("POP-Old").values())
    assert len(copies) == 3 and set(before.values()) < set(copies)
    assert sorted(headers(drop, "POP-Old")) == [
        "Message 1", "Message 2", "Message 3"]


def test_copy_that_was_made_meanwhile(drop):
    """A copy that IMAP made counts as well."""
    imap = drop.host.imap(drop.user)
    imap.create("POP-Old")
    imap.uid("COPY", "1", "POP-Old")
    imap.logout()
    drop.wait_idle()
    copied = drop.stored("POP-Old").values()
    assert list(copied) == [drop.stored()[1]]
    drop.session(dele=[1, 2])
    assert drop.uids() == [3]
    assert headers(drop, "POP-Old") == ["Message 1", "Message 2"]


# --- a target that sessions create at the same time ---

def test_one_session_after_the_other_looks_for_the_target(drop):
    """Before it locks anything of Dovecot's list of mailboxes: else two could
    wait for each other."""
    drop.session(retr=[])
    sessions = [drop.host.pop3(drop.user) for _ in range(2)]
    for number, pop in enumerate(sessions):
        pop.dele(number + 1)
    path = os.path.join(os.path.dirname(drop.inbox_log()),
                        "pop3-policy-target.lock")
    with open(path, "w") as file:
        os.chmod(path, 0o666)
        fcntl.lockf(file, fcntl.LOCK_EX)
        quits = [Quit(pop) for pop in sessions]
        # long enough to create it
        time.sleep(0.5)
        assert all(quit_.waiting() for quit_ in quits)
        assert drop.host.audit(drop.user) == []
        with open(drop.file("dovecot.list.index.log"), "r+b") as log:
            fcntl.lockf(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert [quit_.wait()[:3] for quit_ in quits] == ["+OK", "+OK"]
    assert drop.uids() == [3]
    assert sorted(headers(drop, "POP-Old")) == ["Message 1", "Message 2"]
    assert not os.path.exists(path)


def test_sessions_that_create_the_target_at_once(format_host, user):
    """Trash, which is created as soon as it is opened."""
    format_host.set_policies("@many.example", on_dele="move")
    for name in range(10):
        drop = Maildrop(format_host, "%s-%d@many.example" % (
            user.split("@")[0], name))
        drop.deliver(6)
        sessions = [format_host.pop3(drop.user) for _ in range(6)]
        for number, pop in enumerate(sessions):
            pop.dele(number + 1)
        quits = [Quit(pop) for pop in sessions]
        assert [quit_.wait()[:3] for quit_ in quits] == 6 * ["+OK"]
        assert len(headers(drop, "Trash")) == 6


# --- quota ---

@pytest.fixture(scope="module")
def quota_host(make_module_host):
    return make_module_host(mail_plugins="quota", plugin_settings={
        "quota": "count:User quota", "quota_vsizes": "yes",
        "quota_rule": "*:storage=1G"})


def test_full_quota(quota_host, user):
    """Within one root moving needs no room."""
    drop = Maildrop(quota_host, user)
    quota_host.deliver(user, *(message("Message %d" % uid,
                                       body=("y" * 70 + "\n") * 300)
                               for uid in (1, 2, 3)))
    quota_host.set_policies(user, on_dele="move", on_retrieve="move")
    drop.wait_idle()
    quota_host.plugin_settings["quota_rule"] = "*:storage=10k"
    quota_host.restart()
    # full indeed: IMAP cannot copy
    imap = quota_host.imap(user)
    assert imap.uid("COPY", "1", "Trash")[0] == "NO"
    imap.logout()
    drop.session(retr=[1], dele=[2])
    assert drop.uids() == [3]
    assert headers(drop, "Trash") == ["Message 1", "Message 2"]
    usage = quota_host.doveadm("-f", "tab", "quota", "get", "-u", user)
    (messages,) = [line.split("\t")[2] for line in usage.splitlines()
                   if "MESSAGE" in line]
    assert messages == "3"


# --- pop3_delete_type=flag ---

def test_with_deleted_flag(make_host, user):
    """Dovecot would only set a keyword: the policy moves."""
    host = make_host(settings={"pop3_deleted_flag": '"$POP3Deleted"',
                               "pop3_delete_type": "flag"})
    drop = Maildrop(host, user)
    drop.deliver(2)
    host.set_policies(user, on_dele="move")
    drop.session(dele=[1])
    assert drop.uids() == [2]
    assert headers(drop, "Trash") == ["Message 1"]
