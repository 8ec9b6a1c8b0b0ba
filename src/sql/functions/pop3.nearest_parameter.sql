-- The name of a parameter that is most like p_name (Levenshtein's distance),
-- for error messages.
-- Calls: nothing. Tables: reads parameter.

CREATE FUNCTION pop3.nearest_parameter(p_name text) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    -- "On-Dele" lacks nothing but the right spelling
    v_wanted text := 
        left(translate(lower(coalesce(p_name, '')), '- ', '__'), 40);
    v_name text;
    v_row int[];
    v_diagonal int;
    v_above int;
    v_best int;
    v_nearest text;
BEGIN
    FOR v_name IN SELECT p.name FROM pop3.parameter p ORDER BY p."position"
    LOOP
        v_row := ARRAY(SELECT generate_series(0, length(v_name)));
        FOR i IN 1 .. length(v_wanted) LOOP
            v_diagonal := v_row[1];
            v_row[1] := i;
            FOR j IN 1 .. length(v_name) LOOP
                v_above := v_row[j + 1];
                v_row[j + 1] := least(
                    least(v_row[j], v_above) + 1,
                    v_diagonal + CASE WHEN substr(v_wanted, i, 1) =
                                           substr(v_name, j, 1)
                                      THEN 0 ELSE 1 END);
                v_diagonal := v_above;
            END LOOP;
        END LOOP;
        IF v_best IS NULL OR v_row[length(v_name) + 1] < v_best THEN
            v_best := v_row[length(v_name) + 1];
            v_nearest := v_name;
        END IF;
    END LOOP;
    RETURN v_nearest;
END
$$;

COMMENT ON FUNCTION pop3.nearest_parameter(text) IS
    'Name of the parameter that is most like this one, for error messages (internal)';
