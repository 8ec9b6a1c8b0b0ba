# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""quota_storage and quota_messages: how much fits, and what else decides."""

import pytest

from host import message
from quota import (
    answer, append, getquota, quota_get, quota_options, quota_status,
    quota_status_service, sized, sizes)

FITS = "250 2.0.0"
FULL = "552 5.2.2"


@pytest.fixture(scope="module", params=["sdbox", "mdbox", "maildir"])
def format_host(request, make_module_host):
    return make_module_host(mail_format=request.param, **quota_options())


@pytest.fixture(scope="module")
def quota_host(make_module_host):
    """No limit at all is configured."""
    return make_module_host(**quota_options(
        mail_plugins="quota pop3_policy", extra=quota_status_service()))


@pytest.fixture(scope="module")
def limited_host(make_module_host):
    """Dovecot has limits of its own, and more room in Trash."""
    return make_module_host(**quota_options(plugin_settings={
        "quota_rule": "*:storage=20k:messages=3",
        "quota_rule2": "Trash:storage=+50%"}))


# --- bytes ---

def test_exact(format_host, user):
    """What fills the quota to the last byte fits, one byte more does not. So
    it does again in an empty mailbox."""
    host = format_host
    host.deliver(user, sized(100, 5))
    host.deliver(user, sized(100, 6))
    small, large = sizes(host, user)
    assert large == small + 1
    host.set_policies(user, quota_storage=str(3 * small))
    assert answer(host, user, sized(100, 5)) == FULL
    host.set_policies(user, quota_storage=str(3 * small + 1))
    assert answer(host, user, sized(100, 6)) == FULL
    assert answer(host, user, sized(100, 5)) == FITS
    assert sum(sizes(host, user)) == 3 * small + 1
    assert answer(host, user, sized(0)) == FULL
    host.doveadm("expunge", "-u", user, "mailbox", "INBOX", "all")
    host.set_policies(user, quota_storage=str(large))
    assert answer(host, user, sized(100, 7)) == FULL
    assert answer(host, user, sized(100, 6)) == FITS


def test_no_grace(quota_host, user):
    """Dovecot's grace for the last message of a mailbox, 10 % or 10 MB, does
    not stretch the quota of a policy."""
    quota_host.set_policies(user, quota_storage="10k")
    assert answer(quota_host, user, sized(1000)) == FULL
    assert answer(quota_host, user, sized(700)) == FITS
    assert answer(quota_host, user, sized(200)) == FULL


# --- messages ---

def test_messages(quota_host, user):
    quota_host.set_policies(user, quota_messages="2")
    assert [answer(quota_host, user, message()) for _ in range(3)] == \
        [FITS, FITS, FULL]
    quota_host.doveadm("expunge", "-u", user, "mailbox", "INBOX", "uid", "1")
    assert [answer(quota_host, user, message()) for _ in range(2)] == \
        [FITS, FULL]


def test_both(quota_host, user):
    """Whichever is reached first."""
    quota_host.set_policies(user, quota_messages="2", quota_storage="10k")
    assert [answer(quota_host, user, sized(lines)) for lines in
            (1000, 10, 10, 10)] == [FULL, FITS, FITS, FULL]
    quota_host.set_policies(user, quota_messages="3")
    assert [answer(quota_host, user, sized(lines)) for lines in
            (1000, 10, 10)] == [FULL, FITS, FULL]


# --- what sees it ---

def test_shown(quota_host, user):
    """GETQUOTA and doveadm quota get tell the policy's limits."""
    assert getquota(quota_host, user) == {}
    quota_host.set_policies(user, quota_storage="50k", quota_messages="7")
    quota_host.deliver(user, message(), message())
    assert getquota(quota_host, user) == {
        "STORAGE": (2, 50), "MESSAGE": (2, 7)}
    assert quota_get(quota_host, user) == {
        "STORAGE": (2, 50), "MESSAGE": (2, 7)}
    quota_host.set_policies(user, quota_storage="unlimited")
    assert getquota(quota_host, user) == {"MESSAGE": (2, 7)}
    assert quota_get(quota_host, user) == {
        "STORAGE": (2, None), "MESSAGE": (2, 7)}


def test_imap_append(quota_host, user):
    quota_host.set_policies(user, quota_storage="5k")
    assert append(quota_host, user, sized(100))[0] == "OK"
    status, text = append(quota_host, user, sized(1000))
    assert (status, text.startswith("[OVERQUOTA]")) == ("NO", True)
    status, text = append(quota_host, user, sized(1000), "Trash")
    assert (status, text.startswith("[OVERQUOTA]")) == ("NO", True)


def test_asked_by_postfix(quota_host, user):
    """quota-status tells an MTA before it takes the message."""
    quota_host.set_policies(user, quota_storage="5k")
    quota_host.deliver(user, sized(100))
    assert quota_status(quota_host, user, 1000) == "OK"
    assert quota_status(quota_host, user, 5000).startswith(
        "554 5.2.2 Quota exceeded")
    quota_host.set_policies(user, quota_storage="10k")
    assert quota_status(quota_host, user, 5000) == "OK"


# --- Dovecot's own limits ---

def test_as_configured(limited_host, user):
    """The built-in value leaves Dovecot's limits."""
    assert getquota(limited_host, user) == {
        "STORAGE": (0, 20), "MESSAGE": (0, 3)}
    # its grace included: nothing else is there yet
    assert [answer(limited_host, user, message()) for _ in range(4)] == \
        [FITS, FITS, FITS, FULL]


def test_one_as_configured(limited_host, user):
    limited_host.set_policies(user, quota_messages="4")
    assert getquota(limited_host, user) == {
        "STORAGE": (0, 20), "MESSAGE": (0, 4)}
    limited_host.unset_policy(user, "quota_messages")
    limited_host.set_policies(user, quota_storage="5k")
    assert getquota(limited_host, user) == {
        "STORAGE": (0, 5), "MESSAGE": (0, 3)}


def test_more_than_configured(limited_host, user):
    limited_host.set_policies(user, quota_messages="5", quota_storage="1M")
    assert getquota(limited_host, user) == {
        "STORAGE": (0, 1024), "MESSAGE": (0, 5)}
    assert [answer(limited_host, user, sized(3000)) for _ in range(6)] == \
        5 * [FITS] + [FULL]


def test_unlimited(limited_host, user):
    limited_host.set_policies(user, quota_messages="unlimited",
                              quota_storage="unlimited")
    assert getquota(limited_host, user) == {}
    assert [answer(limited_host, user, sized(3000)) for _ in range(4)] == \
        4 * [FITS]
    # more room in Trash than without limit is no limit
    assert append(limited_host, user, sized(3000), "Trash")[0] == "OK"


def test_unlimited_storage_alone(limited_host, user):
    limited_host.set_policies(user, quota_storage="unlimited")
    assert getquota(limited_host, user) == {"MESSAGE": (0, 3)}
    assert append(limited_host, user, sized(3000), "Trash")[0] == "OK"
    assert [answer(limited_host, user, sized(3000)) for _ in range(3)] == \
        [FITS, FITS, FULL]


def test_relative_rule(limited_host, user):
    """Trash has half as much again, of the policy's quota."""
    limited_host.set_policies(user, quota_storage="10k",
                              quota_messages="unlimited")
    assert append(limited_host, user, sized(900))[0] == "OK"
    assert append(limited_host, user, sized(400))[0] == "NO"
    assert append(limited_host, user, sized(400), "Trash")[0] == "OK"
    assert append(limited_host, user, sized(400), "Trash")[0] == "NO"


@pytest.mark.parametrize("enforcement", ["observe", "off"])
def test_without_enforcement(limited_host, user, enforcement):
    limited_host.set_policies(user, quota_messages="1", quota_action="defer",
                              enforcement=enforcement)
    assert getquota(limited_host, user)["MESSAGE"] == (0, 3)
    assert [answer(limited_host, user, message()) for _ in range(4)] == \
        [FITS, FITS, FITS, FULL]


# --- another backend ---

def test_maildir_backend(make_host, user):
    """It keeps limits in a file of the mailbox, and counts bytes on disk."""
    host = make_host(mail_format="maildir", **quota_options(
        "maildir", plugin_settings={
            "quota_rule": "*:storage=1G:messages=3"}))
    assert answer(host, user, sized(10)) == FITS
    host.set_policies(user, quota_messages="1")
    assert answer(host, user, sized(10)) == FULL
    host.set_policies(user, quota_messages="2", quota_storage="10k")
    assert answer(host, user, sized(1000)) == FULL
    assert [answer(host, user, sized(10)) for _ in range(2)] == [FITS, FULL]
    assert quota_get(host, user) == {"STORAGE": (2, 10), "MESSAGE": (2, 2)}
    host.set_policies(user, quota_messages="as-configured",
                      quota_storage="unlimited")
    assert [answer(host, user, sized(1000)) for _ in range(2)] == [FITS, FULL]
    host.set_policies(user, quota_messages="4",
                      quota_storage="as-configured")
    assert [answer(host, user, sized(1000)) for _ in range(2)] == [FITS, FULL]
    host.unset_policy(user, "quota_messages")
    assert quota_get(host, user)["MESSAGE"] == (4, 3)


# --- changes ---

def test_change_holds_at_the_next_delivery(quota_host, user):
    assert answer(quota_host, user, message()) == FITS
    for limit, expected in (("1", FULL), ("2", FITS), ("unlimited", FITS),
                            ("3", FULL), ("as-configured", FITS)):
        quota_host.set_policies(user, quota_messages=limit)
        assert answer(quota_host, user, message()) == expected
    quota_host.set_policies(user, quota_messages="1")
    assert answer(quota_host, user, message()) == FULL
    quota_host.unset_policy(user, "quota_messages")
    assert answer(quota_host, user, message()) == FITS
