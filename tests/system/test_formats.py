# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The main stories, on each of the mailbox formats."""

import pytest

from maildrop import Maildrop, guid128, listing, subject

pytestmark = pytest.mark.parametrize("mail_format",
                                     ["sdbox", "maildir", "mdbox"])


def test_hide(make_host, user, mail_format):
    host = make_host(mail_format=mail_format)
    drop = Maildrop(host, user)
    host.set_policies(user, on_dele="hide", expire_hidden="1d")
    drop.deliver(4)
    guids = drop.stored()
    with host.pop3(user) as pop:
        before = listing(pop)
        sizes = [line.split()[1] for line in pop.list()[1]]
        pop.dele(2)
    with host.pop3(user) as pop:
        assert listing(pop) == {1: before[1], 2: before[3], 3: before[4]}
        assert [line.split()[1] for line in pop.list()[1]] == \
            [sizes[0], sizes[2], sizes[3]]
        assert [subject(pop.retr(number)) for number in (1, 2, 3)] == \
            ["Message 1", "Message 3", "Message 4"]
        assert [subject(pop.top(number, 0)) for number in (1, 2, 3)] == \
            ["Message 1", "Message 3", "Message 4"]
    assert host.imap_uids(user) == [1, 2, 3, 4]
    drop.age("23 hours")
    assert drop.view() == [1, 3, 4]
    assert drop.uids() == [1, 2, 3, 4]
    drop.age("1 hour")
    assert drop.view() == [1, 3, 4]
    assert drop.uids() == [1, 3, 4]

    rows = [row for row in host.audit(user) if row["event"] == "intent"]
    assert [(row["uid"], row["action"], row["reason"],
             str(row["message_guid"]), row["uidl"]) for row in rows] == [
        (2, "hide", "dele", guid128(guids[2]), before[2]),
        (2, "expunge", "expired-hidden", guid128(guids[2]), before[2])]
    assert [row["size"] for row in rows] == [int(sizes[1])] * 2
    assert len(drop.wait_events("committed", 2)) == 2
    assert drop.hidden() == []


def test_download_and_delete(make_host, user, mail_format):
    host = make_host(mail_format=mail_format)
    drop = Maildrop(host, user)
    host.set_policy(user, "on_retrieve", "delete")
    drop.deliver(3)
    drop.session(retr=[1, 2, 3], end="drop")
    assert drop.uids() == [1, 2, 3]
    pop = host.pop3(user)
    pop.retr(1)
    pop.rset()
    pop.quit()
    assert drop.uids() == [1, 2, 3]
    drop.session(retr=[1, 3])
    assert drop.uids() == [2]
    assert drop.view() == [2]
    assert drop.events("intent", "committed", "released", "gone") == [
        ("intent", 1, "retrieved"), ("intent", 3, "retrieved"),
        ("committed", None, None)]
    assert drop.state() == {}


def test_leave_on_server(make_host, user, mail_format):
    host = make_host(mail_format=mail_format)
    drop = Maildrop(host, user)
    host.set_policies(user, expire_retrieved="14d", expire_unretrieved="60d")
    drop.deliver(3)
    drop.session(retr=[2])
    drop.age("13 days")
    drop.deliver(1)
    drop.session(retr=[3])
    assert drop.uids() == [1, 2, 3, 4]
    drop.age("1 day")
    assert drop.view() == [1, 3, 4]
    drop.age("13 days")
    assert drop.view() == [1, 4]
    # 1 was first seen 27 days ago, 4 14 days ago
    drop.age("32 days")
    assert drop.view() == [1, 4]
    drop.age("1 day")
    assert drop.view() == [4]
    drop.age("14 days")
    assert drop.view() == []
    assert drop.uids() == []
    assert drop.events("intent", "gone") == [
        ("intent", 2, "expired-retrieved"),
        ("intent", 3, "expired-retrieved"),
        ("intent", 1, "expired-unretrieved"),
        ("intent", 4, "expired-unretrieved")]
