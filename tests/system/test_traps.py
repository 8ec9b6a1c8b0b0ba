# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Traps of doc/traps.md that no other file has a test for."""

import time

import pytest

from host import message
from owner import Owner, shown


# Dovecot commits an idle session's transaction so often.
IDLE_COMMIT_SECONDS = 10


def test_commit_of_an_idle_session(host, user):
    """It is no UPDATE: the end of the session without QUIT is none either,
    and QUIT is one afterwards."""
    owners, sessions = {}, {}
    for end in ("drop", "quit"):
        owner = owners[end] = Owner(host, end + user)
        owner.set(on_retrieve="delete")
        owner.deliver(3)
        sessions[end] = owner.pop3()
        sessions[end].retr(1)
        sessions[end].dele(2)
    # nothing can be seen of that commit, if all is well
    time.sleep(IDLE_COMMIT_SECONDS + 2)
    for owner in owners.values():
        assert owner.uids() == [1, 2, 3]
        assert owner.story() == []
    sessions["drop"].drop()
    sessions["quit"].quit()
    session = owners["drop"].ended(ended_by="drop")
    assert session["retrieved"] == session["removed"] == set()
    assert owners["drop"].uids() == [1, 2, 3]
    owners["quit"].ended(ended_by="quit")
    assert owners["quit"].uids() == [3]


def test_numbers_stay_after_dele(owner):
    owner.deliver(3)
    with owner.pop3() as pop:
        sizes = dict(map(int, line.split()) for line in pop.list()[1])
        pop.dele(2)
        assert dict(map(int, line.split()) for line in pop.list()[1]) == {
            number: sizes[number] for number in (1, 3)}
        assert pop.stat() == (2, sizes[1] + sizes[3])
        assert list(pop.uids()) == [1, 3]
        assert b"Subject: Message 3" in pop.retr(3)[1]
        pop.rset()
        assert shown(pop) == [1, 2, 3]


def test_rset_shows_no_new_mail(owner):
    owner.deliver(2)
    with owner.pop3() as pop:
        assert shown(pop) == [1, 2]
        owner.deliver(1)
        pop.dele(1)
        pop.rset()
        assert shown(pop) == [1, 2]
        assert pop.stat()[0] == 2


def test_rset_brings_nothing_back_into_the_view(owner):
    owner.set(on_dele="hide")
    owner.deliver(3)
    owner.delete(1)
    with owner.pop3() as pop:
        assert shown(pop) == [2, 3]
        owner.restore(1)
        pop.rset()
        assert shown(pop) == [2, 3]
        assert b"Subject: Message 2" in pop.retr(1)[1]
    assert owner.poll() == [1, 2, 3]


@pytest.mark.parametrize("end", ["drop", "kick"])
def test_login_without_quit_starts_the_delay(owner, end):
    owner.set(login_delay="1h")
    pop = owner.pop3()
    if end == "drop":
        pop.drop()
    else:
        owner.host.doveadm("kick", owner.name)
        pop.close()
    owner.ended()
    assert owner.host.login_refusal(owner.name).startswith(
        "-ERR [LOGIN-DELAY]")


def test_client_that_never_quits(owner):
    """It retrieves nothing; the age of mail is all that bounds it. A report
    tells of it."""
    owner.set(on_retrieve="delete", expire_unretrieved="30d")
    owner.deliver(2)
    for days in (10, 10, 9):
        pop = owner.pop3()
        assert shown(pop) == [1, 2]
        pop.retr(1)
        pop.retr(2)
        pop.drop()
        owner.ended(ended_by="drop")
        owner.age("%d days" % days)
    assert owner.retrieved() == []
    assert owner.host.value(
        "SELECT count(*) FROM pop3.report_never_quit WHERE username = %s",
        (owner.name,)) == 1
    owner.age("1 day")
    assert owner.poll() == []
    assert owner.uids() == []


@pytest.mark.parametrize("mail_format", ["sdbox", "maildir"])
def test_copy_has_a_state_of_its_own(make_host, user, mail_format):
    """It is listed, though the message that it was copied from is hidden, and
    its clock starts with it."""
    owner = Owner(make_host(mail_format=mail_format), user)
    owner.set(on_retrieve="hide", expire_hidden="5d", expire_unretrieved="5d")
    owner.deliver(2)
    owner.retrieve(1)
    owner.age("4 days")
    owner.host.doveadm("copy", "-u", owner.name, "INBOX", "mailbox", "INBOX",
                       "uid", "1")
    assert owner.poll() == [2, 3]
    owner.age("1 day")
    assert owner.poll() == [3]
    assert owner.uids() == [3]
    owner.retrieve(3)
    assert owner.hidden() == [3]


def test_date_of_a_message_starts_no_clock(owner):
    """Neither its INTERNALDATE nor its Date."""
    owner.set(expire_unretrieved="30d", view_window="30d")
    owner.append(message("Message 1"), message("Message 2"),
                 date="01-Jan-2010 12:00:00 +0000")
    assert owner.poll() == [1, 2]
    owner.age("29 days")
    assert owner.poll() == [1, 2]
