# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The texts of notices: templates that an administrator changed, or broke, and
what comes from outside: user names and the sender's address."""

import os
import re
import shutil

import pytest

from dovecot import Failure, wait_until
from dovecot_files import TOP, dialect
from notices import in_mailbox, in_session, on_record, told
from owner import Owner

HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted",
           "MIME-Version", "Content-Type", "Content-Transfer-Encoding"]


@pytest.fixture(scope="module")
def texts_host(make_module_host):
    return make_module_host()


class Texts:
    """The templates of a host."""

    def __init__(self, host):
        self.host = host
        self.directory = host.path("notices")

    def path(self, name):
        return os.path.join(self.directory, name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def write(self, name, text):
        with open(self.path(name), "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())

    def edit(self, name, old, new):
        text = self.read(name)
        assert old in text
        self.write(name, text.replace(old, new))

    def restore(self):
        shutil.rmtree(self.directory)
        shutil.copytree(os.path.join(TOP, "notices"), self.directory)
        for name in os.listdir(self.directory):
            os.chmod(self.path(name), 0o644)


@pytest.fixture
def texts(texts_host):
    texts = Texts(texts_host)
    yield texts
    texts.restore()


@pytest.fixture
def owner(texts_host, user):
    """An owner with a changed rule to be told of."""
    owner = Owner(texts_host, user)
    owner.set(notify="yes", on_dele="hide")
    return owner


def error_line(host, offset):
    """The one line of errors and warnings in the log."""
    (line,) = wait_until(lambda: host.errors(offset), what="the log")
    return line


def one(owner):
    """The one notice that a login brings."""
    with owner.pop3() as pop:
        (notice,) = in_session(pop)
    return notice


# --- changed texts ---

def test_changed_text_is_used(texts, owner):
    texts.write("policy.txt", "Subject: New rules: %{count}\n\n"
                "%{user} at %{domain}, %{count} new %{count?rule|rules}:\n"
                "%{rules}\n%%{count}: 100%\n")
    notice = one(owner)
    assert notice.subject == "New rules: 1"
    assert notice.text == (
        "%s at example.org, 1 new rule:\n"
        "  - Mail that your mail program deletes is no longer shown to it.\n"
        "%%{count}: 100%%\n" % owner.name)
    # the next one is written with the next text
    owner.age("1 day")
    owner.set(on_dele="delete", on_retrieve="keep")
    texts.write("policy.txt", "Subject: Again\n\n%{rules}\n")
    with owner.pop3() as pop:
        _, notice = in_session(pop)
    assert (notice.subject, notice.text) == (
        "Again", "  - Mail that your mail program deletes is deleted from the "
        "server.\n")


def test_translated_text(texts, owner):
    texts.write("policy.txt", "# Für Deutschland\nSubject: Änderungen für "
                "Ihr Postfach\n\nFür %{user} gilt jetzt:\n\n%{rules}\n\n"
                "Viele Grüße — Ihre Poststelle\n")
    texts.edit("rules.txt", "%{n} %{n?day|days}", "%{n} %{n?Tag|Tage}")
    texts.edit("rules.txt", "expire_retrieved = Mail that you have "
               "downloaded is deleted from the server %{value} after that.",
               "expire_retrieved = Abgeholte Post wird nach %{value} "
               "gelöscht.")
    texts.edit("rules.txt", "on_dele/hide = Mail that your mail program "
               "deletes is no longer shown to it.",
               "on_dele/hide = Gelöschtes wird nicht mehr gezeigt.")
    owner.set(expire_retrieved="14 days")
    notice = one(owner)
    assert notice.raw.isascii()
    assert notice.subject == "Änderungen für Ihr Postfach"
    assert notice.mail["Content-Transfer-Encoding"] == "quoted-printable"
    assert notice.text == (
        "Für %s gilt jetzt:\n\n"
        "  - Gelöschtes wird nicht mehr gezeigt.\n"
        "  - Abgeholte Post wird nach 14 Tage gelöscht.\n\n"
        "Viele Grüße — Ihre Poststelle\n" % owner.name)


def test_lines_of_any_length(texts, owner):
    line = "long " * 1000
    texts.write("policy.txt", "Subject: %s\n\n%s\n.\n..\nFrom here\n" % (
        line, line))
    notice = one(owner)
    assert max(map(len, notice.raw.split(b"\r\n"))) <= 78
    assert notice.subject == line.strip()
    assert notice.text == line.strip() + "\n.\n..\nFrom here\n"
    assert notice.mail.keys() == HEADERS


def test_text_of_other_systems(texts, owner):
    texts.write("policy.txt", "\ufeffSubject: Hello\r\n\r\nText\r\n")
    notice = one(owner)
    assert (notice.subject, notice.text) == ("Hello", "Text\n")


# --- wrong texts ---

def break_by(name, text):
    def change(texts):
        texts.write(name, text)
    return change


def edit(name, old, new):
    def change(texts):
        texts.edit(name, old, new)
    return change


def remove(name):
    def change(texts):
        os.unlink(texts.path(name))
    return change


def forbid(name):
    def change(texts):
        os.chmod(texts.path(name), 0)
    return change


def make_directory(name):
    def change(texts):
        os.unlink(texts.path(name))
        os.mkdir(texts.path(name))
    return change


@pytest.mark.parametrize("change, expected", [
    (edit("policy.txt", "%{user}", "%{usr}"),
     "A notice (policy) is not written: DIR/policy.txt, line 5: %{usr} is not "
     "known here: use %{user}, %{domain}, %{count} or %{rules}"),
    (edit("policy.txt", "Subject:", "Betreff:"),
     "A notice (policy) is not written: DIR/policy.txt, line 3: \"Betreff: "),
    (break_by("policy.txt", "Subject: a\nBcc: b@example.org\n\nText\n"),
     "A notice (policy) is not written: DIR/policy.txt, line 2: \"Bcc: "
     "b@example.org\" is not allowed before the text: use \"Subject: ...\""),
    (break_by("policy.txt", ""),
     "A notice (policy) is not written: DIR/policy.txt, line 1: there is no "
     "Subject: use "),
    (break_by("policy.txt", "Subject: Änderung\n\nText\n".encode("latin-1")),
     "A notice (policy) is not written: DIR/policy.txt, line 1: the line is "
     "not valid UTF-8"),
    (break_by("policy.txt", "Subject: a\n\n\0\n"),
     "A notice (policy) is not written: DIR/policy.txt: the file has NUL "
     "bytes: only UTF-8 text is allowed"),
    (break_by("policy.txt", "Subject: a\n\n" + "x" * 65536),
     "A notice (policy) is not written: DIR/policy.txt: the file is too long: "
     "at most 65536 bytes are allowed"),
    (remove("policy.txt"),
     "A notice (policy) is not written: open(DIR/policy.txt) failed: No such "
     "file or directory"),
    (forbid("policy.txt"),
     "A notice (policy) is not written: open(DIR/policy.txt) failed: "
     "Permission denied"),
    (make_directory("policy.txt"),
     "A notice (policy) is not written: read(DIR/policy.txt) failed: Is a "
     "directory"),
    (edit("rules.txt", "month/2 =", "month/13 ="),
     "Notices are not written: DIR/rules.txt, line 8: \"month/13\" is not "
     "known: use date, clock, "),
    (edit("rules.txt", "on_dele/refuse =", "#"),
     "Notices are not written: DIR/rules.txt, line 76: the file ends, and "
     "on_dele/refuse is missing: use \"on_dele/refuse = text\""),
    (remove("rules.txt"),
     "Notices are not written: open(DIR/rules.txt) failed: No such file or "
     "directory"),
], ids=["variable", "header", "bcc", "empty", "latin-1", "nul", "long",
        "missing", "forbidden", "directory", "unknown-word", "missing-word",
        "missing-rules"])
def test_wrong_text(texts, owner, change, expected):
    """One line tells file, line and what is allowed; nothing is on record, so
    that it is told when the text is right again."""
    change(texts)
    owner.append(1)
    offset = texts.host.log_position()
    told(owner)
    line = error_line(texts.host, offset)
    assert "pop3(%s)" % owner.name in line
    assert "pop3-policy: " + expected.replace("DIR", texts.directory) in line
    assert on_record(owner) == []
    texts.restore()
    told(owner, "policy")
    assert len(on_record(owner)) == 1


def test_one_line_for_several_notices(texts, owner):
    """All need rules.txt."""
    owner.set(notify="no")
    owner.append(1)
    owner.retrieve(1)
    owner.age("10 days")
    owner.set(notify="yes", expire_retrieved="14d")
    remove("rules.txt")(texts)
    offset = texts.host.log_position()
    told(owner)
    assert "rules.txt" in error_line(texts.host, offset)
    texts.restore()
    told(owner, "policy", "expiry")


def test_wrong_text_of_another_notice(texts, owner):
    remove("quota.txt")(texts)
    break_by("expiry.txt", "nonsense")(texts)
    offset = texts.host.log_position()
    told(owner, "policy")
    assert texts.host.errors(offset) == []


def test_mail_is_delivered_with_a_wrong_text(texts, owner):
    remove("policy.txt")(texts)
    offset = texts.host.log_position()
    owner.deliver(1)
    assert "lmtp(%s)" % owner.name in error_line(texts.host, offset)
    assert owner.uids() == [1]
    texts.restore()
    owner.deliver(1)
    assert [notice.kind for notice in in_mailbox(owner)] == ["policy"]


def test_builtin_directory(make_host, user):
    """A name without a slash is below what is installed."""
    host = make_host(plugin_settings={"pop3_policy_notice_dir": "nowhere"})
    owner = Owner(host, user)
    owner.set(notify="yes", on_dele="hide")
    told(owner)
    line = error_line(host, 0)
    assert re.search(r"open\(/\S+/dovecot-pop3-policy/nowhere/rules\.txt\) "
                     r"failed: No such file or directory .*: "
                     r"pop3_policy_notice_dir must have quota\.txt, "
                     r"expiry\.txt, policy\.txt and rules\.txt", line)


# --- user names ---

@pytest.fixture(scope="module")
def names_host(make_module_host):
    host = make_module_host(settings={"auth_username_chars": ""})
    host.set_policies("*", notify="yes", on_dele="hide")
    return host


@pytest.mark.parametrize("name, is_address", [
    ("jane.doe+x@example.org", True),
    ("o'hara@example.org", True),
    ("jane", True),
    ("jörg@example.org", False),
    ("jane doe@example.org", False),
    ('a"b\\c@example.org', False),
    ("a<b@example.net>@example.org", False),
    ("a:b,c;(d)@example.org", False),
    ("bcc: victim@example.net@example.org", False),
    ("=?utf-8?q?a=0d=0abcc:_b?=@example.org", False),
    ("jane@exämple.org", False),
    ("jane@", False),
    ("x" * 80 + "@example.org", False),
])
def test_user_names(names_host, name, is_address):
    with names_host.pop3(name) as pop:
        (notice,) = in_session(pop)
    assert notice.mail.keys() == HEADERS
    assert notice.mail.defects == []
    assert all(value.defects == () for value in notice.mail.values())
    assert notice.raw.isascii()
    to = notice.mail["To"]
    if is_address:
        address = name if "@" in name else name + "@mail.example.org"
        assert [to.addr_spec for to in to.addresses] == [address]
    else:
        # encoded in parts, which Python does not put together again
        assert [group.display_name.replace(" ", "")
                for group in to.groups] == [name.replace(" ", "")]
        assert to.addresses == ()
    assert "For the mailbox %s, this rule is new:" % name in notice.text
    domain = name.rpartition("@")[2]
    if not domain.isascii() or domain == "" or "@" not in name:
        domain = "mail.example.org"
    assert notice.mail["From"].addresses[0].addr_spec == \
        "postmaster@" + domain
    assert notice.text.endswith("the mail server of %s.\n" % domain)


# --- the sender ---

OF_DOMAIN = "help@%{user | domain}" if dialect().CHECKS_PLUGIN_SETTINGS else \
    "help@%d"


@pytest.mark.parametrize("value, name, address", [
    ("Mail service <support@example.net>", "Mail service",
     "support@example.net"),
    ("Post, Straße <post>", "Post, Straße", "post@example.org"),
    (OF_DOMAIN, "", "help@example.org"),
    ("", "", "postmaster@example.org"),
])
def test_sender(make_host, user, value, name, address):
    owner = Owner(make_host(plugin_settings={
        "pop3_policy_notice_from": value}), user)
    owner.set(notify="yes", on_dele="hide")
    (sender,) = one(owner).mail["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (name, address)


def check_login_fails(host, user, text):
    """By Dovecot's own words, and the log says why."""
    assert host.login_refusal(user).startswith("-ERR [SYS/TEMP]")
    wait_until(lambda: host.log_contains("Error: .*" + re.escape(text)),
               what="the log")


@pytest.mark.parametrize("value", [
    "a b", "a@b@c", "@example.org", "jörg@example.org", "a@example.org, b",
    "x <a@example.org> y"])
def test_wrong_sender(make_host, user, value):
    """Setting, value and what is allowed are named where Dovecot first looks:
    at start if it knows the setting, else at the login."""
    text = 'pop3_policy_notice_from: "%s" is not an address such as ' % value
    settings = {"pop3_policy_notice_from": value}
    if dialect().CHECKS_PLUGIN_SETTINGS:
        with pytest.raises(Failure, match=re.escape(text)):
            make_host(plugin_settings=settings)
    else:
        check_login_fails(make_host(plugin_settings=settings), user, text)


def test_wrong_sender_after_expansion(make_host, user):
    """What is only known for a user is checked then."""
    value = OF_DOMAIN.replace("help", "help me")
    check_login_fails(
        make_host(plugin_settings={"pop3_policy_notice_from": value}), user,
        'pop3_policy_notice_from: "help me@example.org" is not ')
