-- The roles, made if the cluster does not have them yet (roles belong to a
-- cluster, not to a database). The three that log in get no password here:
-- give them one, or a line in pg_hba.conf.

DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['pop3_owner', 'pop3_service', 'pop3_admin',
                                  'pop3_report']
    LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles
                        WHERE rolname = v_role) THEN
            EXECUTE format('CREATE ROLE %I NOSUPERUSER NOCREATEDB '
                           'NOCREATEROLE %s', v_role,
                           CASE v_role WHEN 'pop3_owner' THEN 'NOLOGIN'
                                       ELSE 'LOGIN' END);
        END IF;
    END LOOP;

    -- This needs the right to alter the roles, which a second installation, or
    -- an upgrade, by another administrator may lack.
    BEGIN
        -- Reports go over many partitions: compiling the plans takes seconds,
        -- running them milliseconds.
        FOREACH v_role IN ARRAY ARRAY['pop3_admin', 'pop3_report'] LOOP
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r,
                                       unnest(r.rolconfig) c
                            WHERE r.rolname = v_role AND c LIKE 'jit=%') THEN
                EXECUTE format('ALTER ROLE %I SET jit = off', v_role);
            END IF;
        END LOOP;
        COMMENT ON ROLE pop3_owner IS
            'Owns schema pop3 and all in it; nobody logs in as it';
        COMMENT ON ROLE pop3_service IS
            'The pop3-policy service: executes its functions, nothing else';
        COMMENT ON ROLE pop3_admin IS
            'Administrators: policies, presets, restore, reports';
        COMMENT ON ROLE pop3_report IS
            'Reporting: reads the views pop3.report_*, nothing else';
    EXCEPTION WHEN insufficient_privilege THEN
        NULL;
    END;

    -- An installer who is no superuser has to be able to act as the owner.
    IF NOT pg_has_role(current_user, 'pop3_owner', 'MEMBER') THEN
        EXECUTE format('GRANT pop3_owner TO %I', current_user);
    ELSIF current_setting('server_version_num')::int >= 160000 THEN
        -- since 16 a role's creator is a member that may not SET ROLE
        IF NOT pg_has_role(current_user, 'pop3_owner', 'SET') THEN
            EXECUTE format('GRANT pop3_owner TO %I WITH SET TRUE',
                           current_user);
        END IF;
    END IF;
END
$$;
