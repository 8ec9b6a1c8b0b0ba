-- Presets: sets of values to build on. Sizes are in bytes, times in seconds.
-- "documented" in source: the provider or RFC says so; "reported": users or
-- older documents do; "assumed": nobody we know of does.

-- enforcement, pop3_access and pop3_hold are the administrator's, not a
-- provider's habits: no preset sets them.
INSERT INTO pop3.preset (name, description, source, view_since, view_window,
                         view_limit, on_retrieve, on_dele, move_mailbox,
                         mark_seen, expire_retrieved, expire_unretrieved,
                         expire_hidden, leave_max_messages, leave_max_bytes,
                         quota_storage, quota_messages, quota_action,
                         quota_warn, login_delay, download_daily, top_lines,
                         mass_delete_percent, mass_delete_hold, notify)
VALUES ('rfc1939',
        'RFC 1939 as it is: mail stays until the client deletes it',
        'RFC 1939; the built-in values',
        '-infinity', -1, -1, 'keep', 'delete', 'Trash', 'as-configured', -1,
        -1, -1, -1, -1, -2, -2, 'reject', '{80,95}', 0, -1, -1, -1, 604800,
        'no');

INSERT INTO pop3.preset (name, description, source, on_retrieve, top_lines)
VALUES ('download-and-delete',
        'Retrieved mail is deleted at QUIT; TOP shows headers only, or is a download like RETR',
        'RFC 1939, section 8 (documented)', 'delete', 0);

INSERT INTO pop3.preset (name, description, source, expire_retrieved,
                         expire_unretrieved, notify)
VALUES ('section8',
        'Read mail expires after 7 days, unread mail after 60, and users are told',
        'The example in RFC 1939, section 8 (documented)',
        7 * 86400, 60 * 86400, 'yes');

INSERT INTO pop3.preset (name, description, source, expire_retrieved,
                         leave_max_bytes)
VALUES ('leave-14-days',
        'Retrieved mail may stay for 14 days, up to 1 GB',
        'Usual "leave on server" of clients, kept by the server',
        14 * 86400, 1073741824);

INSERT INTO pop3.preset (name, description, source, on_retrieve,
                         expire_hidden)
VALUES ('download-once-day',
        'Deletion after retrieval with a day of grace: retrieved mail is hidden at QUIT, and removed a day later',
        'RFC 1939, section 8, made safe against clients that QUIT after a failed download',
        'hide', 86400);

INSERT INTO pop3.preset (name, description, source, on_retrieve, on_dele,
                         expire_hidden, view_limit, download_daily)
VALUES ('gmail',
        'Each message is shown until it was downloaded once; nothing is deleted by POP3',
        'Gmail: hiding documented, limits of 250 messages and 1250 MB a day reported; expire_hidden is ours, so that hidden mail does not fill quotas for ever',
        'hide', 'hide', 30 * 86400, 250, 1250 * 1048576);

INSERT INTO pop3.preset (name, description, source, view_window, on_retrieve,
                         on_dele, expire_hidden)
VALUES ('gmail-recent',
        'The mail of the last 30 days is shown, downloaded or not, for several clients',
        'Gmail''s "recent:" login (reported); expire_hidden is ours',
        30 * 86400, 'keep', 'hide', 30 * 86400);

INSERT INTO pop3.preset (name, description, source, view_window, on_dele,
                         expire_hidden)
VALUES ('qq',
        'The mail of the last 30 days is shown, and clients cannot delete',
        'QQ Mail''s setting that forbids clients to delete (documented); what clients see of it, and the 30 days, are assumed; expire_hidden is ours',
        30 * 86400, 'hide', 30 * 86400);

INSERT INTO pop3.preset (name, description, source, view_window,
                         mass_delete_percent)
VALUES ('netease-163',
        'The mail of the last 30 days is shown; mass deletion is held back',
        'NetEase 163: 30 days and an alert on mass deletion (documented); 50 % is assumed',
        30 * 86400, 50);

INSERT INTO pop3.preset (name, description, source, view_window, on_retrieve,
                         on_dele)
VALUES ('sina',
        'All mail is shown, and clients delete',
        'Sina: assumed, no source is known', -1, 'keep', 'delete');

INSERT INTO pop3.preset (name, description, source, on_dele, move_mailbox)
VALUES ('outlook',
        'What clients delete goes to the mailbox POP',
        'Hotmail''s POP folder (reported)', 'move', 'POP');

INSERT INTO pop3.preset (name, description, source, on_dele)
VALUES ('zimbra',
        'What clients delete is deleted',
        'Zimbra''s default; keep, read and trash are its other choices (documented)',
        'delete');
