# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The invariants find what is wrong in made-up stories, each of which differs in
one thing from one that is well."""

import copy

import pytest

import invariant_answers
import invariant_chains
import invariant_intents
import invariant_kept
import invariant_listings
import invariant_polls
import invariant_records
import invariant_repairs
import invariant_seals
import invariant_uids
from fault_story import Drop, Found, Message, Session
from maildrop import guid128

USER = "jane@example.org"


def guid(uid):
    return "%032x" % uid


def row(event, session="A", number=None, uid=None, action=None, reason=None):
    return {"event": event, "session_id": session, "intent_no": number,
            "uid": uid, "action": action, "reason": reason,
            "dovecot_session": session, "username": USER,
            "detail": None,
            "message_guid": guid128(guid(uid)) if uid else None}


def intent(session, uid, action="expunge", reason="dele"):
    return row("intent", session, 1, uid, action, reason)


def recorded(name, ended_by="quit"):
    return {"dovecot_session": name, "session_id": name,
            "ended_by": ended_by, "username": USER}


class Story:
    """Four messages; session A retrieved 1 and deleted 2, session B, after it,
    retrieved 3. The policy deletes what is deleted, and keeps the rest."""

    def __init__(self):
        self.drop = Drop(USER, {"on_retrieve": "keep", "on_dele": "delete"})
        self.drop.messages = [
            Message("<%d>" % uid, 0.0, 1.0, uid, guid(uid))
            for uid in (1, 2, 3, 4)]
        self.a = Session("A", 10.0, True, None, [1, 2, 3, 4], 11.0, {1}, {2},
                         12.0, "+OK Logging out.", 13.0)
        self.b = Session("B", 20.0, True, None, [1, 3, 4], 21.0, {3}, set(),
                         22.0, "+OK Logging out.", 23.0)
        self.drop.sessions = [self.a, self.b]
        self.found = Found(
            mailbox={uid: guid(uid) for uid in (1, 3, 4)},
            audit=[intent("A", 2), row("committed", "A", 1)],
            sessions=[recorded("A"), recorded("B")],
            state={uid: {"retrieved_count": 1, "hidden_at": None}
                   for uid in (1, 3)},
            open_intents=0, tracked=2)
        self.listing = [1, 3, 4]

    def violations(self, **options):
        """{invariant: texts} of those that are violated."""
        found = {
            "intents": invariant_intents.violations(self.drop, self.found),
            "kept": invariant_kept.violations(self.drop, self.found),
            "listings": invariant_listings.violations(self.drop, self.found),
            "repairs": invariant_repairs.violations(self.drop, self.found),
            "answers": invariant_answers.violations(
                self.drop, self.found, self.listing, **options),
            "records": invariant_records.violations(self.drop, self.found,
                                                    **options)}
        return {name: texts for name, texts in found.items() if texts}

    def remove(self, uid):
        del self.found.mailbox[uid]
        self.listing = [other for other in self.listing if other != uid]
        if self.found.state.pop(uid, None):
            self.found.tracked -= 1


@pytest.fixture
def story():
    return Story()


def test_all_is_well(story):
    assert story.violations() == {}


# --- intents ---

def test_removed_without_an_intent(story):
    story.drop.policy["on_retrieve"] = "delete"
    story.remove(1)
    story.remove(3)
    story.found.audit += [intent("B", 3, reason="retrieved"),
                          row("committed", "B", 1)]
    assert story.violations() == {
        "intents": ["UID 1 left, and no intent says why"]}


def test_intent_that_was_not_carried_out(story):
    story.found.audit.pop()
    assert set(story.violations()) == {"intents"}
    story.found.audit.append(row("released", "A", 1))
    assert set(story.violations()) == {"intents"}


def test_intent_of_another_message(story):
    story.found.audit[0]["message_guid"] = guid128(guid(7))
    assert set(story.violations()) == {"intents"}


def test_intent_of_a_hide_removes_nothing(story):
    story.found.audit[0]["action"] = "hide"
    assert set(story.violations()) == {"intents"}


@pytest.mark.parametrize("event", ["committed-late", "presumed"])
def test_told_after_repair(story, event):
    story.found.audit[1] = row(event, "A", 1, 2)
    assert story.violations() == {}


def test_presumed_of_another_message(story):
    story.found.audit[1] = row("presumed", "A", 1, 3)
    assert "intents" in story.violations()


def test_intent_row_twice(story):
    story.found.audit.insert(0, copy.copy(story.found.audit[0]))
    assert set(story.violations()) == {"intents"}


def test_removed_by_two_sessions_one_after_the_other(story):
    story.b.deleted = {2}
    story.found.audit += [intent("B", 2), row("committed", "B", 1)]
    assert set(story.violations()) == {"intents"}
    # at the same time nobody can tell
    story.b.begun = 12.5
    assert story.violations() == {}


def test_removed_twice_by_one_session(story):
    story.found.audit += [
        {**intent("A", 2), "intent_no": 2}, row("committed", "A", 2)]
    assert set(story.violations()) == {"intents"}


def test_removed_on_paper_only(story):
    story.found.mailbox[2] = guid(2)
    assert "intents" in story.violations()


def test_told_as_gone(story):
    story.found.audit.append(row("gone", uid=2))
    assert set(story.violations()) == {"intents"}
    story.found.audit = [row("gone", uid=2)]
    assert set(story.violations()) == {"intents"}
    # somebody else took it
    story.drop.expunged = {2: 12.5}
    assert story.violations() == {}


def test_gone_though_a_session_removed_it(story):
    story.drop.expunged = {2: 12.5}
    story.found.audit.append(row("gone", "B", uid=2))
    assert set(story.violations()) == {"intents"}


def test_told_as_gone_twice(story):
    story.drop.expunged = {2: 12.5}
    story.found.audit = [row("gone", uid=2), row("gone", "B", uid=2)]
    assert set(story.violations()) == {"intents"}


def test_open_after_repair(story):
    story.found.open_intents = 1
    assert set(story.violations()) == {"intents"}


# --- what the policy kept ---

def test_removed_though_kept(story):
    story.remove(3)
    story.found.audit += [intent("B", 3, reason="retrieved"),
                          row("committed", "B", 1)]
    assert set(story.violations()) == {"kept"}
    story.drop.policy["on_retrieve"] = "delete"
    assert set(story.violations()) == {"answers"}   # 1 is still there


def test_removed_under_a_hold(story):
    story.drop.policy["pop3_hold"] = "yes"
    assert "kept" in story.violations()


def test_removed_for_another_reason(story):
    story.found.audit[0]["reason"] = "expired-retrieved"
    assert set(story.violations()) == {"kept"}


def test_moved_instead_of_deleted(story):
    story.found.audit[0]["action"] = "move"
    assert set(story.violations()) == {"kept"}


def test_expired_too_early(story):
    story.remove(1)
    story.found.audit += [intent("B", 1, reason="expired-retrieved"),
                          row("committed", "B", 1)]
    story.drop.policy["expire_retrieved"] = 86400
    assert set(story.violations()) == {"kept"}
    story.drop.clock_ahead = 3600
    assert set(story.violations()) == {"kept"}
    story.drop.clock_ahead = 86400
    assert story.violations() == {}


@pytest.mark.parametrize("policy", [
    {"expire_retrieved": 0}, {"leave_max_messages": 0},
    {"quota_action": "evict"}])
def test_removed_by_other_rules(story, policy):
    reason = {"expire_retrieved": "expired-retrieved",
              "leave_max_messages": "leave-limit", "quota_action": "quota"}
    story.remove(1)
    (name,) = policy
    story.found.audit += [intent("B", 1, reason=reason[name]),
                          row("committed", "B", 1)]
    assert set(story.violations()) == {"kept"}
    story.drop.policy.update(policy)
    assert story.violations() == {}


def test_deleted_by_a_session_without_quit(story):
    story.a.quit_sent, story.a.answer = None, None
    story.found.sessions[0]["ended_by"] = "drop"
    story.found.state[1]["retrieved_count"] = 0
    assert {"kept", "answers", "listings"} == set(story.violations())


def test_update_whose_answer_is_unclear(story):
    """Dovecot said -ERR, and the removal was made."""
    story.a.answer = "-ERR [SYS/TEMP] Internal error occurred."
    story.found.sessions[0]["ended_by"] = "update-failed"
    story.found.state[1]["retrieved_count"] = 0
    assert {"kept", "answers", "listings"} == set(story.violations())
    story.a.unclear = True
    assert story.violations() == {}


# --- listings ---

def test_listing_is_short(story):
    story.b.listing = [1, 4]
    assert set(story.violations()) == {"listings"}
    story.b.listing = None
    assert story.violations() == {}


def test_listing_before_anything_was_removed(story):
    story.a.listing = [1, 3, 4]
    assert set(story.violations()) == {"listings"}


def test_listing_after_a_hide(story):
    story.b.listing = [1, 4]
    story.a.deleted = {2, 3}
    story.drop.policy["on_dele"] = "hide"
    story.found.audit = [row("intent", "A", 1, uid, "hide", "dele")
                         for uid in (2, 3)] + [row("committed", "A", 1)]
    story.found.mailbox[2] = guid(2)
    story.listing = [1, 4]
    assert story.violations() == {}


def test_delivered_and_lost(story):
    story.drop.messages.append(Message("<5>", 14.0, 15.0))
    assert "listings" in story.violations()
    story.drop.messages[-1].delivered = None
    assert story.violations() == {}


def test_delivered_and_not_listed(story):
    story.drop.messages.append(Message("<5>", 14.0, 15.0, 5, guid(5)))
    story.found.mailbox[5] = guid(5)
    story.listing.append(5)
    assert set(story.violations()) == {"listings"}
    story.drop.messages[-1].delivered = 20.5
    assert story.violations() == {}


def test_refusals(story):
    story.b.refusal = "-ERR [SYS/TEMP] Please wait a few minutes."
    assert story.violations() == {}
    for text in ("-ERR Please wait.", "-ERR [SYS/TEMP] No."):
        story.b.refusal = text
        assert set(story.violations()) == {"listings"}


def test_what_clients_must_not_see(story):
    story.b.wrong.append("no answer")
    assert set(story.violations()) == {"listings"}


# --- repairs ---

@pytest.mark.parametrize("event", ["released", "presumed", "repair-late"])
def test_repaired_while_the_session_goes_on(story, event):
    repair = {**row(event, "A", 1, 2), "detail": "repaired by session B"}
    story.found.audit.append(repair)
    assert "repairs" not in story.violations()
    story.a.ended = 21.5
    assert "repairs" in story.violations()
    # the lease has run out by that clock
    story.drop.clock_ahead = 3600
    assert "repairs" not in story.violations()


# --- answers ---

def test_ok_and_not_removed(story):
    story.found.mailbox[2] = guid(2)
    story.found.audit = [row("intent", "A", 1, 2, "expunge", "dele"),
                         row("released", "A", 1)]
    assert set(story.violations()) == {"answers"}


def test_ok_and_not_hidden(story):
    story.drop.policy["on_retrieve"] = "hide"
    assert set(story.violations()) == {"answers"}
    # the service was killed before it had written that
    assert story.violations(lost_from=0.0) == {}
    story.listing = [4]
    assert story.violations() == {}


def test_error_and_removed(story):
    story.a.answer = "-ERR [SYS/TEMP] No message was removed."
    assert "answers" in story.violations()


def test_postponed_by_another_session(story):
    story.a.answer = "-ERR [SYS/TEMP] No message was removed."
    story.found.audit[0]["detail"] = "postponed: asked for by session C"
    assert "answers" not in story.violations()


def test_lost_answer(story):
    story.a.answer = ""
    assert story.violations() == {}
    story.found.sessions.pop(0)
    story.found.state.pop(1)
    story.found.tracked = 1
    assert story.violations(lost_from=0.0) == {}
    assert set(story.violations()) == {"records"}


# --- records ---

def test_session_recorded_twice(story):
    story.found.sessions.append(recorded("B"))
    assert set(story.violations()) == {"records"}


def test_session_not_recorded(story):
    story.found.sessions.pop()
    assert set(story.violations()) == {"records"}
    story.found.state.pop(3)
    story.found.tracked = 1
    assert story.violations(lost_from=0.0) == {}


def test_session_with_another_end(story):
    story.found.sessions[1]["ended_by"] = "drop"
    assert set(story.violations()) == {"records"}
    story.b.answer = "-ERR [SYS/TEMP] No."
    story.found.sessions[1]["ended_by"] = "quit"
    assert set(story.violations()) == {"records"}


def test_session_that_nobody_had(story):
    story.found.sessions.append(recorded("C"))
    assert set(story.violations()) == {"records"}


@pytest.mark.parametrize("count", [0, 2])
def test_retrieval_not_counted_once(story, count):
    story.found.state[3]["retrieved_count"] = count
    assert set(story.violations()) == {"records"}


def test_state_of_what_is_not_there(story):
    story.found.state[2] = {"retrieved_count": 1, "hidden_at": None}
    story.found.tracked = 3
    assert set(story.violations()) == {"records"}


def test_tracked_is_no_count(story):
    story.found.tracked = 3
    assert set(story.violations()) == {"records"}


def test_hidden_though_shown(story):
    story.found.state[3]["hidden_at"] = "2026-01-01"
    assert set(story.violations()) == {"records"}


# --- chains ---

NUMBERS = [("one", 1), ("one", 2), ("one", 3), ("two", 1)]
HEADS = {"one": 3, "two": 1}


def test_chains():
    assert not invariant_chains.violations(HEADS, NUMBERS, {})


@pytest.mark.parametrize("numbers, wrong", [
    (NUMBERS + [("one", 2)], "1 numbers are twice: [2]"),
    ([("one", 1), ("one", 3), ("two", 1)], "1 numbers are missing: [2]"),
    (NUMBERS[1:], "1 numbers are missing: [1]"),
    (NUMBERS[:3], "1 numbers are missing: [1]"),
    (NUMBERS + [("one", 4)], "1 numbers are beyond the head: [4]"),
    (NUMBERS + [("three", 1)], "1 numbers are beyond the head: [1]")])
def test_chains_with_faults(numbers, wrong):
    (found,) = invariant_chains.violations(HEADS, numbers, {})
    assert wrong in found


def test_chains_from_a_number_on():
    assert not invariant_chains.violations(HEADS, NUMBERS[2:],
                                           {"one": 3, "two": 1})
    assert invariant_chains.violations(HEADS, NUMBERS[3:],
                                       {"one": 3, "two": 1})


# --- seals ---

CHAIN = "chain 2f5b50d4-aae9-4cbc-a8ea-0b15f73578fa"
VERIFIED = CHAIN + ": 12 rows verified in 3 batches\n"


def test_seals():
    assert not invariant_seals.violations(0, VERIFIED)
    assert not invariant_seals.violations(
        0, VERIFIED + "in no chain yet: 2 rows\n")


@pytest.mark.parametrize("status, output", [
    (1, CHAIN + " seq 4: removed\n" + VERIFIED), (0, ""), (1, VERIFIED),
    (75, "cannot connect\n")])
def test_seals_with_faults(status, output):
    assert invariant_seals.violations(status, output)


# --- polls ---

@pytest.fixture
def polls(story):
    """Session C did nothing, and D asked for a message and forgot it."""
    for number, name in enumerate(("C", "D"), 3):
        begun = 10.0 * number
        story.drop.sessions.append(Session(
            name, begun, True, None, [1, 3, 4], begun + 1, set(), set(),
            begun + 2, "+OK Logging out.", begun + 3))
    story.drop.sessions[-1].sent = 1
    story.found.sessions.append(recorded("D"))
    story.found.polls = 1
    return story


def poll_violations(story, *lost):
    return invariant_polls.violations(story.drop, story.found, *lost)


def test_poll_is_counted(polls):
    assert polls.violations() == {} and not poll_violations(polls)
    # where polls are recorded there must be a row
    polls.found.polls = None
    assert set(polls.violations()) == {"records"}
    assert not poll_violations(polls)


@pytest.mark.parametrize("count", [0, 2])
def test_poll_is_counted_once(polls, count):
    polls.found.polls = count
    assert poll_violations(polls)


def test_poll_is_recorded_and_counted(polls):
    polls.found.sessions.append(recorded("C"))
    assert polls.violations() == {} and poll_violations(polls)


def test_session_that_did_something_is_no_poll(polls):
    polls.found.sessions.pop()
    assert set(polls.violations()) == {"records"} and not poll_violations(polls)
    polls.found.polls = 2
    assert poll_violations(polls)


def test_poll_whose_end_is_not_known(polls):
    polls.drop.sessions[-2].answer = ""
    assert not poll_violations(polls)
    polls.found.polls = 0
    assert not poll_violations(polls)
    polls.drop.sessions[-2].quit_sent = None
    polls.found.polls = 1
    assert poll_violations(polls)


def test_polls_that_were_lost(polls):
    polls.found.polls = 0
    assert not poll_violations(polls, 32.0, 35.0)
    assert poll_violations(polls, 34.0, 35.0)
    assert poll_violations(polls, 10.0, 29.0)


# --- UIDs ---

@pytest.fixture
def renumbered(story):
    """The maildir forgot UID 3, and the file is UID 5 now."""
    story.drop.renumbered = {3: (5, guid(3))}
    story.found.mailbox[5] = story.found.mailbox.pop(3)
    story.uidlist = {guid(1): 1, guid(4): 4, guid(3): 5}
    return story


def uid_violations(story, highest=4):
    return invariant_uids.violations(
        story.drop, story.found.mailbox, story.uidlist, highest)


def test_uid_that_was_forgotten(renumbered):
    assert not uid_violations(renumbered)


def test_uid_that_is_another_elsewhere(renumbered):
    renumbered.uidlist = None
    assert uid_violations(renumbered) == ["UID 3 is UID 5 now"]


def test_uid_that_is_there_twice(renumbered):
    renumbered.found.mailbox[3] = guid(3)
    assert uid_violations(renumbered)


@pytest.mark.parametrize("uid", [None, 3, 6])
def test_uid_that_is_another_in_the_uidlist(renumbered, uid):
    renumbered.uidlist[guid(3)] = uid
    assert uid_violations(renumbered)


def test_uid_that_was_given_before(renumbered):
    assert uid_violations(renumbered, highest=5)


def test_uid_that_nobody_saw(story):
    """UID 5 was delivered in time, and the file is UID 6 at the end."""
    late = Message("<5>", 14.0, 15.0, 6, guid(6))
    story.drop.messages.append(late)
    story.found.mailbox[6] = guid(6)
    story.listing.append(6)
    assert set(story.violations()) == {"listings"}

    def marked(since=14.0, uidlist=None):
        invariant_uids.find_unseen(
            story.drop, story.found, uidlist or {guid(6): 6}, 4, since)
        return late.had_another
    assert not marked(uidlist={guid(6): 5}) and not marked(since=16.0)
    assert marked()
    assert story.violations() == {}
    # somebody had UID 5
    late.had_another = False
    story.found.audit.append(row("gone", uid=5))
    assert not marked()
