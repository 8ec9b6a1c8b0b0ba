# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What is measured: kinds of sessions."""

import collections

# name         of the kind
# messages     in each maildrop at first, and their size in bytes
# steps        of a session of the plain host, as pop3-load takes them; and of
#              the host with policies, if they differ: what the client asks for
#              there is done by the policy here
# policy       parameters of the site
# retrieved    whether the messages are known as retrieved before
# sessions     of a run
# per_user     sessions of a user in a run; the maildrops of kinds that remove
#              or hide mail are new in each run
# fresh        whether each run has users of its own
# poll_interval  of the service, seconds: what a run causes is written so soon
#              after it
Kind = collections.namedtuple(
    "Kind", "name messages size steps policy_steps policy retrieved sessions "
            "per_user fresh poll_interval")


def kind(name, messages, steps, policy_steps=None, policy=(), retrieved=False,
         size=10_000, sessions=1000, per_user=1, fresh=False,
         poll_interval=1):
    return Kind(name, messages, size, steps, policy_steps or steps,
                dict(policy), retrieved, sessions, per_user, fresh,
                poll_interval)


KINDS = [
    # as who asks each ten minutes: a count is written for six polls
    kind("poll", 0, "stat", sessions=3000, per_user=6, poll_interval=20),
    kind("uidl-100", 100, "stat,uidl", retrieved=True, size=1000,
         per_user=10),
    kind("uidl-1000", 1000, "stat,uidl", retrieved=True, size=1000,
         per_user=20),
    kind("uidl-10000", 10000, "stat,uidl", retrieved=True, size=1000,
         sessions=400, per_user=20),
    kind("poll-10000", 10000, "stat", retrieved=True, size=1000,
         sessions=400, per_user=20),
    kind("download-10", 10, "stat,uidl,retr*10"),
    kind("download-10-dele", 30, "stat,uidl,retr*10,dele*10", per_user=3,
         sessions=900, fresh=True),
    # the plain host's client deletes itself what the policy deletes
    kind("download-and-delete", 30, "stat,uidl,retr*10,dele*10",
         "stat,uidl,retr*10", {"on_retrieve": "delete"}, per_user=3,
         sessions=900, fresh=True),
    kind("download-and-hide", 30, "stat,uidl,retr*10", "stat,uidl,retr*10",
         {"on_retrieve": "hide"}, per_user=3, sessions=900, fresh=True),
]

# How processes are used: (pop3-login's and pop3's connections per process).
MODES = {
    # as Dovecot does when nothing is said about it
    "process-per-session": (1, 1),
    # "high-performance mode" of Dovecot's documentation
    "processes-reused": (0, 0),
}
