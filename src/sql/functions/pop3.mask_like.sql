-- A mask, with * for anything and ? for any character, as LIKE has it; NULL is
-- everything.
-- Calls: nothing. Tables: none.

CREATE FUNCTION pop3.mask_like(p_mask text) RETURNS text
    LANGUAGE sql IMMUTABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT translate(regexp_replace(coalesce(p_mask, '*'), '([\\%_])',
                                    '\\\1', 'g'), '*?', '%_')
$$;

COMMENT ON FUNCTION pop3.mask_like(text) IS
    'A mask with * and ? as a pattern of LIKE (internal)';
