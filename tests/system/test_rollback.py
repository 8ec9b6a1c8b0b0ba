# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A mailbox that was put back from an older copy gives UIDs out again. What
was recorded for the former messages must not touch the new ones."""

import pytest

from maildrop import Maildrop, guid128


@pytest.fixture
def drop(host, user):
    """Hidden mail is shown by UID; three messages, and a copy of that."""
    drop = Maildrop(host, user)
    host.set_policy(user, "on_dele", "hide")
    drop.deliver(3)
    return drop


def watermarks(drop):
    """UIDNEXTs of the watermarks, oldest first."""
    return [row[0] for row in drop.host.sql(
        "SELECT w.uidnext FROM pop3.watermark w JOIN pop3.maildrop d "
        "USING (maildrop_id) WHERE d.username = %s ORDER BY w.at",
        (drop.user,))]


def known_uidnext(drop):
    return drop.host.value("SELECT uidnext FROM pop3.maildrop "
                           "WHERE username = %s", (drop.user,))


def test_state_is_dropped(host, user, drop):
    """UIDNEXT is lower than known, and no message has the UIDs yet."""
    drop.session(retr=[1], dele=[2])
    copy = drop.copy()
    drop.deliver(3)
    drop.session(retr=[4, 6], dele=[5])
    assert drop.hidden() == [2, 5]
    drop.put_back(copy)

    # what is still valid stays
    assert drop.view() == [1, 3]
    drop.wait_events("rollback")
    assert drop.hidden() == [2]
    assert drop.retrieved() == [1]
    assert drop.tracked() == 2
    assert known_uidnext(drop) == 4

    # new mail is new mail
    drop.deliver(3)
    assert drop.view() == [1, 3, 4, 5, 6]
    drop.session(retr=[5])
    assert drop.retrieved() == [1, 5]
    assert str(drop.state()[5]["message_guid"]) == guid128(drop.stored()[5])
    assert drop.hidden() == [2]
    assert len(drop.events("rollback")) == 1


@pytest.mark.parametrize("delivered", [1, 3, 5],
                         ids=["lower", "equal", "higher"])
def test_hidden_state_of_others(host, user, drop, delivered):
    """New mail got the UIDs of hidden messages before the next login:
    UIDNEXT is lower than the known one, equal to it, or higher."""
    drop.session(dele=[2])
    copy = drop.copy()
    drop.deliver(3)
    drop.session(dele=[4, 5, 6])
    assert known_uidnext(drop) == 7
    drop.put_back(copy)
    drop.deliver(delivered)
    assert drop.view() == [1, 3] + list(range(4, 4 + delivered))
    drop.wait_events("rollback")
    assert drop.hidden() == [2]
    assert drop.view() == [1, 3] + list(range(4, 4 + delivered))
    assert len(drop.events("rollback")) == 1
    assert drop.intended() == {}


@pytest.mark.parametrize("expunged", [[6], [5, 6]])
def test_known_messages_are_missing(host, user, drop, expunged):
    """The highest known message, or that and the highest hidden one, cannot
    tell: IMAP took those that have their UIDs now."""
    copy = drop.copy()
    drop.deliver(3)
    drop.session(dele=[4, 5])
    drop.put_back(copy)
    drop.deliver(4)
    drop.expunge(*expunged)
    shown = [uid for uid in range(1, 8) if uid not in expunged]
    assert drop.view() == shown
    drop.wait_events("rollback")
    assert drop.hidden() == []
    assert drop.view() == shown


@pytest.mark.parametrize("delivered", [1, 3, 5],
                         ids=["lower", "equal", "higher"])
def test_due_state_of_others(host, user, drop, delivered):
    """The retrieval clocks of former messages do not run for new ones."""
    host.set_policy(user, "expire_retrieved", "14d")
    drop.session(retr=[1])
    copy = drop.copy()
    drop.deliver(3)
    drop.session(retr=[4, 5, 6])
    drop.put_back(copy)
    drop.deliver(delivered)
    drop.age("14 days")
    new = list(range(4, 4 + delivered))
    assert drop.view() == [2, 3] + new
    assert drop.uids() == [2, 3] + new
    assert list(drop.intended()) == [1]
    assert drop.view() == [2, 3] + new
    assert [uid for uid in drop.retrieved() if uid in new] == []
    # their own clocks are those that count
    drop.session(retr=[4])
    drop.age("13 days")
    assert drop.view() == [2, 3] + new
    drop.age("1 day")
    assert drop.view() == [2, 3] + new[1:]


@pytest.mark.parametrize("delivered", [1, 3, 5],
                         ids=["lower", "equal", "higher"])
def test_arrival_of_others(host, user, drop, delivered):
    """Watermarks of former messages do not make new mail old. Nothing was
    retrieved, so that no message's state tells of the roll-back."""
    host.set_policy(user, "expire_unretrieved", "60d")
    drop.session()
    copy = drop.copy()
    drop.deliver(3)
    drop.age("2 days")
    drop.session()
    drop.deliver(1)
    drop.age("1 day")
    drop.session()
    assert drop.view() == [1, 2, 3, 4, 5, 6, 7]
    drop.age("57 days")
    # all but 7 will be due a day later
    drop.put_back(copy)
    drop.deliver(delivered)
    new = list(range(4, 4 + delivered))
    drop.age("1 day")
    view = drop.view()
    assert [uid for uid in view if uid >= 4] == new
    assert [uid for uid in drop.intended() if uid >= 4] == []
    view = drop.view()
    assert [uid for uid in view if uid >= 4] == new
    assert [uid for uid in drop.intended() if uid >= 4] == []
    # their own clock is the one that counts
    drop.age("59 days")
    assert [uid for uid in drop.view() if uid >= 4] == new
    drop.age("1 day")
    assert drop.view() == []


@pytest.mark.parametrize("parameter", ["view_since", "view_window"])
def test_view_of_others(host, user, drop, parameter):
    """New mail with old UIDs is not taken for mail from before the view."""
    drop.session()
    copy = drop.copy()
    drop.deliver(3)
    drop.age("2 days")
    drop.session()
    drop.deliver(1)
    drop.age("10 days")
    if parameter == "view_since":
        host.set_policy(user, "view_since", host.value(
            "SELECT to_char(now() - interval '9 days', "
            "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"))
    else:
        host.set_policy(user, "view_window", "9 days")
    drop.session()
    assert drop.view() == [7]
    drop.put_back(copy)
    drop.deliver(4)
    assert [uid for uid in drop.view() if uid >= 4] == [4, 5, 6, 7]
    drop.wait_events("rollback")
    assert [uid for uid in drop.view() if uid >= 4] == [4, 5, 6, 7]


def test_mail_arrives_during_the_last_session(host, user, drop):
    """The highest UID was never the last message of a login."""
    host.set_policy(user, "expire_unretrieved", "60d")
    copy = drop.copy()
    pop = host.pop3(user)
    drop.deliver(3)
    pop.retr(1)
    pop.quit()
    host.wait_sessions(user, 1)
    assert known_uidnext(drop) == 4
    drop.session()
    assert known_uidnext(drop) == 7
    drop.session(retr=[1])
    drop.put_back(copy)
    drop.deliver(4)
    drop.age("60 days")
    assert [uid for uid in drop.view() if uid >= 4] == [4, 5, 6, 7]
    assert [uid for uid in drop.intended() if uid >= 4] == []


def test_highest_uid_seen_by_a_dropped_session(host, user, drop):
    host.set_policy(user, "expire_unretrieved", "60d")
    drop.session(retr=[1])
    copy = drop.copy()
    drop.deliver(3)
    drop.session(retr=[1], end="drop")
    assert known_uidnext(drop) == 7
    drop.session(retr=[1])
    drop.put_back(copy)
    drop.deliver(4)
    drop.age("60 days")
    assert [uid for uid in drop.view() if uid >= 4] == [4, 5, 6, 7]
    assert [uid for uid in drop.intended() if uid >= 4] == []


def test_client_that_never_quits(host, user, drop):
    """Its sessions date the UIDs all the same."""
    host.set_policy(user, "expire_unretrieved", "60d")
    drop.session(end="drop")
    copy = drop.copy()
    drop.deliver(3)
    drop.session(end="drop")
    assert known_uidnext(drop) == 7
    drop.put_back(copy)
    drop.deliver(4)
    drop.age("60 days")
    assert [uid for uid in drop.view() if uid >= 4] == [4, 5, 6, 7]
    assert [uid for uid in drop.intended() if uid >= 4] == []


def test_last_message_is_gone_since(host, user, drop):
    """The highest known UID is that of a message that the client deleted. What
    is still the same message as it was is old, what came since is not."""
    host.set_policies(user, on_dele="delete", expire_unretrieved="60d")
    drop.session(retr=[1])
    copy = drop.copy()
    drop.deliver(3)
    drop.session(retr=[4, 5, 6], dele=[4, 5, 6])
    drop.put_back(copy)
    drop.deliver(4)
    drop.age("60 days")
    assert drop.view() == [1, 4, 5, 6, 7]
    assert drop.events("intent") == [
        ("intent", uid, "dele") for uid in (4, 5, 6)] + [
        ("intent", uid, "expired-unretrieved") for uid in (2, 3)]


def test_removed_messages_come_back(host, user, drop):
    """A copy that is as new as what is known: nothing was put back that
    would have another UID. What was removed is listed again, what is hidden
    stays hidden."""
    drop.session(dele=[2])
    copy = drop.copy()
    host.set_policies(user, on_retrieve="delete", on_dele="delete")
    drop.session(retr=[1, 3])
    assert drop.uids() == [2]
    drop.put_back(copy)
    assert drop.view() == [1, 3]
    assert drop.hidden() == [2]
    assert drop.events("rollback") == []
    drop.session(retr=[1])
    assert drop.view() == [3]
    assert drop.uids() == [2, 3]


def test_audit_says_what_happened(host, user, drop):
    drop.session(retr=[1])
    copy = drop.copy()
    drop.deliver(2)
    drop.session(retr=[4], dele=[5])
    drop.put_back(copy)
    offset = host.log_position()
    drop.view()
    (row,) = host.wait_audit(user, "rollback")
    assert row["detail"].startswith("UIDNEXT 4, known 6")
    assert "state of 2 messages" in row["detail"]
    assert host.log_contains("put back to an older state: UIDNEXT is 4, it "
                             "was 6", offset)


def test_intent_of_a_former_message(host, user, drop):
    """An intent that was left open for a UID that another message has now:
    the former message is gone, the new one stays."""
    host.set_policy(user, "on_dele", "delete")
    drop.session(retr=[1])
    copy = drop.copy()
    drop.deliver(1)
    drop.killed_before_commit(dele=[4])
    drop.put_back(copy)
    drop.deliver(1)
    assert drop.view() == [1, 2, 3, 4]
    assert drop.wait_events("presumed") == [4]
    assert drop.view() == [1, 2, 3, 4]
    assert drop.open_intents() == []


@pytest.mark.parametrize("mail_format", ["maildir", "mdbox"])
def test_formats(make_host, user, mail_format):
    host = make_host(mail_format=mail_format)
    drop = Maildrop(host, user)
    host.set_policies(user, on_dele="hide", expire_retrieved="14d")
    drop.deliver(3)
    drop.session(retr=[1], dele=[2])
    copy = drop.copy()
    drop.deliver(2)
    drop.session(retr=[4], dele=[5])
    drop.put_back(copy)
    drop.deliver(3)
    assert drop.view() == [1, 3, 4, 5, 6]
    drop.wait_events("rollback")
    assert drop.hidden() == [2]
    assert drop.retrieved() == [1]
    drop.age("14 days")
    assert drop.view() == [3, 4, 5, 6]
