# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""quota_action=evict: what was hidden or retrieved makes room for what is
delivered, in every mail format."""

import pytest

from evict import QUOTA, FullDrop, lmtp, mail_of
from host import message
from maildrop import guid128
from quota import EX_NOPERM, EX_OK, append, lda


# nothing in it may be taken for something else
ODD_ID = "<it's=100%$1\\n{room}for+me@example.org>"


@pytest.fixture(scope="module", params=["sdbox", "mdbox", "maildir"])
def full_host(request, make_module_host):
    return make_module_host(mail_format=request.param, settings={
        "lmtp_save_to_detail_mailbox": "yes",
        "lda_mailbox_autocreate": "yes",
        # under evict it lets recipients pass
        "lmtp_rcpt_check_quota": "yes"}, **QUOTA)


@pytest.fixture
def drop(full_host, user):
    return FullDrop(full_host, user)


def check_rejected(drop, reply):
    """For good, and nothing was touched."""
    before = drop.stored()
    assert (reply.code, reply.enhanced) == (552, "5.2.2"), reply
    assert drop.stored() == before
    assert drop.evicted() == []
    assert drop.open_intents() == []


def test_order(drop):
    """Hidden mail first, the oldest hiding before, then retrieved mail, the
    oldest retrieval before; then there is no room."""
    drop.fill(6)
    drop.retrieve(5)
    drop.hide(4, 2)
    drop.retrieve(1)
    before = drop.stored()
    drop.limit()
    gone = []
    for uid in (4, 2, 5, 1):
        reply = drop.put()
        assert reply.code == 250, reply
        gone.append(uid)
        stored = drop.uids()
        assert not set(gone) & set(stored)
        assert len(stored) == 6
        assert drop.evicted()[-1] == (uid, "room for " + drop.message_id)
        drop.wait_settled()
    drop.check_nothing_lost(before, removed=gone)
    reply = drop.put()
    assert (reply.code, reply.enhanced) == (552, "5.2.2")
    assert drop.uids() == [3, 6, 7, 8, 9, 10]
    assert drop.view() == [3, 6, 7, 8, 9, 10]
    # state goes with what went
    assert drop.tracked() == 0


def test_byte_exact(drop):
    """A message that fits to the byte needs no room; one byte less, and one
    message goes; the room that it makes is exact as well."""
    drop.fill(4)
    drop.retrieve(3, 1, 2)
    size = drop.sizes()[4]
    drop.limit(size)
    assert drop.put().code == 250
    assert drop.uids() == [1, 2, 3, 4, 5]
    assert drop.used() == 5 * size
    # one byte is missing: one goes
    drop.limit(size - 1)
    assert drop.put().code == 250
    assert drop.uids() == [1, 2, 4, 5, 6]
    # another has just the size that is missing: one goes
    drop.limit()
    assert drop.put().code == 250
    assert drop.uids() == [2, 4, 5, 6, 7]
    # one byte more, and two would have to go: there is only one
    drop.limit()
    reply = drop.put(2001)
    assert (reply.code, reply.enhanced) == (552, "5.2.2")
    assert drop.uids() == [2, 4, 5, 6, 7]
    drop.retrieve(4)
    assert drop.put(2001).code == 250
    assert drop.uids() == [5, 6, 7, 8]
    assert [uid for uid, _ in drop.evicted()] == [3, 1, 2, 4]


def test_messages(drop):
    drop.fill(3)
    drop.retrieve(2)
    drop.host.set_policies(drop.user, quota_messages="3")
    assert drop.put().code == 250
    assert drop.uids() == [1, 3, 4]
    reply = drop.put()
    assert (reply.code, reply.enhanced) == (552, "5.2.2")
    assert drop.uids() == [1, 3, 4]
    # bytes and messages: more goes for the bytes
    drop.retrieve(1, 3)
    drop.limit()
    assert drop.put(3000).code == 250
    assert drop.uids() == [4, 5]


def test_new_user(drop):
    """Nothing is known of the maildrop, and there is nothing in it."""
    drop.host.set_policies(drop.user, quota_storage="1000")
    reply = drop.put()
    assert (reply.code, reply.enhanced) == (552, "5.2.2")
    assert drop.put(100).code == 250
    assert drop.uids() == [1]


def test_not_enough(drop):
    """All of it would not be enough: nothing goes."""
    drop.fill(3)
    drop.retrieve(1)
    drop.hide(3)
    drop.limit()
    check_rejected(drop, drop.put(6000))
    # it does for another
    assert drop.put(3000).code == 250
    assert drop.uids() == [2, 4]


def test_bigger_than_the_quota(drop):
    drop.fill(2)
    drop.retrieve(1, 2)
    drop.limit()
    check_rejected(drop, drop.put(9000))


def test_unretrieved_never_goes(drop):
    drop.fill(3)
    with drop.host.pop3(drop.user) as pop:
        pop.top(2, 0)
    drop.settle()
    drop.limit()
    check_rejected(drop, drop.put(100))


def test_restored_never_goes(drop):
    drop.fill(2)
    drop.hide(1)
    drop.restore(1)
    drop.limit()
    check_rejected(drop, drop.put(100))


def test_hold(drop):
    drop.fill(2)
    drop.retrieve(1)
    drop.limit()
    drop.host.set_policies(drop.user, pop3_hold="yes")
    check_rejected(drop, drop.put(100))
    drop.host.set_policies(drop.user, pop3_hold="no")
    assert drop.put().code == 250
    assert drop.uids() == [2, 3]


def test_not_enforced(drop):
    """Neither a limit nor room is made."""
    drop.fill(2)
    drop.retrieve(1)
    drop.limit()
    drop.host.set_policies(drop.user, enforcement="observe")
    assert drop.put().code == 250
    assert drop.uids() == [1, 2, 3]
    assert drop.evicted() == []


@pytest.mark.parametrize("action, code, enhanced", [
    ("reject", 552, "5.2.2"), ("defer", 452, "4.2.2")])
def test_other_actions(drop, action, code, enhanced):
    drop.fill(2)
    drop.retrieve(1)
    drop.limit()
    drop.host.set_policies(drop.user, quota_action=action)
    reply = drop.put(100)
    assert (reply.code, reply.enhanced) == (code, enhanced)
    assert drop.uids() == [1, 2]
    assert drop.evicted() == []


def test_audit(drop):
    """The rows, their order, and what they are about."""
    drop.fill(3)
    ids = {}
    with drop.host.pop3(drop.user) as pop:
        for uid in (1, 2):
            lines = pop.retr(uid)[1]
            ids[uid] = next(line[12:].decode() for line in lines
                            if line.startswith(b"Message-ID: "))
    drop.settle()
    stored, sizes = drop.stored(), drop.sizes()
    drop.limit()
    assert drop.put(3000, message_id=ODD_ID).code == 250
    drop.wait_settled()
    rows = [row for row in drop.host.audit(drop.user)
            if row["event"] in ("intent", "committed")]
    assert [(row["event"], row["uid"], row["action"], row["reason"])
            for row in rows] == [
        ("intent", 1, "expunge", "quota"), ("intent", 2, "expunge", "quota"),
        ("committed", None, None, None)]
    for row in rows[:2]:
        assert str(row["message_guid"]) == guid128(stored[row["uid"]])
        assert row["size"] == sizes[row["uid"]]
        assert row["message_id"] == ids[row["uid"]]
        assert row["detail"] == "room for " + ODD_ID
        assert row["session_id"] == rows[2]["session_id"]
    report = drop.host.rows(
        "SELECT * FROM pop3.report_deletion WHERE username = %s ORDER BY uid",
        (drop.user,))
    assert [(row["uid"], row["rule"]) for row in report] == [
        (1, "quota"), (2, "quota")]


def test_without_message_id(drop):
    drop.fill(1)
    drop.retrieve(1)
    drop.limit()
    assert drop.put(message_id="").code == 250
    assert drop.evicted() == [(1, "room for a message without a Message-ID")]


def test_other_mailbox(drop):
    """The message goes elsewhere; room is made in INBOX."""
    drop.fill(2)
    drop.retrieve(2)
    drop.limit()
    reply = drop.put(1900, mailbox="Archive")
    assert reply.code == 250, reply
    assert drop.uids() == [1]
    assert len(drop.uids("Archive")) == 1
    # what is there counts
    reply = drop.put(mailbox="Archive")
    assert (reply.code, reply.enhanced) == (552, "5.2.2")
    assert len(drop.uids("Archive")) == 1
    assert drop.uids() == [1]


def test_several_recipients(full_host, user):
    """One message for all of them. Each gets what its own quota lets in."""
    drops = [FullDrop(full_host, "%d_%s" % (n, user)) for n in range(4)]
    for drop in drops:
        drop.fill(2)
    drops[0].retrieve(1)
    drops[2].retrieve(2)
    drops[3].retrieve(1)
    for drop in drops:
        drop.limit(10)
    replies = lmtp(full_host, [drop.user for drop in drops], mail_of()[0])
    assert [reply.code for reply in replies] == [250, 552, 250, 250]
    assert [drop.uids() for drop in drops] == [[2, 3], [1, 2], [1, 3], [2, 3]]
    assert [[uid for uid, _ in drop.evicted()] for drop in drops] == [
        [1], [], [2], [1]]
    for drop in drops[2:]:
        assert drop.view() == drop.uids()


def test_same_recipient_twice(drop):
    drop.fill(3)
    drop.retrieve(1, 2)
    drop.limit()
    replies = lmtp(drop.host, [drop.user, drop.user], mail_of(1900)[0])
    assert {reply.code for reply in replies} == {250}
    assert 3 in drop.uids()
    assert drop.used() <= int(drop.host.value(
        "SELECT quota_storage FROM pop3.policy WHERE scope = %s",
        (drop.user,)))


def test_messages_that_are_gone(drop):
    """What others removed is skipped, and makes no room twice."""
    drop.fill(4)
    drop.retrieve(1, 2, 3)
    drop.expunge(1)
    drop.limit()
    assert drop.put().code == 250
    assert drop.uids() == [3, 4, 5]
    assert [uid for uid, _ in drop.evicted()] == [2]


def test_other_message_on_record(drop):
    """A GUID that is another message's: it stays, and the audit is told."""
    drop.fill(3)
    drop.retrieve(1, 2)
    drop.host.sql(
        "UPDATE pop3.message SET message_guid = gen_random_uuid() "
        "WHERE uid = 1 AND maildrop_id = (SELECT maildrop_id "
        "FROM pop3.maildrop WHERE username = %s)", (drop.user,))
    drop.limit()
    assert drop.put().code == 250
    assert drop.uids() == [1, 3, 4]
    assert drop.wait_events("mismatch") == [1]
    assert [uid for uid, _ in drop.evicted()] == [2]


def test_many_small_ones(drop):
    """More than fits into one intent's order of UIDs: retrieved backwards,
    with sizes that the database does not know."""
    drop.host.deliver(drop.user, *(message("Mail %d" % n) for n in range(30)))
    with drop.host.pop3(drop.user) as pop:
        for number in range(30, 5, -1):
            pop.retr(number)
    drop.settle()
    drop.host.sql(
        "UPDATE pop3.message SET size = NULL WHERE maildrop_id = ("
        "SELECT maildrop_id FROM pop3.maildrop WHERE username = %s)",
        (drop.user,))
    sizes = drop.sizes()
    drop.limit()
    assert drop.put(3000).code == 250
    gone = set(sizes) - set(drop.uids())
    size = drop.sizes()[31]
    assert sum(sizes[uid] for uid in gone) >= size
    assert sum(sizes[uid] for uid in gone) - min(
        sizes[uid] for uid in gone) < size
    assert [uid for uid, _ in drop.evicted()] == sorted(gone)


def test_lda(drop):
    """The other way of delivery."""
    drop.fill(2)
    drop.retrieve(1)
    drop.limit()
    assert lda(drop.host, drop.user, message("By lda")) == EX_OK
    assert drop.uids() == [2, 3]
    drop.wait_settled()
    drop.limit()
    assert lda(drop.host, drop.user, message("Too much")) == EX_NOPERM
    assert drop.uids() == [2, 3]


def test_imap_never_evicts(drop):
    drop.fill(2)
    drop.retrieve(1)
    drop.limit()
    status, text = append(drop.host, drop.user, message("By IMAP"))
    assert status == "NO" and "OVERQUOTA" in str(text), text
    assert drop.uids() == [1, 2]
    assert drop.evicted() == []


class PhysicalDrop(FullDrop):
    SIZE = "size.physical"


def test_physical_sizes(make_module_host, user):
    """A quota that counts files as they are, without CRs, in a file of its
    own."""
    host = make_module_host(
        mail_format="maildir", mail_plugins="quota",
        plugin_settings={"quota": "maildir:User quota"})
    drop = PhysicalDrop(host, user)
    drop.fill(4)
    drop.retrieve(2, 3)
    size = drop.sizes()[4]
    drop.limit(size - 1)
    assert drop.put().code == 250
    assert drop.uids() == [1, 3, 4, 5]
    # in virtual sizes it would not fit
    drop.limit()
    assert drop.put().code == 250
    assert drop.uids() == [1, 4, 5, 6]
    reply = drop.put(100)
    assert (reply.code, reply.enhanced) == (552, "5.2.2")
    assert [uid for uid, _ in drop.evicted()] == [2, 3]
