# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A message whose file cannot be read. It does not keep users out, nor others
of their messages from being removed."""

import os

import pytest

from host import message
from maildrop import Maildrop, Quit, subject

BAD = 2


def truncate(path):
    os.truncate(path, os.path.getsize(path) // 2)


def garble(path):
    with open(path, "r+b") as file:
        file.write(b"X" * 40)


def forbid(path):
    os.chmod(path, 0)


DAMAGES = pytest.mark.parametrize("damage", [truncate, garble, forbid])


@pytest.fixture
def drop(host, user):
    """Four messages whose sizes are known, as they are in a mailbox that is
    listed from time to time, and nothing else: deliveries note more than IMAP
    does."""
    drop = Maildrop(host, user)
    with host.imap(user) as imap:
        for number in range(1, 5):
            imap.append("INBOX", None, None,
                        message("Message %d" % number).as_bytes())
    assert drop.view() == [1, 2, 3, 4]
    return drop


def spoil(drop, damage):
    drop.settle()
    damage(drop.file("u.%d" % BAD))


def quit_after(drop, dele=(), retr=()):
    """The answer to QUIT."""
    pop = drop.host.pop3(drop.user)
    numbers = drop.numbers(pop)
    for uid in retr:
        pop.retr(numbers[uid])
    for uid in dele:
        pop.dele(numbers[uid])
    answer = Quit(pop).wait()
    drop.settle()
    return answer


def make_arrival_due(drop):
    drop.host.set_policy(drop.user, "expire_unretrieved", "60d")
    drop.age("60 days")


# --- a message whose identity is known ---

# It was retrieved: its GUID is in the index, and in the records.

@pytest.mark.parametrize("damage", [truncate, forbid])
def test_it_expires_with_the_others(host, user, drop, damage):
    host.set_policy(user, "expire_retrieved", "14d")
    drop.session(retr=[1, BAD, 3])
    guids = drop.stored()
    drop.age("14 days")
    spoil(drop, damage)
    assert drop.view() == [4]
    assert sorted(drop.intended()) == [1, BAD, 3]
    drop.check_nothing_lost(guids, removed=[1, 2, 3])
    assert drop.events("mismatch", "gone", "released", "presumed") == []
    assert drop.state() == {}


@pytest.mark.parametrize("damage", [truncate, forbid])
def test_it_can_be_deleted(host, user, drop, damage):
    drop.session(retr=[BAD])
    guids = drop.stored()
    spoil(drop, damage)
    assert quit_after(drop, dele=[BAD, 3]).startswith("+OK")
    assert drop.view() == [1, 4]
    drop.check_nothing_lost(guids, removed=[BAD, 3])
    assert drop.events() == [("intent", BAD, "dele"), ("intent", 3, "dele"),
                             ("committed", None, None)]


@DAMAGES
def test_it_can_be_hidden(host, user, drop, damage):
    host.set_policy(user, "on_dele", "hide")
    drop.session(retr=[BAD])
    spoil(drop, damage)
    assert quit_after(drop, dele=[BAD, 3]).startswith("+OK")
    assert drop.hidden() == [BAD, 3]
    assert drop.view() == [1, 4]


# --- a message that cannot be identified ---

def test_others_expire(host, user, drop):
    make_arrival_due(drop)
    spoil(drop, forbid)
    offset = host.log_position()
    assert drop.view() == [BAD]
    assert host.log_contains("1 due messages cannot be identified, they stay",
                             offset)
    for _ in range(2):
        # it keeps nobody out
        assert drop.view() == [BAD]
        assert sorted(drop.intended()) == [1, 3, 4]
    os.chmod(drop.file("u.%d" % BAD), 0o600)
    # it is noted as the last message, and known to be the same then
    drop.session(end="drop")
    assert drop.view() == []
    assert sorted(drop.intended()) == [1, BAD, 3, 4]
    drop.settle()
    assert drop.open_intents() == []


@DAMAGES
def test_login_works_and_new_mail_comes(host, user, drop, damage):
    """Whatever becomes of the due ones."""
    make_arrival_due(drop)
    spoil(drop, damage)
    for _ in range(3):
        drop.view()
    host.deliver(user, message("New mail"))
    with host.pop3(user) as pop:
        assert subject(pop.retr(pop.stat()[0])) == "New mail"


@DAMAGES
def test_another_can_be_deleted(host, user, drop, damage):
    spoil(drop, damage)
    assert quit_after(drop, dele=[3]).startswith("+OK")
    assert drop.events() == [("intent", 3, "dele"),
                             ("committed", None, None)]
    assert drop.view() == [1, BAD, 4]


@DAMAGES
def test_nothing_is_removed_that_is_not_on_record(host, user, drop, damage):
    """It and another one. Either they go, with intents, or they are listed
    again."""
    spoil(drop, damage)
    answer = quit_after(drop, dele=[BAD, 3])
    left = drop.view()
    if answer.startswith("+OK"):
        assert left == [1, 4]
    else:
        assert answer.startswith("-ERR [SYS/TEMP] ")
        assert set(left) >= {1, BAD, 4}
    assert {1, BAD, 3, 4} - set(left) == set(drop.intended())
    assert drop.open_intents() == []
