# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Maildrops for measurements: one is filled by deliveries, the others are
copies of it, whose mail files are links (Dovecot does not change them)."""

import os
import shutil

from host import message

BATCH = 500


def text(size, number):
    """A message of about `size' bytes."""
    line = "x" * 70 + "\n"
    return message("Message %d" % number, line * max(1, size // len(line)))


def make_template(host, name, messages, size):
    """Deliver to a user of this name, and return the user's home."""
    mails = [text(size, number).as_bytes() for number in range(messages)]
    for start in range(0, messages, BATCH):
        host.deliver(name, *mails[start:start + BATCH])
    # makes the mailbox where nothing was delivered
    with host.pop3(name) as pop:
        pop.uidl()
    return host.path("mail", name)


def copy_home(source, target):
    """A user's home: mail files are linked, indexes copied."""
    for directory, _, names in os.walk(source):
        there = os.path.join(target, os.path.relpath(directory, source))
        os.makedirs(there)
        shutil.copystat(directory, there)
        owner = os.stat(directory)
        os.chown(there, owner.st_uid, owner.st_gid)
        for name in names:
            old = os.path.join(directory, name)
            new = os.path.join(there, name)
            if name.startswith("u."):
                os.link(old, new)
            else:
                shutil.copy2(old, new)
                os.chown(new, owner.st_uid, owner.st_gid)


def copy_to_users(source, host, names):
    for name in names:
        copy_home(source, host.path("mail", name))


# What a session that retrieved all messages leaves, for many users at once.
RETRIEVED = """
WITH drop AS (
    UPDATE pop3.maildrop d
       SET retrieved = x.uids, tracked = %(count)s,
           retrievals = %(count)s
      FROM (SELECT range_agg(int8range(u, u + 1)) AS uids
              FROM unnest(%(uids)s::bigint[]) u) x
     WHERE d.username = ANY (%(names)s)
    RETURNING d.maildrop_id
)
INSERT INTO pop3.message (maildrop_id, uid, message_guid, size, retrieved_at,
                          retrieved_count)
SELECT d.maildrop_id, a.uid, a.guid, a.size, now() - interval '1 day', 1
  FROM drop d, unnest(%(uids)s::bigint[], %(guids)s::uuid[],
                      %(sizes)s::bigint[]) a (uid, guid, size)
"""


def note_retrieved(host, names, template):
    """All messages of these users, who have polled, are retrieved."""
    rows = host.fetch(template, "uid guid size.physical")
    if rows:
        host.pg.query(RETRIEVED, {
            "names": names, "count": len(rows),
            "uids": [int(row[0]) for row in rows],
            "guids": [row[1] for row in rows],
            "sizes": [int(row[2]) for row in rows]}, dbname=host.dbname)
