# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""quota_action, many users in one lmtp process, dovecot-lda, RCPT's check, and
what deliveries do when the policy cannot be asked."""

import os
import time

import pytest

from dovecot_files import dialect, dovecot_variable
from host import message
from maildrop import Maildrop
from quota import (
    EX_NOPERM, EX_OK, EX_TEMPFAIL, answer, lda, lmtp_answers, quota_options,
    sized, wait_usage)

FITS = "250 2.0.0"
FULL = "552 5.2.2"
DEFERRED = "452 4.2.2"


@pytest.fixture(scope="module")
def quota_host(make_module_host):
    return make_module_host(**quota_options(
        service_settings={"poll_interval": "1s"}))


def fill(host, user, **policy):
    """A user with one message, and a quota of one message."""
    host.deliver(user, message())
    host.set_policies(user, quota_messages="1", **policy)


# --- quota_action ---

@pytest.mark.parametrize("action,expected,status", [
    ("reject", FULL, EX_NOPERM), ("defer", DEFERRED, EX_TEMPFAIL)])
def test_action(quota_host, user, action, expected, status):
    """The same by LMTP and by dovecot-lda."""
    fill(quota_host, user, quota_action=action)
    assert answer(quota_host, user, message()) == expected
    assert lda(quota_host, user, message()) == status
    quota_host.set_policies(user, quota_messages="2")
    assert lda(quota_host, user, message()) == EX_OK
    assert answer(quota_host, user, message()) == expected
    assert len(Maildrop(quota_host, user).uids()) == 2
    # a policy that is not enforced
    quota_host.set_policies(user, enforcement="observe")
    assert lda(quota_host, user, message()) == EX_OK


def test_action_changes(quota_host, user):
    fill(quota_host, user)
    for action, expected in (("defer", DEFERRED), ("reject", FULL),
                             ("defer", DEFERRED)):
        quota_host.set_policies(user, quota_action=action)
        assert answer(quota_host, user, message()) == expected
    quota_host.unset_policy(user, "quota_action")
    assert answer(quota_host, user, message()) == FULL


@pytest.mark.skipif(
    not os.path.exists(os.path.join(dovecot_variable("dovecot_moduledir"),
                                    "lib90_sieve_plugin.so")),
    reason="Sieve (Pigeonhole) is not installed")
def test_action_with_sieve(make_host, user):
    """Its plugin is loaded behind ours, and takes deliveries over."""
    write = dialect()
    host = make_host(**quota_options(
        extra=write.protocol_plugins("lmtp", ["sieve"]) +
        write.protocol_plugins("lda", ["sieve"])))
    for action, expected, status in (("reject", FULL, EX_NOPERM),
                                     ("defer", DEFERRED, EX_TEMPFAIL)):
        one = "%s.%s" % (action, user)
        fill(host, one, quota_action=action)
        for _ in range(2):
            assert answer(host, one, message()) == expected
        assert lda(host, one, message()) == status


def configured_action_host(make, rule):
    return make(**quota_options(
        plugin_settings={"quota_rule": rule},
        settings={"quota_full_tempfail": "yes",
                  "lmtp_rcpt_check_quota": "yes"}))


def test_configured_action(make_host, user):
    """Dovecot's quota_full_tempfail holds for its own limits, quota_action for
    the policy's. RCPT is checked here."""
    host = configured_action_host(make_host, "*:storage=1G:messages=1")
    host.deliver(user, message())
    assert lmtp_answers(host, [user], message())[user][:2] == ("RCPT", 452)
    host.set_policies(user, quota_messages="1")
    assert answer(host, user, message()) == FULL
    host.set_policies(user, quota_action="defer")
    assert lmtp_answers(host, [user], message())[user][:2] == ("RCPT", 452)


# --- RCPT ---

@pytest.fixture(scope="module")
def rcpt_host(make_module_host):
    return make_module_host(**quota_options(
        settings={"lmtp_rcpt_check_quota": "yes"}))


def test_rcpt(rcpt_host, user):
    """The recipient is refused before the message is sent."""
    fill(rcpt_host, user)
    command, code, text = lmtp_answers(rcpt_host, [user], message())[user]
    assert (command, code, text.split()[0]) == ("RCPT", 552, "5.2.2")
    rcpt_host.set_policies(user, quota_messages="2")
    assert answer(rcpt_host, user, message()) == FITS


def test_rcpt_deferred(rcpt_host, user):
    """Dovecot 2.4 does not ask for the policy before it answers RCPT."""
    fill(rcpt_host, user, quota_action="defer")
    command, code, text = lmtp_answers(rcpt_host, [user], message())[user]
    assert (code, text.split()[0]) == (452, "4.2.2")
    assert command == dialect().DEFERS_AT


def test_rcpt_lets_pass_where_room_can_be_made(rcpt_host, user):
    fill(rcpt_host, user, quota_action="evict")
    command, code, _ = lmtp_answers(rcpt_host, [user], message())[user]
    assert (command, code) == ("DATA", 552)


# --- users of one process ---

def users_with_limits(host, user):
    """Users with all kinds of limits, {user: (answer to a second message, to
    a second one that is larger)}."""
    kinds = {
        "none": ({}, FITS, FITS),
        "one": ({"quota_messages": "1"}, FULL, FULL),
        "defer": ({"quota_messages": "1", "quota_action": "defer"}, DEFERRED,
                  DEFERRED),
        "small": ({"quota_storage": "4k"}, FITS, FULL),
        "smalldefer": ({"quota_storage": "4k", "quota_action": "defer"},
                       FITS, DEFERRED),
        "large": ({"quota_storage": "1G", "quota_messages": "1000"}, FITS,
                  FITS),
        "unlimited": ({"quota_storage": "unlimited",
                       "quota_messages": "unlimited",
                       "quota_action": "defer"}, FITS, FITS),
        "observe": ({"quota_messages": "1", "enforcement": "observe"}, FITS,
                    FITS),
    }
    name, domain = user.split("@")
    expected = {}
    for kind, (policy, *answers) in kinds.items():
        full = "%s.%s@%s" % (name, kind, domain)
        host.deliver(full, message())
        host.set_policies(full, **policy)
        expected[full] = answers
    return expected


def check_answers(answers, expected, which):
    assert {user: "%d %s" % (code, text.split()[0])
            for user, (_, code, text) in answers.items()} == \
        {user: answers[which] for user, answers in expected.items()}


def test_many_users_in_one_process(quota_host, user):
    """No limit and no action passes from one user to the next, in whatever
    order they come."""
    expected = users_with_limits(quota_host, user)
    pids = quota_host.pids("lmtp")
    assert len(pids) == 1
    for order in (sorted(expected), sorted(expected, reverse=True)):
        for one in order:
            assert answer(quota_host, one, sized(500)) == expected[one][1]
    assert quota_host.pids("lmtp") == pids


def test_many_recipients_of_one_message(quota_host, user):
    expected = users_with_limits(quota_host, user)
    for order in (sorted(expected), sorted(expected, reverse=True)):
        check_answers(lmtp_answers(quota_host, order, sized(500)), expected, 1)
    check_answers(lmtp_answers(quota_host, sorted(expected), message()),
                  expected, 0)


# --- usage ---

def test_usage_is_told(quota_host, user):
    """After a delivery and after a POP3 session, with the limits in force."""
    quota_host.set_policies(user, quota_messages="4", quota_warn="50,75",
                            on_retrieve="delete")
    drop = Maildrop(quota_host, user)
    drop.deliver(1)
    wait_usage(quota_host, user, messages=1, message_limit=4,
               storage_limit=None, level=0)
    drop.deliver(2)
    wait_usage(quota_host, user, messages=3, message_limit=4, level=75)
    drop.session(retr=[1])
    wait_usage(quota_host, user, messages=2, message_limit=4,
               storage_limit=None, level=50)
    quota_host.unset_policy(user, "quota_messages")
    drop.deliver(1)
    wait_usage(quota_host, user, messages=3, message_limit=None, level=0)


# --- nobody to ask ---

def test_service_does_not_answer(make_host, user):
    """Mail is delivered after the timeout, by Dovecot's limits, and a line in
    the log says so."""
    host = make_host(**quota_options(plugin_settings={
        "quota_rule": "*:storage=1G:messages=2",
        "pop3_policy_timeout": "1s"}))
    fill(host, user)
    assert answer(host, user, message()) == FULL
    host.pause_service()
    try:
        offset = host.log_position()
        start = time.monotonic()
        assert answer(host, user, message()) == FITS
        assert 1 <= time.monotonic() - start < 10
        assert host.log_contains("Warning: .*policy is not known", offset)
        assert answer(host, user, message()) == FULL
        # doveadm waits for it once, not for each user
        start = time.monotonic()
        with open(host.path("users"), "w") as file:
            file.writelines("%d.%s\n" % (number, user)
                            for number in range(20))
        done = host.run("doveadm", "quota", "get", "-F", host.path("users"))
        assert done.returncode == 0
        assert done.stderr.count("policy is not known") == 1
        assert time.monotonic() - start < 10
    finally:
        host.resume_service()
    assert answer(host, user, message()) == FULL


def test_database_is_away(make_host, user):
    """The last known limits hold, and mail is delivered."""
    host = make_host(own_pg=True, **quota_options())
    other = "other." + user
    fill(host, user, quota_action="defer")
    host.set_policies(other, quota_messages="2")
    host.deliver(other, message())
    assert answer(host, user, message()) == DEFERRED
    host.pg.stop()
    assert answer(host, user, message()) == DEFERRED
    assert [answer(host, other, message()) for _ in range(2)] == [FITS, FULL]
    # nothing is known of this one
    assert answer(host, "third." + user, message()) == FITS
    host.pg.start()


def test_without_quota_plugin(make_host, user):
    """One warning in a process, and mail is delivered."""
    options = quota_options()
    host = make_host(extra="service lmtp {\n  process_limit = 1\n  %s\n}\n" %
                     dialect().service_count(0))
    warning = "quota_storage and quota_messages of the policy have no effect"
    host.set_policies(user, quota_messages="unlimited")
    assert answer(host, user, message()) == FITS
    assert not host.log_contains(warning)
    host.set_policies(user, quota_messages="1")
    assert [answer(host, user, message()) for _ in range(2)] == [FITS, FITS]
    assert host.log_contains(warning + ": Dovecot's quota plugin is not loaded")
    assert len([line for line in host.errors() if "lmtp(" in line]) == 1
    # the plugin, but no quota
    host.mail_plugins = "quota"
    host.restart()
    offset = host.log_position()
    assert [answer(host, user, message()) for _ in range(2)] == [FITS, FITS]
    assert host.log_contains(warning + ".*no enforced quota", offset)
    # and with one
    host.plugin_settings.update(options["plugin_settings"])
    host.restart()
    offset = host.log_position()
    assert answer(host, user, message()) == FULL
    assert not host.log_contains("lmtp.*Warning", offset)
