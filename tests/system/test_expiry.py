# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Messages whose time has come are removed at login, before the view is made.
"""

import pytest

from dovecot import wait_until
from host import message
from owner import COMMITTED, Owner, intent

YEAR_OLD = "01-Jan-2020 12:00:00 +0000"


# --- expire_retrieved ---

def test_leave_on_server(owner):
    owner.set(expire_retrieved="14d")
    owner.deliver(3)
    owner.retrieve(1)
    owner.age("1 day")
    owner.retrieve(2)
    owner.age("13 days")
    # 1 was retrieved 14 days ago, 2 13 days ago, 3 never
    owner.check_view([2, 3])
    session = owner.ended(ended_by="drop")
    assert session["removed"] == {1}
    assert owner.uids() == [2, 3]
    owner.told(intent("expunge", "expired-retrieved", 1) + COMMITTED)
    assert list(owner.state()) == [2]


def test_second_before_its_time(owner):
    owner.set(expire_retrieved="14d")
    owner.deliver(1)
    owner.retrieve(1)
    owner.age("13 days 23:59:00")
    assert owner.poll() == [1]
    owner.age("1 minute")
    assert owner.poll() == []


def test_clock_starts_at_retrieval(owner):
    owner.set(expire_retrieved="14d")
    owner.append(1, date=YEAR_OLD)
    owner.deliver(1)
    assert owner.poll() == [1, 2]
    owner.age("20 days")
    owner.retrieve(1, 2)
    owner.age("13 days")
    assert owner.poll() == [1, 2]
    owner.age("1 day")
    assert owner.poll() == []
    assert owner.uids() == []


def test_clock_does_not_start_with_seen(owner):
    owner.set(expire_retrieved="14d")
    owner.append(1, flags="\\Seen")
    owner.deliver(2)
    owner.retrieve(2)
    pop = owner.pop3()
    pop.retr(3)
    pop.drop()
    owner.ended(ended_by="drop")
    assert "\\Seen" in owner.flags(3)
    owner.age("30 days")
    assert owner.poll() == [1, 3]


def test_clock_does_not_start_again(owner):
    owner.set(expire_retrieved="14d")
    owner.deliver(1)
    owner.retrieve(1)
    owner.age("10 days")
    owner.retrieve(1)
    owner.age("4 days")
    assert owner.poll() == []


def test_expire_retrieved_at_the_next_login(owner):
    owner.set(expire_retrieved="0")
    owner.deliver(2)
    assert owner.retrieve(1)["removed"] == set()
    assert owner.uids() == [1, 2]
    owner.check_view([2])


def test_never_is_the_default(owner):
    owner.deliver(2)
    owner.retrieve(1)
    owner.age("9999 days")
    assert owner.poll() == [1, 2]


def test_changed_policy_acts_on_old_retrievals(owner):
    owner.deliver(1)
    owner.retrieve(1)
    owner.age("14 days")
    assert owner.poll() == [1]
    owner.set(expire_retrieved="14d")
    assert owner.poll() == []


def test_expired_and_listed_do_not_overlap(owner):
    """The session that removes is the one whose listing lacks the message."""
    owner.set(expire_retrieved="1d", on_retrieve="keep")
    owner.deliver(3)
    owner.retrieve(2)
    owner.age("1 day")
    with owner.pop3() as pop:
        assert pop.stat()[0] == 2
        assert owner.uids() == [1, 3]
        assert b"Subject: Message 3" in pop.retr(2)[1]
    session = owner.ended(retr=1)
    assert (session["removed"], session["retrieved"]) == ({2}, {3})


def test_audit_identifies_the_expired_message(owner):
    owner.set(expire_retrieved="1d")
    owner.deliver(1)
    guid = owner.guid(1)
    with owner.pop3() as pop:
        uidl = pop.uids()[1]
        _, lines, size = pop.retr(1)
    owner.ended(retr=1)
    (message_id,) = [line.split()[1].decode() for line in lines
                     if line.startswith(b"Message-ID: ")]
    owner.age("1 day")
    owner.poll()
    session = owner.ended(messages=0)
    row = owner.audit()[0]
    assert row["session_id"] == session["session_id"]
    assert (row["event"], row["uid"], str(row["message_guid"])) == \
        ("intent", 1, guid)
    assert (row["uidl"], row["size"], row["message_id"]) == \
        (uidl, size, message_id)


# --- expire_unretrieved ---

def test_nothing_expires_on_the_first_day(owner):
    owner.set(expire_unretrieved="1h")
    owner.append(3, date=YEAR_OLD)
    for _ in range(3):
        assert owner.poll() == [1, 2, 3]
    assert owner.story() == []


def test_unretrieved_mail_expires(owner):
    owner.set(expire_unretrieved="60d")
    assert owner.poll() == []
    owner.deliver(2)
    assert owner.poll() == [1, 2]
    owner.age("59 days")
    assert owner.poll() == [1, 2]
    owner.deliver(1)
    owner.age("1 day")
    # 1 and 2 were seen 60 days ago
    assert owner.poll() == [3]
    assert owner.uids() == [3]
    owner.told(intent("expunge", "expired-unretrieved", 1, 2) + COMMITTED)


def test_mail_that_came_after_the_last_look_stays(owner):
    owner.set(expire_unretrieved="60d")
    owner.deliver(1)
    assert owner.poll() == [1]
    owner.deliver(1)
    owner.age("61 days")
    assert owner.poll() == [2]
    owner.age("59 days")
    assert owner.poll() == [2]
    owner.age("1 day")
    assert owner.poll() == []


def test_retrieved_mail_is_exempt(owner):
    owner.set(expire_unretrieved="60d")
    owner.deliver(3)
    owner.retrieve(2)
    owner.age("61 days")
    assert owner.poll() == [2]
    owner.told(intent("expunge", "expired-unretrieved", 1, 3) + COMMITTED)


def test_both_clocks(owner):
    owner.set(expire_retrieved="7d", expire_unretrieved="60d")
    owner.deliver(2)
    owner.retrieve(1)
    owner.age("7 days")
    assert owner.poll() == [2]
    owner.age("53 days")
    assert owner.poll() == []
    owner.told(intent("expunge", "expired-retrieved", 1) + COMMITTED +
               intent("expunge", "expired-unretrieved", 2) + COMMITTED)


def test_retrieval_on_the_last_day_saves(owner):
    owner.set(expire_retrieved="7d", expire_unretrieved="60d")
    owner.deliver(1)
    owner.poll()
    owner.age("59 days")
    owner.retrieve(1)
    owner.age("6 days")
    assert owner.poll() == [1]


def test_hidden_mail_counts_as_unretrieved_if_it_was(owner):
    owner.set(on_dele="hide", expire_unretrieved="60d", expire_hidden="90d")
    owner.deliver(2)
    owner.delete(1)
    owner.age("60 days")
    assert owner.poll() == []
    assert owner.uids() == []


@pytest.fixture
def tenant(host, user):
    """An owner whose domain has expire_unretrieved=60d."""
    local, domain = user.split("@")
    domain = "%s.%s" % (local.replace("_", "-"), domain)
    host.set_policy("@" + domain, "expire_unretrieved", "60d")
    return Owner(host, "%s@%s" % (local, domain))


def use_imap(owner):
    owner.host.imap(owner.name).logout()
    wait_until(lambda: owner.host.value(
        "SELECT imap_used_at > now() - interval '1 minute' "
        "FROM pop3.maildrop WHERE username = %s", (owner.name,)))


def test_unretrieved_mail_of_imap_users_stays(tenant):
    tenant.deliver(1)
    tenant.poll()
    tenant.age("61 days")
    use_imap(tenant)
    assert tenant.poll() == [1]
    tenant.age("59 days")
    assert tenant.poll() == [1]
    tenant.age("1 day")
    assert tenant.poll() == []


def test_retrieved_mail_of_imap_users_expires(tenant):
    tenant.set(expire_retrieved="7d")
    tenant.deliver(2)
    tenant.retrieve(1)
    tenant.age("61 days")
    use_imap(tenant)
    assert tenant.poll() == [2]


def test_own_scope_counts_for_imap_users(tenant):
    tenant.set(expire_unretrieved="60d")
    tenant.deliver(1)
    tenant.poll()
    tenant.age("61 days")
    use_imap(tenant)
    assert tenant.poll() == []


# --- expire_hidden ---

def test_grace(owner):
    """Delete after retrieval with a day's grace."""
    owner.set(on_retrieve="hide", expire_hidden="1d")
    owner.deliver(2)
    owner.retrieve(1)
    owner.age("23 hours")
    assert owner.poll() == [2]
    assert owner.uids() == [1, 2]
    owner.age("1 hour")
    assert owner.poll() == [2]
    assert owner.uids() == [2]
    owner.told(intent("hide", "retrieved", 1) + COMMITTED +
               intent("expunge", "expired-hidden", 1) + COMMITTED)


def test_hidden_message_expires_as_retrieved(owner):
    owner.set(on_retrieve="hide", expire_retrieved="1d")
    owner.deliver(1)
    owner.retrieve(1)
    owner.age("1 day")
    assert owner.poll() == []
    assert owner.uids() == []
    owner.told(intent("hide", "retrieved", 1) + COMMITTED +
               intent("expunge", "expired-retrieved", 1) + COMMITTED)


def test_message_that_imap_removed_meanwhile(owner):
    owner.set(expire_retrieved="1d")
    owner.deliver(2)
    owner.retrieve(1, 2)
    owner.age("1 day")
    owner.host.doveadm("expunge", "-u", owner.name, "mailbox", "INBOX",
                       "uid", "1")
    assert owner.poll() == []
    owner.ended(messages=0)
    assert owner.story()[-2:] == \
        intent("expunge", "expired-retrieved", 2) + COMMITTED
    assert 1 not in [row["uid"] for row in owner.audit()
                     if row["event"] == "intent"]


# --- many ---

def test_many_retrieved_messages_expire_in_steps(owner):
    owner.set(expire_retrieved="1d")
    owner.append(1100)
    with owner.raw() as raw:
        raw.send(*("RETR %d" % number for number in range(1, 1101)))
        for _ in range(1100):
            assert raw.line().startswith("+OK")
            raw.lines()
        raw.command("QUIT")
    owner.ended(retr=1100)
    owner.age("1 day")
    assert len(owner.poll()) == 100
    assert len(owner.uids()) == 100
    assert owner.poll() == []
    assert owner.uids() == []


def test_many_unretrieved_messages_expire_in_steps(owner):
    owner.set(expire_unretrieved="60d")
    owner.append(1100)
    owner.poll()
    owner.age("60 days")
    assert owner.poll() == list(range(1001, 1101))
    assert owner.uids() == list(range(1001, 1101))
    assert owner.poll() == []
    owner.ended(messages=0)
    reasons = [row["reason"] for row in owner.audit()
               if row["event"] == "intent"]
    assert reasons == ["expired-unretrieved"] * 1100


# --- a new installation on old mail ---

@pytest.fixture
def old_mail(make_host, user):
    """An owner with year-old mail where the site's preset is section8."""
    host = make_host(mail_format="maildir")
    host.set_policies("*", preset="section8", notify="no")
    owner = Owner(host, user)
    owner.append(6, date=YEAR_OLD)
    return owner


def test_section8_observed(old_mail):
    owner = old_mail
    owner.host.set_policy("*", "enforcement", "observe")
    assert owner.poll() == [1, 2, 3, 4, 5, 6]
    owner.retrieve(1, 3)
    assert owner.would_remove() == {}
    owner.age("6 days")
    owner.poll()
    owner.retrieve(4)
    assert owner.would_remove() == {}
    owner.age("1 day")
    assert owner.poll() == [1, 2, 3, 4, 5, 6]
    wait_until(owner.would_remove)
    assert owner.would_remove() == {
        1: "expired-retrieved", 3: "expired-retrieved"}
    owner.age("53 days")
    assert owner.poll() == [1, 2, 3, 4, 5, 6]
    wait_until(lambda: len(owner.would_remove()) == 6)
    assert owner.would_remove() == {
        1: "expired-retrieved", 2: "expired-unretrieved",
        3: "expired-retrieved", 4: "expired-retrieved",
        5: "expired-unretrieved", 6: "expired-unretrieved"}
    assert owner.uids() == [1, 2, 3, 4, 5, 6]
    assert owner.story() == []


def test_section8_enforced(old_mail):
    owner = old_mail
    assert owner.poll() == [1, 2, 3, 4, 5, 6]
    owner.retrieve(1, 3)
    owner.age("6 days")
    assert owner.poll() == [1, 2, 3, 4, 5, 6]
    owner.deliver(message("Message 7"))
    assert owner.poll() == [1, 2, 3, 4, 5, 6, 7]
    owner.age("1 day")
    # retrieved seven days ago
    assert owner.poll() == [2, 4, 5, 6, 7]
    owner.age("52 days")
    assert owner.poll() == [2, 4, 5, 6, 7]
    owner.retrieve(4)
    owner.age("1 day")
    # first seen sixty days ago, and never retrieved
    assert owner.poll() == [4, 7]
    assert owner.uids() == [4, 7]
    owner.told(intent("expunge", "expired-retrieved", 1, 3) + COMMITTED +
               intent("expunge", "expired-unretrieved", 2, 5, 6) + COMMITTED)


def test_section8_observed_then_enforced(old_mail):
    owner = old_mail
    owner.host.set_policy("*", "enforcement", "observe")
    owner.retrieve(1)
    owner.age("7 days")
    owner.poll()
    wait_until(owner.would_remove)
    owner.host.set_policy("*", "enforcement", "enforce")
    # what was only observed until now is removed now
    assert owner.poll() == [2, 3, 4, 5, 6]
    owner.told(intent("expunge", "expired-retrieved", 1) + COMMITTED)
    assert owner.would_remove() == {}
