# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A message keeps its UID. One exception is Dovecot's: while dovecot-uidlist cannot
be written, since the disk is full, a maildir may forget which UID a file has. The
file then gets a new one when it is found, and is a new message to all who look. The
file itself says that it is so: it is named like the message, and is in the uidlist
under the new UID, which is higher than all there were, and under no other."""


def violations(drop, mailbox, uidlist, highest):
    """mailbox: {UID: GUID} at the end. uidlist: {GUID: UID} of a maildir that may
    have forgotten UIDs, None of all others. highest: the highest UID before that.
    Returns texts."""
    wrong = []
    for old, (new, guid) in sorted(drop.renumbered.items()):
        what = "UID %d is UID %d now" % (old, new)
        if uidlist is None:
            wrong.append(what)
        elif old in mailbox:
            wrong.append("%s, and is there besides" % what)
        elif uidlist.get(guid) != new:
            wrong.append("%s, and %s in the uidlist" % (
                what, uidlist.get(guid)))
        elif new <= highest:
            wrong.append("%s, which was given before: %d" % (what, highest))
    return wrong


def find_unseen(drop, found, uidlist, highest, since):
    """Messages that were delivered since a moment, and whose UID was not looked at
    before the end, may have had another one, that was forgotten: as many as UIDs
    are missing, which nobody else can have had. Marks them. uidlist, highest: as
    above."""
    given = set(drop.by_uid()) | {row["uid"] for row in found.audit
                                  if row["uid"] is not None}
    missing = set(range(highest + 1, max(found.mailbox, default=0) + 1)) - given
    late = [message for message in drop.messages
            if message.delivered is not None and message.delivered >= since and
            message.uid in found.mailbox and message.uid > min(
                missing, default=message.uid) and
            uidlist.get(message.guid) == message.uid]
    late.sort(key=lambda message: message.uid, reverse=True)
    for message in late[:len(missing)]:
        message.had_another = True
