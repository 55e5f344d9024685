-- A user can be erased: all that names them goes, and what stays is that it was done. The eraser borrows the owner's
-- rights for this alone, for nobody else may delete what is append-only.

DO $$
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO trailguard_eraser', current_database());
END
$$;
GRANT USAGE ON SCHEMA trailguard TO trailguard_eraser;

CREATE TABLE erased_user (
    user_digest text PRIMARY KEY,
    asked_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_digest_is_sha256 CHECK (user_digest ~ '^[0-9a-f]{64}$')
);
CREATE TABLE erasure (
    erasure_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_digest text NOT NULL REFERENCES erased_user,
    reason text NOT NULL,
    requested_by text NOT NULL,
    dag_run_id text,
    files jsonb NOT NULL,
    tables jsonb NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT a_reason_is_given CHECK (btrim(reason) <> ''),
    CONSTRAINT who_asked_is_named CHECK (btrim(requested_by) <> ''),
    CONSTRAINT files_is_an_object CHECK (jsonb_typeof(files) = 'object'),
    CONSTRAINT tables_is_an_object CHECK (jsonb_typeof(tables) = 'object')
);
CREATE INDEX erasure_user_digest ON erasure (user_digest);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON erased_user EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON erasure EXECUTE FUNCTION refuse_change();

COMMENT ON TABLE erased_user IS 'Who was erased, or is about to be: ingestion keeps nothing of them, however old the day. Append-only.';
COMMENT ON COLUMN erased_user.user_digest IS 'SHA-256 of the user id as it stands here, 64 hexadecimal digits.';
COMMENT ON COLUMN erased_user.asked_at IS 'Since when, by the clock of the database.';
COMMENT ON TABLE erasure IS 'Each erasure of a user that ran: who asked, why, and what it took out. Append-only.';
COMMENT ON COLUMN erasure.erasure_id IS 'Order of the erasures.';
COMMENT ON COLUMN erasure.user_digest IS 'Whose, see erased_user.';
COMMENT ON COLUMN erasure.reason IS 'Why, in words that do not name the user.';
COMMENT ON COLUMN erasure.requested_by IS 'Who asked for it.';
COMMENT ON COLUMN erasure.dag_run_id IS 'Airflow DAG run that erased; null when erased by hand.';
COMMENT ON COLUMN erasure.files IS 'Place in the lake -> how many files and rows of it were touched.';
COMMENT ON COLUMN erasure.tables IS 'Table -> how many of its rows were deleted, or blanked where they mentioned the user.';
COMMENT ON COLUMN erasure.erased_at IS 'When, by the clock of the database.';

CREATE VIEW erasure_history AS SELECT * FROM erasure;
COMMENT ON VIEW erasure_history IS 'Every erasure.';
DO $$
DECLARE
    twin record;
BEGIN
    FOR twin IN SELECT attname AS name, col_description(attrelid, attnum) AS said FROM pg_attribute
                WHERE attrelid = 'erasure'::regclass AND attnum > 0 LOOP
        EXECUTE format('COMMENT ON COLUMN erasure_history.%I IS %L', twin.name, twin.said);
    END LOOP;
END
$$;

-- From the catalogue, so that a table that is added later is erased from and searched without a change here.
CREATE FUNCTION text_columns() RETURNS TABLE (relation regclass, name name, type text, names_users boolean)
LANGUAGE sql STABLE SET search_path = trailguard, pg_temp AS $$
    SELECT c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attname ~ '(^|_)user(_id)?$'
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
    WHERE c.relnamespace = 'trailguard'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND ('S' IN (t.typcategory, e.typcategory) OR t.typname IN ('json', 'jsonb') OR e.typname IN ('json', 'jsonb'))
    ORDER BY c.relname, a.attnum
$$;
COMMENT ON FUNCTION text_columns IS 'Every column of every table that can hold a user''s name, and whether it holds nothing else.';

CREATE FUNCTION find_traces(of_user text, pattern text) RETURNS TABLE (place text, traces bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = trailguard, pg_temp AS $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT * FROM text_columns() LOOP
        place := one.relation || '.' || one.name;
        IF one.names_users THEN
            EXECUTE format('SELECT count(*) FROM %s WHERE %I = $1', one.relation, one.name) INTO traces USING of_user;
        ELSE
            EXECUTE format('SELECT count(*) FROM %s WHERE %I::text ~ $1', one.relation, one.name) INTO traces USING pattern;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION find_traces IS 'How many rows of each column name the user: those that hold users are compared, in all others the pattern is looked for, unless it is null.';

CREATE FUNCTION find_user(digest text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = trailguard, pg_temp AS $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT * FROM text_columns() WHERE names_users LOOP
        RETURN QUERY EXECUTE format(
            'SELECT DISTINCT %1$I FROM %2$s WHERE encode(sha256(convert_to(%1$I, ''UTF8'')), ''hex'') = $1',
            one.name, one.relation) USING digest;
    END LOOP;
END
$$;
COMMENT ON FUNCTION find_user IS 'The user with this digest, once for each column that names them.';

CREATE FUNCTION ask_erasure(digest text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = trailguard, pg_temp AS $$
    INSERT INTO erased_user (user_digest) VALUES (digest) ON CONFLICT DO NOTHING
$$;
COMMENT ON FUNCTION ask_erasure IS 'From now on ingestion keeps nothing of the user.';

CREATE FUNCTION erase_user(of_user text, pattern text, digest text, reason text, requested_by text, dag_run_id text,
                           files jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = trailguard, pg_temp AS $$
DECLARE
    one record;
    done bigint;
    touched jsonb := '{}';
BEGIN
    PERFORM await_turn(); -- no publisher may swap in what it has read before, and what dead ones have left goes
    LOCK TABLE review IN SHARE ROW EXCLUSIVE MODE; -- before label, as a review does: two that wait for each other would fail
    FOR one IN
        SELECT relation, bool_or(t.tgname IS NOT NULL) AS append_only,
               string_agg(format('%I = $1', name), ' OR ') FILTER (WHERE names_users) AS own,
               string_agg(format('%I::text ~ $2', name), ' OR ') FILTER (WHERE NOT names_users) AS mentions,
               string_agg(format('%1$I = regexp_replace(%1$I::text, $2, ''[erased]'', ''g'')::%2$s', name, type), ', ')
                   FILTER (WHERE NOT names_users) AS blanked
        FROM text_columns() LEFT JOIN pg_trigger t ON t.tgrelid = relation AND t.tgname = 'append_only'
        GROUP BY relation ORDER BY relation::text
    LOOP
        done := 0;
        EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', one.relation);
        IF one.append_only THEN
            EXECUTE format('ALTER TABLE %s DISABLE TRIGGER append_only', one.relation);
        END IF;
        IF one.own IS NOT NULL THEN
            EXECUTE format('DELETE FROM %s WHERE %s', one.relation, one.own) USING of_user;
            GET DIAGNOSTICS done = ROW_COUNT;
        END IF;
        touched := touched || jsonb_build_object(one.relation::text, done);
        IF pattern IS NOT NULL AND one.mentions IS NOT NULL THEN
            EXECUTE format('UPDATE %s SET %s WHERE %s', one.relation, one.blanked, one.mentions) USING of_user, pattern;
            GET DIAGNOSTICS done = ROW_COUNT;
            touched := jsonb_set(touched, ARRAY[one.relation::text], to_jsonb((touched ->> one.relation::text)::bigint + done));
        END IF;
        IF one.append_only THEN
            EXECUTE format('ALTER TABLE %s ENABLE TRIGGER append_only', one.relation);
        END IF;
    END LOOP;
    SELECT coalesce(jsonb_object_agg(key, value), '{}') INTO touched FROM jsonb_each(touched) WHERE value <> '0';
    INSERT INTO erasure (user_digest, reason, requested_by, dag_run_id, files, tables)
    VALUES (digest, erase_user.reason, erase_user.requested_by, erase_user.dag_run_id, erase_user.files, touched);
    RETURN touched;
END
$$;
COMMENT ON FUNCTION erase_user IS 'Deletes every row of the user, blanks what other rows say of them, records that in erasure and returns table -> rows touched.';

GRANT EXECUTE ON FUNCTION find_traces, find_user, ask_erasure, erase_user TO trailguard_eraser;
GRANT SELECT ON erased_user TO trailguard_writer;
GRANT SELECT ON erasure_history TO trailguard_analyst;
