# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Hosts with Dovecot's quota plugin, and what tests do with quotas: deliver by
LMTP and dovecot-lda and see the answers, ask for usage and limits.
"""

import contextlib
import os
import re
import smtplib
import socket
import subprocess

from dovecot import Failure, wait_until
from dovecot_files import dialect, dovecot_variable
from host import message

QUOTA_NAME = "User quota"
# <sysexits.h>
EX_OK, EX_TEMPFAIL, EX_NOPERM = 0, 75, 77


def quota_options(driver="count", plugin_settings=None, extra="",
                  mail_plugins="quota", **options):
    """Options of a host with a quota that has no limits, unless the plugin
    settings say so, and a single lmtp process."""
    write = dialect()
    settings = {"quota": "%s:%s" % (driver, QUOTA_NAME)}
    if driver == "count":
        settings["quota_vsizes"] = "yes"
    settings.update(plugin_settings or {})
    return dict(
        mail_plugins=mail_plugins, plugin_settings=settings,
        extra=write.protocol_plugins("imap", ["imap_quota"]) +
        "service lmtp {\n  process_limit = 1\n  process_min_avail = 1\n"
        "  %s\n}\n%s" % (write.service_count(0), extra), **options)


def lmtp_answers(host, users, data, sender="sender@example.org"):
    """Deliver one message to several users by LMTP. Returns for each the
    command that was answered finally (RCPT or DATA), the code, and the text:
    ("DATA", 552, "5.2.2 <...> Quota exceeded ...")."""
    if not isinstance(data, bytes):
        data = data.as_bytes()
    answers = {}
    with smtplib.LMTP("127.0.0.1", host.lmtp_port, timeout=120) as lmtp:
        lmtp.ehlo()
        code, text = lmtp.mail(sender)
        if code != 250:
            raise Failure("MAIL: %d %s" % (code, text))
        for user in users:
            code, text = lmtp.rcpt(user)
            if code != 250:
                answers[user] = "RCPT", code, text.decode()
        accepted = [user for user in users if user not in answers]
        if accepted:
            lmtp.putcmd("DATA")
            code, text = lmtp.getreply()
            if code != 354:
                raise Failure("DATA: %d %s" % (code, text))
            lmtp.send(re.sub(rb"(?m)^\.", b"..", data) +
                      (b"" if data.endswith(b"\r\n") else b"\r\n") +
                      b".\r\n")
        for user in accepted:
            code, text = lmtp.getreply()
            answers[user] = "DATA", code, text.decode()
    return answers


def answer(host, user, data):
    """The same for one user: "250 2.0.0", "552 5.2.2", "452 4.2.2"."""
    _, code, text = lmtp_answers(host, [user], data)[user]
    return "%d %s" % (code, text.split()[0])


def lda(host, user, data):
    """Deliver by dovecot-lda -e. Returns its exit code."""
    done = subprocess.run(
        [host.path("bin", "in-view"),
         os.path.join(dovecot_variable("dovecot_pkglibexecdir"),
                      "dovecot-lda"),
         "-c", host.config, "-e", "-d", user, "-f", "sender@example.org"],
        input=data.as_bytes(), capture_output=True, cwd="/")
    if done.returncode not in (EX_OK, EX_TEMPFAIL, EX_NOPERM):
        raise Failure("dovecot-lda exited with %d: %s" % (
            done.returncode, done.stderr.decode(errors="replace")))
    return done.returncode


def sized(lines, last=0):
    """A message whose body has so many lines of 10 bytes, and `last' bytes in
    its last one, with the line's end. All else has the same size always."""
    mail = message("Sized", body="123456789\n" * lines +
                   ("x" * (last - 1) + "\n" if last else ""))
    del mail["Message-ID"]
    mail["Message-ID"] = "<sized.test@example.org>"
    return mail


def sizes(host, user, field="size.virtual", mailbox="INBOX"):
    """Sizes of the messages in a mailbox, by UID."""
    return [int(size) for (size,) in host.fetch(user, field, mailbox)]


def quota_get(host, user, name=QUOTA_NAME):
    """{"STORAGE": (used, limit), "MESSAGE": ...} as doveadm quota get tells,
    kilobytes and messages; a limit is None if there is none."""
    found = {}
    for line in host.doveadm("-f", "tab", "quota", "get", "-u",
                             user).splitlines()[1:]:
        root, kind, used, limit = line.split("\t")[:4]
        if root == name:
            found[kind] = int(used), None if limit == "-" else int(limit)
    return found


def getquota(host, user, mailbox="INBOX"):
    """{"STORAGE": (used, limit), ...} as IMAP's GETQUOTAROOT tells, without
    what has no limit."""
    with contextlib.closing(host.imap(user)) as imap:
        status, (_, answers) = imap.getquotaroot(mailbox)
    if status != "OK":
        raise Failure("GETQUOTAROOT: %s" % answers)
    text = b" ".join(line for line in answers if line).decode()
    return {kind: (int(used), int(limit)) for kind, used, limit in
            re.findall(r"(STORAGE|MESSAGE) (\d+) (\d+)", text)}


def append(host, user, data, mailbox="INBOX"):
    """IMAP's answer to APPEND: ("OK", text) or ("NO", text). The mailbox is
    created if it is not there."""
    with contextlib.closing(host.imap(user)) as imap:
        imap.create(mailbox)
        status, text = imap.append(mailbox, None, None, data.as_bytes())
    return status, text[0].decode()


def quota_status(host, user, size):
    """The answer of the policy service for Postfix, "OK" or "554 5.2.2 ...",
    to a message of so many bytes. quota_status_service() configures it."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(host.path("run", "quota-status"))
        sock.sendall(b"request=smtpd_access_policy\nrecipient=%s\nsize=%d\n\n"
                     % (user.encode(), size))
        return sock.recv(4096).decode().strip().removeprefix("action=")


def quota_status_service():
    """Dovecot 2.3 knows no protocol of it: it has the plugins of all."""
    return """
service quota-status {
  executable = quota-status -p postfix
  client_limit = 1
  unix_listener quota-status {
  }
}
"""


def wait_usage(host, user, **values):
    """Wait until the database knows such a usage of the user: columns of
    pop3.usage."""
    def known():
        rows = host.rows("SELECT * FROM pop3.usage WHERE username = %s",
                         (user,))
        return rows and all(rows[0][name] == value
                            for name, value in values.items())
    wait_until(known, what="the usage %r of %s" % (values, user))
