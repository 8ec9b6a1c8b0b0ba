# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The policies of the model (model.py): parameters, and what they make of a
message."""

NEVER = -1
DAY = 86400

# The parameters that the model knows, with their built-in values. Times are
# seconds.
BUILTIN = {
    "enforcement": "observe", "pop3_access": "on", "view_since": NEVER,
    "view_window": NEVER, "view_limit": NEVER, "on_retrieve": "keep",
    "on_dele": "delete", "move_mailbox": "Trash",
    "mark_seen": "as-configured", "expire_retrieved": NEVER,
    "expire_unretrieved": NEVER, "expire_hidden": NEVER,
    "leave_max_messages": NEVER, "leave_max_bytes": NEVER, "login_delay": 0,
    "download_daily": NEVER, "top_lines": NEVER, "mass_delete_percent": NEVER,
    "mass_delete_hold": 7 * DAY, "pop3_hold": "no",
}

# by strength
NONE, HIDE, MOVE, EXPUNGE = range(4)
ACTION_NAMES = ["none", "hide", "move", "expunge"]
ACTIONS = {"keep": NONE, "hide": HIDE, "move": MOVE, "delete": EXPUNGE,
           "refuse": NONE}
# A mass deletion has at least so many messages.
MASS_DELETE_MIN = 20


def mode(policy):
    """How the rules act that look at a whole session or maildrop: "off",
    "observe" or "enforce"."""
    return "off" if policy["pop3_hold"] == "yes" else policy["enforcement"]


def marks_seen(policy):
    return policy["mark_seen"] if policy["enforcement"] == "enforce" \
        else "as-configured"


def is_mass_delete(policy, deleted, unread):
    percent = policy["mass_delete_percent"]
    return percent != NEVER and deleted >= MASS_DELETE_MIN and \
        deleted * 100 > percent * unread


def dispose(policy, dele, retrieved, spared, mass_delete):
    """What becomes of a message at UPDATE: (action, reason), and what
    enforcement=observe records: (action, reason)."""
    held = policy["pop3_hold"] == "yes"

    def strongest(rules):
        action, reason = NONE, None
        for rule_action, rule_reason in rules:
            if held:
                rule_action = min(rule_action, HIDE)
            if rule_action > action:
                action, reason = rule_action, rule_reason
        return action, reason

    rules = []
    if dele and mass_delete and not held:
        rules.append((HIDE, "mass-delete"))
    elif dele:
        rules.append((ACTIONS[policy["on_dele"]], "dele"))
    if retrieved and not spared:
        rules.append((ACTIONS[policy["on_retrieve"]], "retrieved"))
    enforced = strongest(rules)
    if policy["enforcement"] == "enforce":
        return enforced, (NONE, None)
    plain = strongest([(EXPUNGE, "dele")] if dele else [])
    if policy["enforcement"] == "observe" and enforced[0] != plain[0]:
        return plain, enforced
    return plain, (NONE, None)


def capabilities(policy):
    """What CAPA tells of a policy (RFC 2449)."""
    held = policy["pop3_hold"] == "yes"
    if policy["enforcement"] == "off" and not held:
        return []
    limits = [policy["expire_retrieved"], policy["expire_unretrieved"]]
    if policy["on_retrieve"] == "delete":
        limits.append(0)
    elif policy["on_retrieve"] == "hide":
        limits.append(policy["expire_hidden"])
    limits = [limit for limit in limits if limit != NEVER]
    if policy["enforcement"] != "enforce" or held or not limits:
        found = ["EXPIRE NEVER"]
    else:
        found = ["EXPIRE %d" % (min(limits) // DAY)]
    if policy["enforcement"] == "enforce" and policy["login_delay"]:
        found.append("LOGIN-DELAY %d" % policy["login_delay"])
    return found
