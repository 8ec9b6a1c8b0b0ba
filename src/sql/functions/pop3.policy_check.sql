-- Trigger: gives a changed row of pop3.policy or pop3.preset its version, and
-- refuses what its constraints would refuse, with a message for people. The
-- constraints stay behind it.
-- Calls: parse_scope, value_problem, value_allowed. Tables: reads parameter,
-- policy, preset.

CREATE FUNCTION pop3.policy_check() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_row jsonb;
    v_value text;
    v_problem text;
    p pop3.parameter;
BEGIN
    IF TG_OP = 'DELETE' THEN
        v_value := (SELECT string_agg(o.scope, ', ' ORDER BY o.scope)
                      FROM (SELECT x.scope FROM pop3.policy x
                             WHERE x.preset = OLD.name
                             ORDER BY x.scope LIMIT 10) o);
        IF v_value IS NOT NULL THEN
            RAISE EXCEPTION 'preset "%" is in use by %', OLD.name, v_value
                USING ERRCODE = 'foreign_key_violation',
                      CONSTRAINT = 'preset_exists',
                      HINT = 'Give these scopes another preset first.';
        END IF;
        RETURN OLD;
    END IF;

    IF TG_TABLE_NAME = 'policy' THEN
        NEW.scope := pop3.parse_scope(NEW.scope);
        IF NEW.preset IS NOT NULL AND
           NOT EXISTS (SELECT FROM pop3.preset x WHERE x.name = NEW.preset)
        THEN
            RAISE EXCEPTION 'preset: "%" does not exist: use one of %',
                NEW.preset, (SELECT string_agg(x.name, ', ' ORDER BY x.name)
                               FROM pop3.preset x)
                USING ERRCODE = 'foreign_key_violation',
                      CONSTRAINT = 'preset_exists', COLUMN = 'preset',
                      TABLE = 'policy', SCHEMA = 'pop3';
        END IF;
    ELSIF NEW.name IS NULL OR NEW.name !~ '^[a-z0-9][a-z0-9._-]{0,63}$' THEN
        RAISE EXCEPTION 'name: "%" is not allowed: use lower-case letters, digits, ".", "_" and "-", at most 64',
            coalesce(NEW.name, '')
            USING ERRCODE = 'check_violation', CONSTRAINT = 'name_allowed',
                  COLUMN = 'name', TABLE = 'preset', SCHEMA = 'pop3';
    END IF;

    v_row := jsonb_strip_nulls(to_jsonb(NEW));
    FOR p IN SELECT x.* FROM pop3.parameter x
              WHERE v_row ? x.name ORDER BY x."position"
    LOOP
        v_value := v_row ->> p.name;
        IF p.type = 'percents' THEN
            v_problem := pop3.value_problem(p.name,
                CASE WHEN coalesce(array_ndims(NEW.quota_warn), 1) = 1
                     THEN array_to_string(NEW.quota_warn, ',', 'NULL')
                     ELSE '?' END);
        ELSIF p.type = 'timestamp' THEN
            v_problem := CASE
                WHEN NEW.view_since = '-infinity' THEN NULL
                WHEN NOT isfinite(NEW.view_since) THEN 'is out of range'
                ELSE pop3.value_problem(p.name,
                         greatest(floor(extract(epoch FROM NEW.view_since)),
                                  -2)::text) END;
        ELSE
            v_problem := pop3.value_problem(p.name, v_value);
        END IF;
        IF v_problem IS NOT NULL THEN
            RAISE EXCEPTION '%: "%" %: use %', p.name, v_value, v_problem,
                pop3.value_allowed(p.name, true)
                USING ERRCODE = 'check_violation',
                      CONSTRAINT = p.name || '_allowed', COLUMN = p.name,
                      TABLE = TG_TABLE_NAME, SCHEMA = 'pop3';
        END IF;
    END LOOP;

    IF TG_OP = 'UPDATE' AND
       to_jsonb(NEW) - 'version' = to_jsonb(OLD) - 'version' THEN
        NEW.version := OLD.version;
    ELSE
        NEW.version := nextval('pop3.policy_version_seq');
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION pop3.policy_check() IS
    'Trigger: versions of pop3.policy and pop3.preset, readable errors';
