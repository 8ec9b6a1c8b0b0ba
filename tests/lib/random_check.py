# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Compares what a random life (random_life.py) has left behind with what the
model says: the mailbox, and the database."""

import collections
import re
import time

from maildrop import guid128
from model_policy import ACTION_NAMES

# The clocks of model and database are read at different moments.
CLOCK_SECONDS = 60
# A session that is dropped marks messages as seen behind its record.
FLAGS_SECONDS = 10

STATE = """
SELECT (SELECT json_agg(json_build_array(s.uid, s.message_guid, s.size,
                extract(epoch FROM s.retrieved_at),
                extract(epoch FROM s.hidden_at),
                extract(epoch FROM s.restored_at), s.retrieved_count,
                s.reason) ORDER BY s.uid)
          FROM pop3.message s WHERE s.maildrop_id = d.maildrop_id),
       (SELECT json_agg(json_build_array(w.uid, w.reason, w.message_guid)
                        ORDER BY w.uid)
          FROM pop3.would_remove w WHERE w.maildrop_id = d.maildrop_id),
       (SELECT json_agg(json_build_array(extract(epoch FROM w.at), w.uidnext)
                        ORDER BY w.at)
          FROM pop3.watermark w WHERE w.maildrop_id = d.maildrop_id),
       d.uidnext, d.messages, d.tracked, d.anchor_uid, d.retrieved::text,
       extract(epoch FROM d.imap_used_at),
       (SELECT extract(epoch FROM l.accepted_at)
          FROM pop3.login l WHERE l.username = d.username),
       (SELECT sum(l.bytes) FROM pop3.download l
         WHERE l.username = d.username
           AND l.at > now() - interval '24 hours 5 minutes')
  FROM pop3.maildrop d WHERE d.username = %s"""

SESSIONS = """
SELECT s.dovecot_session, s.ended_by, s.retr, s.top, s.dele, s.bytes,
       s.fetched::text, s.retrieved::text, s.removed::text, s.messages,
       s.uidnext, s.auth_user, s.remote_address
  FROM pop3.session s WHERE s.username = %s AND s.ended_by <> 'poll'"""

AUDIT = """
SELECT a.dovecot_session, a.event, a.action, a.reason, a.uid, a.intent_no,
       a.message_guid::text, a.size, a.uidl, a.moved_to
  FROM pop3.audit a WHERE a.username = %s
 ORDER BY a.chain_id, a.seq, a.at"""

OPEN = """
SELECT count(*) FROM pop3.intent i
 WHERE i.username = %s AND i.state <> 'closed'
   AND (i.state <> 'stale' OR i.result IS DISTINCT FROM 'failed')"""


def uids_of(multirange):
    numbers = set()
    for first, end in re.findall(r"\[(\d+),(\d+)\)", multirange or ""):
        numbers.update(range(int(first), int(end)))
    return numbers


def same_time(wanted, got):
    if wanted is None or got is None:
        return wanted is got
    return abs(wanted - float(got)) < CLOCK_SECONDS


# --- the mailbox ---

def check_mailbox(life):
    """INBOX has the model's messages, with its flags."""
    end = time.monotonic() + FLAGS_SECONDS
    while True:
        problem = _mailbox_problem(life)
        if problem is None:
            return
        if not problem.startswith("flags") or time.monotonic() > end:
            life.differs("%s", problem)


def check_others(life):
    """The other mailboxes have what was moved there, with its flags."""
    for mailbox, wanted in life.model.others.items():
        found = {guid: flags for _, guid, _, flags in
                 life.tools.doveadm.mailbox(life.user, mailbox)}
        if set(found) != set(wanted):
            life.differs("%s has %r, not %r", mailbox, sorted(found),
                         sorted(wanted))
        for guid, flags in found.items():
            if flags != wanted[guid] and guid not in life.model.unsure_moves:
                life.differs("flags of %s in %s are %r, not %r", guid,
                             mailbox, sorted(flags), sorted(wanted[guid]))


def _mailbox_problem(life):
    found = {uid: (guid, flags) for uid, guid, _, flags in
             life.tools.doveadm.mailbox(life.user)}
    messages = life.model.messages
    if set(found) != set(messages):
        return "in the mailbox are the UIDs %r, not %r" % (
            sorted(found), sorted(messages))
    for uid, (guid, flags) in found.items():
        message = messages[uid]
        if guid != message.guid:
            return "UID %d is another message" % uid
        unsure = {"\\Seen"} if message.unsure else set()
        if flags - unsure != message.flags - unsure:
            return "flags of UID %d are %r, not %r" % (
                uid, sorted(flags), sorted(message.flags))
    return None


# --- the database ---

def check_database(life):
    """The database knows what the model says. All sessions must be recorded
    by now."""
    _check_state(life)
    _check_sessions(life)
    _check_audit(life)
    ((count,),) = life.tools.sql(OPEN, life.user)
    if count:
        life.differs("%d intents are open", count)


def _check_state(life):
    record = life.model.record
    rows = life.tools.sql(STATE, life.user)
    if not rows:
        if record.known:
            life.differs("the database does not know the maildrop")
        return
    (messages, would, marks, uidnext, count, tracked, anchor, retrieved,
     imap_used, accepted, downloaded), = rows
    _check_messages(life, messages or [])
    got = {uid: reason for uid, reason, _ in would or []}
    if got != record.would:
        life.differs("pop3.would_remove has %r, not %r", got, record.would)
    if tracked != len(record.rows):
        life.differs("%d messages are tracked, not %d", tracked,
                     len(record.rows))
    marks = [(float(at), uid) for at, uid in marks or []]
    if len(marks) != len(record.watermarks) or any(
            uid != wanted_uid or not same_time(wanted, at)
            for (at, uid), (wanted, wanted_uid)
            in zip(marks, record.watermarks)):
        life.differs("the watermarks are %r, not %r", marks,
                     record.watermarks)
    for name, wanted, value in (
            ("uidnext", record.uidnext, uidnext),
            ("messages", record.messages, count),
            ("anchor_uid", record.anchor or None, anchor),
            ("retrieved", record.ever_retrieved, uids_of(retrieved))):
        if value != wanted:
            life.differs("the maildrop's %s is %r, not %r", name, value,
                         wanted)
    for what, wanted, value in (
            ("IMAP was used", record.imap_used_at, imap_used),
            ("a login was accepted", record.accepted_at, accepted)):
        if not same_time(wanted, value):
            life.differs("%s at %r, not %r", what, value, wanted)
    now = time.time()
    if not record.downloads.unsure(now) and \
       record.downloads.used(now) != (downloaded or 0):
        life.differs("%r bytes are counted as downloaded, not %r", downloaded,
                     record.downloads.used(now))


def _check_messages(life, found):
    """The rows of pop3.message."""
    model = life.model
    if [row[0] for row in found] != sorted(model.record.rows):
        life.differs("pop3.message has the UIDs %r, not %r",
                     [row[0] for row in found], sorted(model.record.rows))
    for uid, guid, size, retrieved, hidden, restored, count, reason in found:
        row = model.record.rows[uid]
        message = model.messages.get(uid) or model.removed[uid]
        if (guid, size) != (guid128(message.guid), message.size):
            life.differs("state of UID %d is that of another message", uid)
        # the order of retrieval is that of the database's clock
        if same_time(row.retrieved_at, retrieved) and retrieved is not None:
            row.retrieved_at = float(retrieved)
        if not same_time(row.retrieved_at, retrieved) or \
           not same_time(row.hidden_at, hidden) or \
           not same_time(row.restored_at, restored) or \
           (count, reason) != (row.count, row.reason):
            life.differs(
                "state of UID %d: retrieved %r, hidden %r, restored %r, "
                "%d times, %s, not %r", uid, retrieved, hidden, restored,
                count, reason, vars(row))


def _check_sessions(life):
    found = {row[0]: row[1:] for row in life.tools.sql(SESSIONS, life.user)}
    wanted = {session.name: session for session in life.recorded()}
    if set(found) != set(wanted):
        life.differs("recorded are the sessions %r, not %r", sorted(found),
                     sorted(wanted))
    for name, session in wanted.items():
        (ended_by, retr, top, dele, size, fetched, retrieved, removed,
         messages, uidnext, auth_user, address) = found[name]
        pairs = [("ended_by", session.ended_by, ended_by),
                 ("retrieved", {uid for uid, _ in session.retrieved},
                  uids_of(retrieved)),
                 ("removed", session.removed, uids_of(removed)),
                 ("auth_user", session.master, auth_user),
                 ("remote_address", session.address, address)]
        if session.refusal is None:
            pairs += [("messages", session.count_at_end(), messages),
                      ("uidnext", session.uidnext, uidnext)]
        if not session.blind:
            pairs += [("retr", session.retr, retr), ("top", session.top, top),
                      ("dele", session.dele, dele),
                      ("bytes", session.bytes, size),
                      ("fetched", set(session.fetched), uids_of(fetched))]
        for what, expected, got in pairs:
            if expected != got:
                life.differs("session %s is recorded with %s=%r, not %r",
                             name, what, got, expected)


def _check_audit(life):
    """Each session's rows in their order, and each removal on its own."""
    model = life.model
    told = collections.defaultdict(list)
    intended = collections.Counter()
    committed = set()
    rows = life.tools.sql(AUDIT, life.user)
    for name, event, action, reason, uid, number, *_ in rows:
        told[name].append((event, action, reason, uid))
        if event == "committed":
            committed.add((name, number))
    for (name, event, action, _, uid, number, guid, size, uidl,
         moved_to) in rows:
        if event != "intent":
            continue
        message = model.messages.get(uid) or model.removed.get(uid)
        wanted = (guid128(message.guid), message.size,
                  "%08x%08x" % (uid, life.uidvalidity))
        if (guid, size, uidl) != wanted:
            life.differs("the intent about UID %d says %r, not %r", uid,
                         (guid, size, uidl), wanted)
        if (moved_to is not None) != (action == "move"):
            life.differs("the intent to %s UID %d says %r", action, uid,
                         moved_to)
        if action in ACTION_NAMES[2:] and (name, number) in committed:
            intended[uid] += 1
    for session in model.sessions:
        got = told.pop(session.name, [])
        if session.blind:
            got, wanted = ([row for row in list_ if row[0] not in
                            ("unconfirmed", "refused", "would-refuse")]
                           for list_ in (got, session.audit))
        else:
            wanted = session.audit
        if got != wanted:
            life.differs("the audit of session %s is %r, not %r",
                         session.name, got, wanted)
    restored = told.pop(None, [])
    if sorted(restored) != sorted(model.restored):
        life.differs("restored are %r, not %r", restored, model.restored)
    if told:
        life.differs("the audit knows other sessions: %r", dict(told))
    # A message that POP3 removed has one durable intent that was committed,
    # and nothing else has any.
    for uid, count in intended.items():
        if count != 1 or uid in model.messages:
            life.differs("UID %d has %d committed intents to remove it", uid,
                         count)
    for uid, reason in model.gone_by_policy.items():
        if not intended[uid]:
            life.differs("UID %d is gone (%s) without an intent", uid, reason)
