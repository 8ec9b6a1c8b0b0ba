# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Notices that a POP3 login brings: that rules have changed, that mail will
expire."""

import os
import threading

import pytest

from dovecot import wait_until
from host import message
from notices import HEAD, in_mailbox, in_session, on_record, told
from owner import Owner, shown


def date_of(owner, expression):
    """A date of the database as a notice writes it, in the time zone of the
    mail host."""
    return owner.host.value(
        "SELECT to_char(to_timestamp(extract(epoch FROM %s)) "
        "AT TIME ZONE 'UTC', 'FMDD FMMonth YYYY')" % expression)


@pytest.fixture
def told_owner(owner):
    """An owner who knows the rules: retrieved mail goes after 14 days, other
    mail after 60."""
    owner.set(notify="yes", expire_retrieved="14d", expire_unretrieved="60d")
    with owner.pop3() as pop:
        (notice,) = in_session(pop)
        assert notice.kind == "policy"
        pop.dele(1)
    owner.ended(dele=1)
    owner.age("1 day")
    # the next message has UID 2
    owner._delivered = 1
    return owner


# --- changed rules ---

def test_changed_rules_as_a_person_sees_them(owner):
    owner.set(notify="yes", expire_retrieved="14 days", on_dele="hide",
              login_delay="0", view_limit="1", leave_max_bytes="1536M")
    with owner.pop3() as pop:
        assert pop.stat()[0] == 1
        (notice,) = in_session(pop)
    assert notice.letter() == HEAD % (
        owner.name, "The rules of your mailbox have changed") + """\
For the mailbox %s, these rules are new:

  - Your mail program is shown at most 1 message that you have not
    downloaded yet; when they are downloaded, others follow.
  - Mail that your mail program deletes is no longer shown to it.
  - Mail that you have downloaded is deleted from the server 14 days
    after that.
  - At most 1.5 GB of mail that you have downloaded may stay on the
    server; what is more is deleted, the oldest first.

The other rules stay as they are.

This message was written by the mail server of example.org.
""" % owner.name
    assert on_record(owner) == [
        ("policy", notice.message_id,
         "view_limit, on_dele, expire_retrieved, leave_max_bytes")]


def test_changed_rules_are_told_once(owner):
    owner.set(notify="yes", on_retrieve="hide")
    told(owner, "policy")
    told(owner)
    owner.age("2 days")
    told(owner)
    assert len(on_record(owner)) == 1


def test_only_what_changed_is_told(owner):
    owner.set(notify="yes", on_dele="hide", expire_retrieved="14d")
    told(owner, "policy")
    owner.age("1 day")
    owner.set(expire_retrieved="never")
    _, notice = told(owner, "policy", "policy")
    assert notice.words == (
        "For the mailbox %s, this rule is new: - Mail that you have "
        "downloaded is not deleted from the server because of its age. The "
        "other rules stay as they are. This message was written by the mail "
        "server of example.org." % owner.name)
    assert on_record(owner)[1][2] == "expire_retrieved"


def test_rules_of_the_domain_are_told(host, user):
    local, domain = user.split("@")
    owner = Owner(host, "%s@%s.%s" % (local, local.replace("_", "-"), domain))
    host.set_policies("@" + owner.name.split("@")[1], notify="yes",
                      on_retrieve="delete")
    (notice,) = told(owner, "policy")
    assert "it is deleted from the server." in notice.words
    assert notice.mail["From"].addresses[0].domain == \
        owner.name.split("@")[1]


def test_one_notice_of_a_kind_a_day(owner):
    owner.set(notify="yes", on_dele="hide")
    told(owner, "policy")
    owner.set(on_dele="refuse")
    told(owner, "policy")
    owner.age("23 hours")
    told(owner, "policy")
    owner.age("1 hour")
    _, notice = told(owner, "policy", "policy")
    assert "cannot delete mail from the server" in notice.words


def test_change_that_was_taken_back_is_not_told(owner):
    owner.set(notify="yes", on_dele="hide")
    told(owner, "policy")
    owner.set(on_dele="refuse")
    told(owner, "policy")
    owner.set(on_dele="hide")
    owner.age("2 days")
    told(owner, "policy")


def test_nothing_changed(owner):
    owner.set(notify="yes", mass_delete_percent="50%", pop3_access="on")
    told(owner)
    assert on_record(owner) == []


@pytest.mark.parametrize("values", [
    {"notify": "no"},
    {"notify": "yes", "enforcement": "observe"},
    {"notify": "yes", "enforcement": "off"},
], ids=["no", "observe", "off"])
def test_nothing_is_told(owner, values):
    owner.set(expire_retrieved="14d", expire_unretrieved="60d",
              quota_storage="10k", **values)
    owner.deliver(2)
    owner.retrieve(1)
    owner.age("10 days")
    told(owner)
    owner.age("44 days")
    told(owner)
    owner.deliver(message("Large", "x" * 70 + "\n" + ("y" * 70 + "\n") * 120))
    assert in_mailbox(owner) == []
    assert on_record(owner) == []


def test_notices_begin_when_they_are_switched_on(owner):
    owner.set(on_dele="hide")
    told(owner)
    owner.set(notify="yes")
    told(owner, "policy")


def test_preset_that_tells_users(owner):
    """RFC 1939, section 8: a site should tell its users."""
    owner.set(preset="section8")
    (notice,) = told(owner, "policy")
    assert (
        "- Mail that you have downloaded is deleted from the server 7 days "
        "after that. - Mail that you have not downloaded is deleted from the "
        "server 60 days after it arrived.") in notice.words


# --- mail that will expire ---

def test_expiry_as_a_person_sees_it(told_owner):
    owner = told_owner
    owner.deliver(3)
    owner.retrieve(2, 3)
    owner.age("7 days")
    (notice,) = told(owner, "expiry")
    date = date_of(owner, "now() + interval '7 days'")
    assert notice.letter() == HEAD % (
        owner.name, "2 messages will be deleted from %s on" % date) + """\
By the rules of the mailbox %s, 2 messages
will be deleted from the server, the first of them on %s.

Please download what you want to keep.

This message was written by the mail server of example.org.
""" % (owner.name, date)
    (_, (kind, message_id, detail)) = on_record(owner)
    assert (kind, message_id) == ("expiry", notice.message_id)
    assert detail.startswith("2 messages until ")
    # and that is what happens
    owner.age("6 days")
    with owner.pop3() as pop:
        assert shown(pop) == [2, 3, 4, 5]
    owner.age("1 day")
    with owner.pop3() as pop:
        assert shown(pop) == [4, 5]


def test_expiry_of_one_message(told_owner):
    owner = told_owner
    owner.deliver(2)
    owner.retrieve(2)
    owner.age("6 days 23 hours")
    told(owner)
    owner.age("1 hour")
    (notice,) = told(owner, "expiry")
    date = date_of(owner, "now() + interval '7 days'")
    assert notice.subject == "1 message will be deleted on %s" % date
    assert notice.words.startswith(
        "By the rules of the mailbox %s, 1 message will be deleted from the "
        "server on %s. " % (owner.name, date))


def test_expiry_is_told_once(told_owner):
    owner = told_owner
    owner.deliver(3)
    owner.retrieve(2)
    owner.age("3 days")
    owner.retrieve(3)
    owner.age("4 days")
    (notice,) = told(owner, "expiry")
    assert notice.subject.startswith("1 message ")
    owner.age("2 days")
    told(owner, "expiry")
    # the other one
    owner.age("1 day")
    _, notice = told(owner, "expiry", "expiry")
    assert notice.subject.startswith("1 message ")


def test_expiry_of_unretrieved_mail(told_owner):
    owner = told_owner
    owner.deliver(3)
    assert owner.poll() == [2, 3, 4]
    owner.retrieve(3)
    owner.age("10 days")
    (notice,) = told(owner, "expiry")
    assert notice.subject.startswith("1 message ")
    # that notice, downloaded, expires itself
    owner.age("42 days")
    told(owner)
    owner.age("1 day")
    (notice,) = told(owner, "expiry")
    assert notice.subject == "2 messages will be deleted from %s on" % date_of(
        owner, "now() + interval '7 days'")


def test_hidden_mail_is_not_counted(owner):
    owner.set(notify="yes", expire_retrieved="14d", on_retrieve="hide")
    owner.deliver(2)
    (notice,) = in_mailbox(owner)
    owner.retrieve(1)
    owner.age("8 days")
    told(owner, "policy")
    assert len(on_record(owner)) == 1


def test_mail_that_others_removed_is_not_counted(told_owner):
    owner = told_owner
    owner.deliver(3)
    owner.retrieve(2, 3)
    owner.host.doveadm("expunge", "-u", owner.name, "mailbox", "INBOX", "uid",
                       "2")
    owner.age("8 days")
    (notice,) = told(owner, "expiry")
    assert notice.subject.startswith("1 message ")


def test_hold(told_owner):
    """Nothing expires."""
    owner = told_owner
    owner.deliver(1)
    owner.retrieve(2)
    owner.set(pop3_hold="yes")
    owner.age("8 days")
    told(owner)


def test_notices_about_notices_are_not_written(owner):
    """The end of an announcement is not announced, for ever."""
    owner.set(notify="yes", expire_retrieved="7d", expire_unretrieved="7d")
    told(owner, "policy")
    for _ in range(5):
        owner.age("2 days")
        with owner.pop3() as pop:
            assert len(pop.uids()) <= 1
    assert [kind for kind, *_ in on_record(owner)] == ["policy"]
    assert owner.uids() == []


def test_rules_and_expiry_at_once(owner):
    owner.deliver(2)
    owner.retrieve(1)
    owner.age("10 days")
    owner.set(notify="yes", expire_retrieved="14d")
    told(owner, "policy", "expiry")


# --- the session that brings it ---

def test_notice_is_in_the_session_that_brings_it(told_owner):
    owner = told_owner
    owner.deliver(2)
    owner.retrieve(2)
    owner.age("8 days")
    pop = owner.pop3()
    assert shown(pop) == [2, 3, 4]
    sizes = [int(line.split()[1]) for line in pop.list()[1]]
    assert pop.stat() == (3, sum(sizes))
    (notice,) = in_session(pop)
    assert len(notice.raw) == sizes[2]
    assert notice.text.encode() in b"\n".join(pop.top(3, 1000)[1]) + b"\n"
    pop.quit()
    owner.ended(retr=1)
    assert owner.retrieved() == [2, 4]
    assert owner.poll() == [2, 3, 4]


def test_notice_is_retrieved_as_any_message(owner):
    owner.set(notify="yes", on_retrieve="delete")
    told(owner, "policy")
    assert owner.uids() == []
    owner.told([("notice", None, "policy", None),
                ("intent", "expunge", "retrieved", 1),
                ("committed", None, None, None)])


def test_notice_is_hidden_as_any_message(owner):
    owner.set(notify="yes", on_retrieve="hide")
    told(owner, "policy")
    told(owner)
    assert owner.hidden() == [1]
    assert len(in_mailbox(owner)) == 1


def test_notice_waits_behind_the_view_limit(owner):
    owner.set(notify="yes", view_limit="2")
    owner.append(3)
    with owner.pop3() as pop:
        assert shown(pop) == [1, 2]
        pop.retr(1)
        pop.retr(2)
    owner.ended(retr=2)
    told(owner, "policy")


def test_master_user_writes_none(owner):
    owner.set(notify="yes", on_dele="hide")
    with owner.pop3(master="boss") as pop:
        assert pop.stat()[0] == 0
    assert on_record(owner) == []
    told(owner, "policy")


def test_two_logins_at_once(owner):
    owner.set(notify="yes", on_dele="hide")
    barrier = threading.Barrier(4)
    counts = []

    def login():
        barrier.wait()
        with owner.pop3() as pop:
            counts.append(pop.stat()[0])
    threads = [threading.Thread(target=login) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == 4
    told(owner, "policy")
    assert len(on_record(owner)) == 1


@pytest.mark.parametrize("mail_format", ["mdbox", "maildir", "mbox"])
def test_formats(make_host, user, mail_format):
    owner = Owner(make_host(mail_format=mail_format), user)
    owner.set(notify="yes", expire_retrieved="14d")
    owner.deliver(2)
    with owner.pop3() as pop:
        # behind the first delivery
        assert pop.stat()[0] == 3
        (notice,) = in_session(pop)
        assert notice.kind == "policy"
        pop.retr(1)
    owner.ended(retr=2)
    owner.age("8 days")
    told(owner, "policy", "expiry")
    assert owner.host.errors() == []


def test_session_lock(make_host, user):
    host = make_host(settings={"pop3_lock_session": "yes"})
    owner = Owner(host, user)
    owner.set(notify="yes", on_dele="hide")
    told(owner, "policy")


def test_failure_costs_the_notice_only(make_host, user):
    host = make_host()
    owner = Owner(host, user)
    owner.set(notify="yes", on_dele="hide")
    host.sql("ALTER FUNCTION pop3.notices RENAME TO elsewhere")
    owner.append(1)
    offset = host.log_position()
    told(owner)
    (line,) = wait_until(lambda: [line for line in host.errors(offset)
                                  if "pop3(" in line], what="the log")
    assert "pop3-policy: No notices are written: NOTICES was refused" in line
    host.sql("ALTER FUNCTION pop3.elsewhere RENAME TO notices")
    wait_until(lambda: in_a_session(owner))
    assert [kind for kind, *_ in on_record(owner)] == ["policy"]


def test_notice_that_cannot_be_saved(make_host, user):
    """It is on record before: better none than two."""
    host = make_host(mail_format="maildir")
    owner = Owner(host, user)
    owner.set(notify="yes", on_dele="hide")
    told(owner, "policy")
    owner.age("1 day")
    owner.set(on_dele="refuse")
    directory = host.path("mail", owner.name, "Maildir", "tmp")
    os.chmod(directory, 0o500)
    offset = host.log_position()
    told(owner, "policy")
    wait_until(lambda: host.log_contains(
        "Error: pop3-policy: A notice .policy. was not written, and is on "
        "record: .*Permission denied", offset), what="the log")
    os.chmod(directory, 0o700)
    assert len(on_record(owner)) == 2
    told(owner, "policy")
    assert owner.uids() == [1]


def in_a_session(owner):
    with owner.pop3() as pop:
        return in_session(pop)
