# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Notices that a delivery brings: that usage crossed a threshold of
quota_warn, and what a login would have brought."""

import threading

import pytest

from dovecot import wait_until
from notices import HEAD, Notice, in_mailbox, on_record, told
from owner import Owner
from quota import (
    EX_OK, answer, lda, lmtp_answers, quota_options, sized, sizes, wait_usage)

FITS = "250 2.0.0"
FULL = "552 5.2.2"
LIMIT = 100 * 1024

# A line of a message has 11 bytes, with its CRLF: so many are a percent.
PERCENT = LIMIT // 1100


@pytest.fixture(scope="module")
def quota_host(make_module_host):
    return make_module_host(**quota_options(
        service_settings={"poll_interval": "1s"},
        settings={"lmtp_save_to_detail_mailbox": "yes"}))


@pytest.fixture
def owner(quota_host, user):
    """An owner who may have 100 kB. The first message leads to a notice of
    changed rules."""
    owner = Owner(quota_host, user)
    owner.set(notify="yes", quota_storage="100k")
    owner.deliver(1)
    (notice,) = in_mailbox(owner)
    assert notice.kind == "policy"
    return owner


def deliver(owner, lines):
    assert answer(owner.host, owner.name, sized(lines)) == FITS


def of_quota(owner):
    return [notice for notice in in_mailbox(owner) if notice.kind == "quota"]


def used(owner):
    return sum(sizes(owner.host, owner.name))


# --- crossings ---

def test_quota_as_a_person_sees_it(owner):
    deliver(owner, 82 * PERCENT)
    with owner.pop3() as pop:
        number, total = pop.stat()
        notice = Notice(b"\r\n".join(pop.retr(number)[1]) + b"\r\n")
    # the notice itself came afterwards
    total -= len(notice.raw)
    percent = total * 100 // LIMIT
    assert 80 <= percent < 90
    assert notice.letter() == HEAD % (
        owner.name, "Your mailbox is %d%% full" % percent) + """\
The mailbox %s holds %d kB of the 100 kB that it
may hold. It is %d%% full.

When it is full, new mail cannot be delivered to it. Please download your
mail, and delete on the server what you no longer need there.

This message was written by the mail server of example.org.
""" % (owner.name, total // 1024, percent)
    assert on_record(owner)[1:] == [("quota", notice.message_id, "80 %")]


def test_same_crossing_is_told_once(owner):
    deliver(owner, 82 * PERCENT)
    deliver(owner, 1)
    owner.age("2 days")
    deliver(owner, 1)
    deliver(owner, PERCENT)
    assert len(of_quota(owner)) == 1


def test_below_the_threshold(owner):
    deliver(owner, 40 * PERCENT)
    deliver(owner, 30 * PERCENT)
    assert of_quota(owner) == []
    deliver(owner, 12 * PERCENT)
    assert len(of_quota(owner)) == 1


def test_one_notice_a_day(owner):
    deliver(owner, 82 * PERCENT)
    deliver(owner, 14 * PERCENT)
    assert used(owner) > LIMIT * 95 // 100
    owner.age("23 hours")
    deliver(owner, 1)
    assert len(of_quota(owner)) == 1
    owner.age("1 hour")
    deliver(owner, 1)
    _, notice = of_quota(owner)
    assert int(notice.subject.split("is ")[1].split("%")[0]) >= 95
    assert [detail for _, _, detail in on_record(owner)[1:]] == \
        ["80 %", "95 %"]


def test_both_thresholds_at_once(owner):
    deliver(owner, 96 * PERCENT)
    assert [detail for _, _, detail in on_record(owner)[1:]] == ["95 %"]
    owner.age("2 days")
    deliver(owner, 1)
    assert len(of_quota(owner)) == 1


def fall(owner):
    """The owner deletes the large message."""
    with owner.pop3() as pop:
        (large,) = [int(number) for number, size in
                    (line.split() for line in pop.list()[1])
                    if int(size) > LIMIT // 2]
        pop.dele(large)
    owner.ended(dele=1)
    wait_usage(owner.host, owner.name, level=0)


def test_next_crossing_is_told(owner):
    deliver(owner, 82 * PERCENT)
    fall(owner)
    owner.age("1 day")
    deliver(owner, 10)
    assert len(of_quota(owner)) == 1
    deliver(owner, 82 * PERCENT)
    assert len(of_quota(owner)) == 2


def test_next_crossing_on_the_same_day(owner):
    """It is told when a day has gone by."""
    deliver(owner, 82 * PERCENT)
    fall(owner)
    deliver(owner, 82 * PERCENT)
    deliver(owner, 1)
    assert len(of_quota(owner)) == 1
    owner.age("1 day")
    deliver(owner, 1)
    assert len(of_quota(owner)) == 2
    owner.age("1 day")
    deliver(owner, 1)
    assert len(of_quota(owner)) == 2


def test_deliveries_at_once(owner):
    barrier = threading.Barrier(6)
    answers = []

    def deliver_one():
        barrier.wait()
        answers.append(answer(owner.host, owner.name, sized(15 * PERCENT)))
    threads = [threading.Thread(target=deliver_one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [FITS] * 6
    assert len(of_quota(owner)) == 1
    assert len(on_record(owner)) == 2


# --- the limit ---

def fill_up(owner):
    """Fill the mailbox but for fewer bytes than a notice has."""
    before = len(sizes(owner.host, owner.name))
    deliver(owner, 1)
    (size,) = sizes(owner.host, owner.name)[before:]
    lines = (LIMIT - used(owner) - size) // 11
    deliver(owner, lines)


def test_notice_is_written_over_quota(owner):
    fill_up(owner)
    (notice,) = of_quota(owner)
    *others, _ = sizes(owner.host, owner.name)
    assert LIMIT - 100 < sum(others) <= LIMIT < used(owner)
    assert notice.subject == "Your mailbox is 99% full"
    # and nothing else is
    assert answer(owner.host, owner.name, sized(1)) == FULL
    assert len(of_quota(owner)) == 1
    owner.age("2 days")
    assert answer(owner.host, owner.name, sized(1)) == FULL
    assert len(of_quota(owner)) == 1


def test_login_notice_is_written_over_quota(owner):
    owner.set(quota_warn="none")
    fill_up(owner)
    owner.set(on_dele="hide")
    owner.age("1 day")
    told(owner, "policy", "policy")
    assert used(owner) > LIMIT
    assert answer(owner.host, owner.name, sized(1)) == FULL


def test_notice_is_not_evicted_before_it_was_seen(owner):
    owner.set(quota_action="evict", quota_warn="50")
    deliver(owner, 60 * PERCENT)
    (notice,) = of_quota(owner)
    # the others were retrieved
    with owner.pop3() as pop:
        for number in pop.uids():
            if notice.message_id.encode() not in b"\n".join(
                    pop.top(number, 0)[1]):
                pop.retr(number)
    owner.ended(retr=3)
    deliver(owner, 90 * PERCENT)
    assert len(owner.uids()) == 2
    assert [left.message_id for left in of_quota(owner)] == \
        [notice.message_id]


def test_quota_of_messages(quota_host, user):
    owner = Owner(quota_host, user)
    owner.set(notify="yes", quota_messages="10")
    # with the notice of changed rules there are 7
    owner.deliver(6)
    assert of_quota(owner) == []
    owner.deliver(1)
    (notice,) = of_quota(owner)
    assert notice.subject == "Your mailbox is 80% full"
    assert notice.words.startswith(
        "The mailbox %s holds 8 messages of the 10 messages that it may hold. "
        "It is 80%% full." % owner.name)


@pytest.mark.parametrize("thresholds, number", [("none", 0), ("50%", 1)])
def test_quota_warn(owner, thresholds, number):
    owner.set(quota_warn=thresholds)
    deliver(owner, 52 * PERCENT)
    deliver(owner, 43 * PERCENT)
    assert len(of_quota(owner)) == number


def test_without_notify(owner):
    owner.set(notify="no")
    deliver(owner, 82 * PERCENT)
    assert of_quota(owner) == []
    # told when it is switched on, since it was not before
    owner.set(notify="yes")
    deliver(owner, 1)
    assert len(of_quota(owner)) == 1


def test_without_a_limit(owner):
    owner.set(quota_storage="unlimited")
    deliver(owner, 300 * PERCENT)
    assert of_quota(owner) == []


def test_limit_of_dovecots_configuration(make_host, user):
    host = make_host(**quota_options(
        plugin_settings={"quota_rule": "*:storage=100k"}))
    owner = Owner(host, user)
    owner.set(notify="yes")
    deliver(owner, 82 * PERCENT)
    (notice,) = in_mailbox(owner)
    assert " of the 100 kB that " in notice.words


# --- deliveries ---

def test_delivery_brings_what_a_login_would(owner):
    owner.set(expire_retrieved="14d")
    owner.retrieve(1)
    owner.age("8 days")
    deliver(owner, 1)
    kinds = [notice.kind for notice in in_mailbox(owner)]
    assert kinds == ["policy", "policy", "expiry"]
    deliver(owner, 1)
    owner.age("2 days")
    deliver(owner, 1)
    assert len(in_mailbox(owner)) == 3


def test_delivery_to_another_mailbox(owner):
    local, domain = owner.name.split("@")
    assert answer(owner.host, "%s+Trash@%s" % (local, domain),
                  sized(82 * PERCENT)) == FITS
    assert len(sizes(owner.host, owner.name, mailbox="Trash")) == 1
    assert len(of_quota(owner)) == 1


def test_delivery_by_lda(owner):
    assert lda(owner.host, owner.name, sized(82 * PERCENT)) == EX_OK
    assert len(of_quota(owner)) == 1


def test_several_recipients(quota_host, user):
    owners = [Owner(quota_host, "%d-%s" % (number, user))
              for number in range(3)]
    for owner in owners[1:]:
        owner.set(notify="yes", quota_storage="100k")
    answers = lmtp_answers(quota_host, [owner.name for owner in owners],
                           sized(82 * PERCENT))
    assert [code for _, code, _ in answers.values()] == [250] * 3
    assert [len(of_quota(owner)) for owner in owners] == [0, 1, 1]
    for owner in owners[1:]:
        assert [notice.mail["To"].addresses[0].addr_spec
                for notice in in_mailbox(owner)] == [owner.name] * 2


@pytest.mark.parametrize("mail_format", ["mdbox", "maildir"])
def test_formats(make_host, user, mail_format):
    host = make_host(**quota_options(mail_format=mail_format))
    owner = Owner(host, user)
    owner.set(notify="yes", quota_storage="100k")
    deliver(owner, 82 * PERCENT)
    assert [notice.kind for notice in in_mailbox(owner)] == \
        ["quota", "policy"]
    assert host.errors() == []


def test_database_is_away(make_host, user):
    host = make_host(own_pg=True, **quota_options())
    owner = Owner(host, user)
    owner.set(notify="yes", quota_storage="100k")
    deliver(owner, 1)
    host.pg.stop()
    deliver(owner, 82 * PERCENT)
    assert of_quota(owner) == []
    host.pg.start()
    wait_until(lambda: host.log_contains("The database can be used again"),
               what="the service to notice")
    deliver(owner, 1)
    assert len(of_quota(owner)) == 1
