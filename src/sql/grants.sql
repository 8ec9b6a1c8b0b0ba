-- Who may do what. PUBLIC may nothing: the schema is closed to it, and the
-- default privileges set by install.sql keep it from executing functions.

GRANT USAGE ON SCHEMA pop3 TO pop3_service, pop3_admin, pop3_report;

GRANT EXECUTE ON FUNCTION
    pop3.now(),
    pop3.policy_levels(text),
    pop3.policy_rows(text),
    pop3.policy_version(text),
    pop3.policy_generation(),
    pop3.policy_changes(bigint, bigint),
    pop3.policy_users(text, int),
    pop3.maildrop_state(text, bigint, bigint, bigint, boolean, float8, bigint,
                        bigint, boolean, int, text),
    pop3.maildrop_changes(pg_snapshot, xid8),
    pop3.tracked(bigint),
    pop3.accept_login(text, uuid, bigint, boolean, text),
    pop3.download_reserve(text, uuid, bigint, bigint, bigint),
    pop3.leave_excess(text, bigint, bigint, bigint, int8multirange, bigint[],
                      bigint[], int),
    pop3.intent_state(uuid, int),
    pop3.told_level(text, text),
    pop3.evictable(text, uuid, bigint, bigint, bigint, int),
    pop3.notices(text, uuid, bigint, bigint),
    pop3.notice_due(text, text, int, text, text),
    pop3.chain_open(uuid, int),
    pop3.batch_begin(uuid, bigint, bigint, bigint, bigint, text[]),
    pop3.plain_waiting(int, int),
    pop3.chain_plain(uuid, bigint, int, float8, float8),
    pop3.chain_rows(uuid, bigint, bigint, float8, uuid[], float8[]),
    pop3.chain_seal(uuid, bigint, bigint, text, bytea, bytea, bytea, bytea),
    pop3.replay_at(float8, boolean),
    pop3.record_intent(uuid, bigint, uuid, int, text, text, text, text, text,
                       uuid, bigint, text, int, bigint[], uuid[], bigint[],
                       text[], text[], text[], text[], text[], text),
    pop3.record_postponed(uuid, bigint, uuid, int, text, text, text, text,
                          text, uuid, bigint, bigint[], uuid[], bigint[],
                          text[], text[], text[], text[], text[]),
    pop3.record_outcome(uuid, bigint, uuid, int, text),
    pop3.record_abandon(uuid),
    pop3.claim_intent(uuid, text, uuid, int, int),
    pop3.record_repair(uuid, bigint, uuid, text, uuid, int, bigint[],
                       boolean[]),
    pop3.record_event(uuid, bigint, text, text, uuid, text, text, text, text,
                      text, uuid, bigint, bigint, bigint[], text),
    pop3.carry_over(uuid, bigint, uuid, text, bigint, uuid, bigint, bigint,
                    bigint, bigint[], bigint[]),
    pop3.record_session(uuid, bigint, uuid, text, text, text, text, boolean,
                        text, float8, float8, text, uuid, bigint, bigint,
                        bigint, bigint, bigint, uuid, int, int, int, bigint,
                        int8multirange, int8multirange, bigint[], uuid[],
                        bigint[], text[], bigint[], uuid[], bigint[], text[],
                        float8, bigint, boolean),
    pop3.record_polls(float8[], text[], text[], text[], boolean[], int[],
                      float8[]),
    pop3.record_imap_use(text[]),
    pop3.record_usage(text[], bigint[], bigint[], bigint[], bigint[], int[],
                      int[]),
    pop3.take_notice(uuid, bigint, text, uuid, text, uuid, bigint, text, int,
                     bigint, bigint, text, text),
    pop3.record_quarantine(uuid, bigint, text, text),
    pop3.maintain()
TO pop3_service;

GRANT EXECUTE ON FUNCTION
    pop3.set_policy(text, text, text),
    pop3.unset_policy(text, text),
    pop3.effective_policy(text),
    pop3.explain(text),
    pop3.set_policies(text, text[], text[]),
    pop3.preview_policies(text, text[], text[]),
    pop3.list_policy(text, bigint, bigint),
    pop3.list_presets(),
    pop3.status(text, bigint, text),
    pop3.log(text, timestamptz, timestamptz, text, text, bigint),
    pop3.restore(text, int8multirange, text, text, timestamptz, timestamptz),
    pop3.pause(text),
    pop3.resume(),
    pop3.confirm_breaker(bigint),
    pop3.set_breaker(bigint, bigint),
    pop3.set_retention(bigint),
    pop3.control_status(),
    pop3.due_users(bigint, text, text[]),
    pop3.sweep_select(text[]),
    pop3.sweep_claim(text, uuid, bigint),
    pop3.sweep_release(text, uuid, boolean),
    pop3.forget_user(text),
    pop3.roll_up(date),
    pop3.maintain()
TO pop3_admin;
-- plain SQL on policies is welcome: triggers check it and keep its history
GRANT SELECT, INSERT, UPDATE, DELETE ON pop3.policy, pop3.preset
    TO pop3_admin;
GRANT SELECT ON pop3.policy_history, pop3.parameter TO pop3_admin;
-- verify reads what is stored, not what a function says of it
GRANT SELECT ON pop3.audit, pop3.session, pop3.session_lost, pop3.seal,
                pop3.chain
    TO pop3_admin;

GRANT SELECT ON
    pop3.report_user, pop3.report_session_daily, pop3.report_deletion,
    pop3.report_never_quit, pop3.report_leave_on_server, pop3.report_expiring,
    pop3.report_policy, pop3.report_would_remove, pop3.report_session,
    pop3.report_event, pop3.report_event_daily, pop3.report_kept,
    pop3.report_expiring_soon, pop3.report_quota, pop3.report_policy_change
TO pop3_report, pop3_admin;
-- A view's tables are read with its owner's rights, but its functions run with
-- the reader's: report_policy and
-- report_policy_change format values.
GRANT EXECUTE ON FUNCTION pop3.value_human(text, text)
    TO pop3_report, pop3_admin;
