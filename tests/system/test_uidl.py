# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""UIDLs stay what they were when messages are hidden, whatever they are made
of, and the audit has them as the client saw them."""

import os
import poplib
import re

import pytest

from maildrop import Maildrop, intents_refused, listing, subject

FORMATS = [
    ("sdbox", "%08Xu%08Xv"), ("sdbox", "%g"), ("sdbox", "%v-%u"),
    ("mdbox", "%g"), ("maildir", "%08Xu%08Xv"), ("maildir", "%g"),
    ("maildir", "%f"),
]


def hide(drop, *numbers):
    """A session that hides messages by their numbers. Returns the UIDLs that
    it saw, by number, before."""
    drop.settle()
    before = len(drop.host.sessions(drop.user))
    with drop.host.pop3(drop.user) as pop:
        uidls = listing(pop)
        for number in numbers:
            pop.dele(number)
    drop.host.wait_sessions(drop.user, before + 1)
    return uidls


def audited(drop):
    """The UIDLs in the rows of the intents, in order."""
    return [row["uidl"] for row in drop.host.audit(drop.user)
            if row["event"] == "intent"]


@pytest.mark.parametrize("mail_format, uidl_format", FORMATS)
def test_formats(make_host, user, mail_format, uidl_format):
    host = make_host(mail_format=mail_format, settings={
        "pop3_uidl_format": uidl_format})
    drop = Maildrop(host, user)
    host.set_policy(user, "on_dele", "hide")
    drop.deliver(6)
    before = hide(drop, 1, 3, 4)
    assert len(set(before.values())) == 6
    left = {1: before[2], 2: before[5], 3: before[6]}
    for _ in range(2):
        with host.pop3(user) as pop:
            assert listing(pop) == left
            assert [subject(pop.retr(number)) for number in left] == [
                "Message 2", "Message 5", "Message 6"]
            pop.rset()
    drop.deliver(1)
    now = hide(drop, 2)
    assert now == {**left, 4: now[4]}
    assert now[4] not in before.values()
    assert audited(drop) == [before[number] for number in (1, 3, 4, 5)]
    # removal by policy has the same name for the message
    host.set_policy(user, "expire_hidden", "1d")
    drop.age("1 day")
    with host.pop3(user) as pop:
        assert [uidl for uidl in listing(pop).values()][:2] == [
            before[2], before[6]]
    drop.wait_events("committed", 3)
    assert sorted(audited(drop)[4:]) == sorted(audited(drop)[:4])


@pytest.mark.parametrize("options", [
    {}, {"pop3_uidl_format": "%g"}, {"pop3_save_uidl": "yes"},
    {"pop3_deleted_flag": '"$POP3Deleted"'}, {"pop3_enable_last": "yes"},
    {"pop3_uidl_format": "%g", "pop3_uidl_duplicates": "rename"},
    {"pop3_fast_size_lookups": "yes"}, {"pop3_no_flag_updates": "yes"},
], ids=lambda options: "-".join(options) or "default")
def test_everything_hidden(make_host, user, options):
    """Then an empty listing is right."""
    host = make_host(settings=options)
    drop = Maildrop(host, user)
    host.set_policy(user, "on_dele", "hide")
    drop.deliver(3)
    before = hide(drop, 1, 2, 3)
    with host.pop3(user) as pop:
        assert pop.stat() == (0, 0)
        assert listing(pop) == {}
        for command in ("RETR 1", "TOP 1 1", "DELE 1", "LIST 1", "UIDL 1"):
            pop._putcmd(command)
            assert pop.file.readline() == b"-ERR There's no message 1.\r\n"
    drop.deliver(1)
    with host.pop3(user) as pop:
        (uidl,) = listing(pop).values()
        assert uidl not in before.values()
        assert subject(pop.retr(1)) == "Message 4"
    assert drop.uids() == [1, 2, 3, 4]
    assert audited(drop) == list(before.values())


# --- duplicates ---

def add_copies(drop, uid, count):
    """Messages with the same GUID."""
    for _ in range(count):
        drop.host.doveadm("copy", "-u", drop.user, "INBOX",
                          "mailbox", "INBOX", "uid", str(uid))
    guids = list(drop.stored().values())
    assert guids.count(drop.stored()[uid]) == count + 1


@pytest.fixture
def renaming(make_host, user):
    """1, 2, and two copies of 1, as 3 and 4; and 5."""
    host = make_host(settings={"pop3_uidl_format": "%g",
                               "pop3_uidl_duplicates": "rename"})
    drop = Maildrop(host, user)
    host.set_policy(user, "on_dele", "hide")
    drop.deliver(2)
    add_copies(drop, 1, 2)
    drop.deliver(1)
    return drop


def test_rename(renaming):
    """The names of duplicates, and that of a hidden one in the audit."""
    guids = renaming.stored()
    uidls = hide(renaming, 4)
    assert uidls == {1: guids[1], 2: guids[2], 3: guids[1] + "-2",
                     4: guids[1] + "-3", 5: guids[5]}
    with renaming.host.pop3(renaming.user) as pop:
        assert listing(pop) == {1: uidls[1], 2: uidls[2], 3: uidls[3],
                                4: uidls[5]}
    assert audited(renaming) == [uidls[4]]


@pytest.mark.parametrize("hidden", [1, 3])
def test_rename_with_a_former_one_hidden(renaming, hidden):
    """The names of those behind it stay. A client that has the former one
    would take a renamed one for it, and never fetch it."""
    uidls = hide(renaming, hidden)
    with renaming.host.pop3(renaming.user) as pop:
        assert list(listing(pop).values()) == [
            uidl for number, uidl in uidls.items() if number != hidden]
    assert audited(renaming) == [uidls[hidden]]


def test_rename_with_a_deleted_flag(make_host, user):
    """Dovecot does not number messages that have the keyword. Nor does it
    once another message is hidden."""
    host = make_host(settings={
        "pop3_uidl_format": "%g", "pop3_uidl_duplicates": "rename",
        **DELETED_FLAG})
    drop = Maildrop(host, user)
    host.set_policy(user, "on_dele", "hide")
    drop.deliver(2)
    add_copies(drop, 1, 2)
    host.doveadm("flags", "add", "-u", user, "$POP3Deleted", "mailbox",
                 "INBOX", "uid", "1")
    guids = drop.stored()
    uidls = hide(drop, 1)
    assert uidls == {1: guids[2], 2: guids[1], 3: guids[1] + "-2"}
    with host.pop3(user) as pop:
        assert listing(pop) == {1: uidls[2], 2: uidls[3]}


def test_duplicates_allowed(make_host, user):
    """Dovecot's default: one UIDL for several messages. State is each
    message's own."""
    host = make_host(settings={"pop3_uidl_format": "%g"})
    drop = Maildrop(host, user)
    host.set_policy(user, "on_dele", "hide")
    drop.deliver(2)
    add_copies(drop, 1, 1)
    guids = drop.stored()
    assert hide(drop, 1) == {1: guids[1], 2: guids[2], 3: guids[1]}
    with host.pop3(user) as pop:
        assert listing(pop) == {1: guids[2], 2: guids[1]}
    assert drop.hidden() == [1]


# --- saved UIDLs ---

@pytest.mark.parametrize("mail_format", ["sdbox", "maildir"])
def test_saved(make_host, user, mail_format):
    """pop3_save_uidl: what the client has seen stays, with another format
    too."""
    host = make_host(mail_format=mail_format,
                     settings={"pop3_save_uidl": "yes",
                               "pop3_uidl_format": "%v-%u"})
    drop = Maildrop(host, user)
    host.set_policy(user, "on_dele", "hide")
    drop.deliver(4)
    before = hide(drop, 2)
    assert re.fullmatch(r"\d+-1", before[1])
    drop.wait_idle()
    host.settings["pop3_uidl_format"] = "%g"
    host.restart()
    left = {1: before[1], 2: before[3], 3: before[4]}
    with host.pop3(user) as pop:
        uidls = listing(pop)
    if mail_format == "maildir":
        # sdbox keeps no UIDL that was saved later
        assert uidls == left
    assert hide(drop, 2) == uidls
    assert audited(drop) == [before[2], uidls[2]]
    with host.pop3(user) as pop:
        assert listing(pop) == {1: uidls[1], 2: uidls[3]}


def edit_uidlist(drop, edit):
    """Change the lines of a maildir's UID list: edit(uid, line)."""
    drop.wait_idle()
    path = drop.file("dovecot-uidlist")
    with open(path, "rb") as file:
        header, *lines = file.read().splitlines()
    lines = [edit(int(line.split(b" ")[0]), line) for line in lines]
    owner = os.stat(path)
    for index in drop.files("dovecot.index*"):
        os.unlink(index)
    with open(path + ".new", "wb") as file:
        file.write(b"\n".join([header] + lines) + b"\n")
    os.chown(path + ".new", owner.st_uid, owner.st_gid)
    os.rename(path + ".new", path)


@pytest.fixture
def maildir(make_host, user):
    host = make_host(mail_format="maildir")
    drop = Maildrop(host, user)
    host.set_policy(user, "on_dele", "hide")
    drop.deliver(5)
    assert drop.uids() == [1, 2, 3, 4, 5]
    return drop


def test_migrated(maildir):
    """UIDLs of another server, as a migration writes them."""
    edit_uidlist(maildir, lambda uid, line: line.replace(
        b" :", b" Pformer.%d :" % uid) if uid != 4 else line)
    before = hide(maildir, 2, 5)
    assert [before[number] for number in (1, 2, 3, 5)] == [
        "former.1", "former.2", "former.3", "former.5"]
    with maildir.host.pop3(maildir.user) as pop:
        assert listing(pop) == {1: "former.1", 2: "former.3", 3: before[4]}
    assert audited(maildir) == ["former.2", "former.5"]


def test_order(maildir):
    """Maildir's own order of messages for POP3."""
    order = {1: 3, 2: 5, 3: 1, 4: 2, 5: 4}
    edit_uidlist(maildir, lambda uid, line: line.replace(
        b" :", b" O%d :" % order[uid]))
    drop, host = maildir, maildir.host
    subjects = ["Message 3", "Message 4", "Message 1", "Message 5",
                "Message 2"]
    with host.pop3(drop.user) as pop:
        assert [subject(pop.retr(number)) for number in range(1, 6)] == \
            subjects
        pop.rset()
    before = hide(drop, 2, 3)
    assert [int(uidl[:8], 16) for uidl in before.values()] == [3, 4, 1, 5, 2]
    left = {1: before[1], 2: before[4], 3: before[5]}
    with host.pop3(drop.user) as pop:
        assert listing(pop) == left
        assert [subject(pop.retr(number)) for number in left] == [
            "Message 3", "Message 5", "Message 2"]
        assert [subject(pop.top(number, 0)) for number in left] == [
            "Message 3", "Message 5", "Message 2"]
        pop.rset()
    assert sorted(audited(drop)) == sorted([before[2], before[3]])
    assert drop.hidden() == [1, 4]
    # the right one is retrieved, and removed
    host.set_policies(drop.user, on_retrieve="delete", on_dele="delete")
    with host.pop3(drop.user) as pop:
        pop.retr(2)
        pop.dele(3)
    assert drop.uids() == [1, 3, 4]
    drop.deliver(1, "The last")
    with host.pop3(drop.user) as pop:
        assert [subject(pop.retr(number)) for number in (1, 2)] == [
            "Message 3", "The last"]
        pop.rset()


# --- pop3_deleted_flag ---

DELETED_FLAG = {"pop3_deleted_flag": '"$POP3Deleted"'}


def keywords(drop):
    """{UID: has the keyword} of all messages."""
    text = drop.host.doveadm("-f", "tab", "fetch", "-u", drop.user,
                             "uid flags", "mailbox", "INBOX")
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    return {int(uid): "$POP3Deleted" in flags for uid, flags in rows}


def test_deleted_flag_with_expunge(make_host, user):
    """Messages that had the keyword before are not listed; DELE expunges."""
    host = make_host(settings={**DELETED_FLAG,
                               "pop3_delete_type": "expunge"})
    drop = Maildrop(host, user)
    drop.deliver(6)
    host.doveadm("flags", "add", "-u", user, "$POP3Deleted", "mailbox",
                 "INBOX", "uid", "2,5")
    assert drop.view() == [1, 3, 4, 6]
    host.set_policies(user, on_dele="hide")
    drop.session(dele=[1, 4])
    assert drop.view() == [3, 6]
    host.set_policies(user, on_dele="delete")
    drop.session(dele=[3])
    assert drop.view() == [6]
    assert drop.uids() == [1, 2, 4, 5, 6]
    assert drop.hidden() == [1, 4]


@pytest.mark.parametrize("delete_type", ["default", "flag"])
def test_delete_type_flag(make_host, user, delete_type):
    """DELE sets the keyword, with an intent; policy still removes."""
    host = make_host(settings={**DELETED_FLAG,
                               "pop3_delete_type": delete_type})
    drop = Maildrop(host, user)
    host.set_policies(user, on_retrieve="delete")
    drop.deliver(5)
    before = drop.stored()
    drop.session(retr=[4], dele=[1, 3])
    assert drop.view() == [2, 5]
    assert keywords(drop) == {1: True, 2: False, 3: True, 5: False}
    drop.check_nothing_lost(before, removed=[4])
    rows = [row for row in host.audit(user) if row["event"] == "intent"]
    assert [(row["uid"], row["action"], row["reason"]) for row in rows] == [
        (1, "flag", "dele"), (3, "flag", "dele"),
        (4, "expunge", "retrieved")]
    assert drop.state() == {}
    # RSET takes it back, a drop is no UPDATE
    pop = host.pop3(user)
    pop.dele(1)
    pop.rset()
    pop.quit()
    drop.session(dele=[2], end="drop")
    assert drop.view() == [2, 5]
    host.set_policies(user, on_dele="hide")
    drop.session(dele=[5])
    assert drop.view() == [2]
    assert keywords(drop) == {1: True, 2: False, 3: True, 5: False}
    assert drop.hidden() == [5]


def test_delete_type_flag_without_intent(make_host, user):
    """The database refuses: no keyword either."""
    host = make_host(settings={**DELETED_FLAG, "pop3_delete_type": "flag"})
    drop = Maildrop(host, user)
    drop.deliver(2)
    pop = host.pop3(user)
    pop.dele(1)
    with intents_refused(host, user):
        with pytest.raises(poplib.error_proto, match=r"\[SYS/TEMP\]"):
            pop.quit()
    assert keywords(drop) == {1: False, 2: False}
    assert drop.view() == [1, 2]


# --- LAST ---

def test_last(make_host, user):
    """Numbers are those of the view; RSET takes \\Seen from all shown
    messages, and commits that."""
    host = make_host(settings={"pop3_enable_last": "yes"})
    drop = Maildrop(host, user)
    host.set_policies(user, on_dele="hide", on_retrieve="delete")
    drop.deliver(5)
    drop.session(dele=[2])

    def last(pop):
        return int(pop._shortcmd("LAST").split()[1])

    def seen():
        text = host.doveadm("search", "-u", user, "mailbox", "INBOX", "seen")
        return [int(line.split()[1]) for line in text.splitlines()]

    with host.pop3(user) as pop:
        assert last(pop) == 0
        pop.retr(1)
        assert last(pop) == 1
        pop.retr(3)
        pop.top(4, 99999)
        assert last(pop) == 3
        pop.rset()
        assert last(pop) == 0
        assert [subject(pop.top(number, 0)) for number in listing(pop)] == [
            "Message 1", "Message 3", "Message 4", "Message 5"]
        assert last(pop) == 0
        pop.dele(2)
    assert drop.view() == [1, 4, 5]
    assert drop.uids() == [1, 2, 3, 4, 5]
    assert drop.retrieved() == []
    assert seen() == []

    # \Seen of a former session
    host.set_policies(user, on_retrieve="keep")
    drop.session(retr=[4])
    assert seen() == [4]
    with host.pop3(user) as pop:
        assert last(pop) == 2
        pop.rset()
        assert last(pop) == 0
        pop.retr(3)
    host.wait_sessions(user, 4)
    drop.settle()
    assert seen() == [5]
    assert drop.retrieved() == [4, 5]
