-- All functions but those of triggers, and all views: install.sql makes them,
-- upgrade.sql drops and makes them again. A migration that changes a trigger's
-- function replaces that one itself.

-- what others call
\ir functions/pop3.maildrop_find.sql
\ir functions/pop3.policies_known.sql
\ir functions/pop3.nearest_parameter.sql
\ir functions/pop3.parameter_names.sql
\ir functions/pop3.parse_scope.sql
\ir functions/pop3.parse_value.sql
\ir functions/pop3.value_allowed.sql
\ir functions/pop3.value_human.sql
\ir functions/pop3.value_problem.sql
\ir functions/pop3.mask_like.sql
\ir functions/pop3.row_value.sql
\ir functions/pop3.row_with.sql
\ir functions/pop3.time_human.sql
\ir functions/pop3.event_text.sql
\ir functions/pop3.maildrop_due.sql
\ir functions/pop3.who.sql

-- the service reads
\ir functions/pop3.now.sql
\ir functions/pop3.policy_rows.sql
\ir functions/pop3.policy_levels.sql
\ir functions/pop3.policy_version.sql
\ir functions/pop3.policy_generation.sql
\ir functions/pop3.policy_changes.sql
\ir functions/pop3.policy_users.sql
\ir functions/pop3.policy_values.sql
\ir functions/pop3.deciding_scopes.sql
\ir functions/pop3.maildrop_state.sql
\ir functions/pop3.maildrop_changes.sql
\ir functions/pop3.tracked.sql
\ir functions/pop3.intent_state.sql
\ir functions/pop3.leave_excess.sql
\ir functions/pop3.told_level.sql
\ir functions/pop3.evictable.sql
\ir functions/pop3.expiring.sql
\ir functions/pop3.notices.sql
\ir functions/pop3.notice_due.sql

-- the service writes, outside of its chain
\ir functions/pop3.accept_login.sql
\ir functions/pop3.download_settle.sql
\ir functions/pop3.download_reserve.sql

-- the service writes
\ir functions/pop3.chain_open.sql
\ir functions/pop3.batch_begin.sql
\ir functions/pop3.is_plain_event.sql
\ir functions/pop3.plain_waiting.sql
\ir functions/pop3.chain_plain.sql
\ir functions/pop3.chain_rows.sql
\ir functions/pop3.chain_seal.sql
\ir functions/pop3.event_time.sql
\ir functions/pop3.replay_at.sql
\ir functions/pop3.forgotten_name.sql
\ir functions/pop3.breaker_count.sql
\ir functions/pop3.breaker_limit.sql
\ir functions/pop3.count_messages.sql
\ir functions/pop3.breaker_allows.sql
\ir functions/pop3.record_intent.sql
\ir functions/pop3.unhide.sql
\ir functions/pop3.removed_meanwhile.sql
\ir functions/pop3.record_postponed.sql
\ir functions/pop3.record_outcome.sql
\ir functions/pop3.record_abandon.sql
\ir functions/pop3.claim_intent.sql
\ir functions/pop3.record_repair.sql
\ir functions/pop3.record_event.sql
\ir functions/pop3.carry_over.sql
\ir functions/pop3.record_session.sql
\ir functions/pop3.record_polls.sql
\ir functions/pop3.record_imap_use.sql
\ir functions/pop3.record_usage.sql
\ir functions/pop3.take_notice.sql
\ir functions/pop3.record_quarantine.sql
\ir functions/pop3.roll_up.sql
\ir functions/pop3.roll_up_due.sql
\ir functions/pop3.count_kept.sql
\ir functions/pop3.drop_days.sql
\ir functions/pop3.maintain.sql

-- for people
\ir functions/pop3.set_policy.sql
\ir functions/pop3.unset_policy.sql
\ir functions/pop3.set_policies.sql
\ir functions/pop3.effective_sql.sql
\ir functions/pop3.preview_due.sql
\ir functions/pop3.preview_policies.sql
\ir functions/pop3.list_policy.sql
\ir functions/pop3.list_presets.sql
\ir functions/pop3.effective_policy.sql
\ir functions/pop3.status.sql
\ir functions/pop3.log.sql
\ir functions/pop3.explain.sql
\ir functions/pop3.restore.sql
\ir functions/pop3.pause.sql
\ir functions/pop3.resume.sql
\ir functions/pop3.confirm_breaker.sql
\ir functions/pop3.set_breaker.sql
\ir functions/pop3.set_retention.sql
\ir functions/pop3.control_status.sql
\ir functions/pop3.due_users.sql
\ir functions/pop3.sweep_select.sql
\ir functions/pop3.sweep_claim.sql
\ir functions/pop3.sweep_release.sql
\ir functions/pop3.erase_salts.sql
\ir functions/pop3.forget_user.sql

\ir views/policy_row.sql
\ir views/policy_source.sql
\ir views/policy_user.sql
\ir views/intent_decided.sql
\ir views/event_counted.sql
\ir views/report_user.sql
\ir views/report_quota.sql
\ir views/report_kept.sql
\ir views/report_session.sql
\ir views/report_session_daily.sql
\ir views/report_event.sql
\ir views/report_event_daily.sql
\ir views/report_deletion.sql
\ir views/report_never_quit.sql
\ir views/report_leave_on_server.sql
\ir views/report_expiring.sql
\ir views/report_expiring_soon.sql
\ir views/report_policy.sql
\ir views/report_policy_change.sql
\ir views/report_would_remove.sql
