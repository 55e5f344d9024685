-- Flags are copied and indexed before a publisher takes its turn, and checked more cheaply.

-- Says what the function of 0003 said: a path that cuts the reasons out, whole, costs twice as much as one that counts
-- their codes. Read strictly, a key of a list is an error, and a list within the list no reason.
CREATE OR REPLACE FUNCTION are_reason_codes(codes jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(codes) = 'array' THEN
    jsonb_array_length(codes) = jsonb_array_length(jsonb_path_query_array(codes,
        'strict $[*] ? (@.code > "" && @.contribution.type() == "number" && exists(@.value) && exists(@.typical)).code'))
    ELSE false END;

-- What staged tables are made like. Made like the flag tables themselves, they would hold a lock on these while they
-- are filled, and no publisher could swap while another one copies.
CREATE TABLE user_flag_blank (LIKE user_flag INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS);
CREATE TABLE event_flag_blank (LIKE event_flag INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS);
COMMENT ON TABLE user_flag_blank IS 'Always empty: the form of a partition of user_flag. What changes the columns or constraints of that table must change it here too.';
COMMENT ON TABLE event_flag_blank IS 'Always empty: the form of a partition of event_flag. What changes the columns or constraints of that table must change it here too.';

CREATE FUNCTION staged_flags(parent text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF parent NOT IN ('user_flag', 'event_flag') THEN
        RAISE EXCEPTION '% holds no flags', parent USING ERRCODE = 'wrong_object_type';
    END IF;
    RETURN parent || '_staged_' || pg_backend_pid();
END
$$;
COMMENT ON FUNCTION staged_flags IS 'The name of the table that this session stages flags in: every publisher has its own.';

DROP FUNCTION stage_flags;
CREATE FUNCTION stage_flags(parent text, starts timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = trailguard, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    staged text := staged_flags(parent);
    forgotten text;
BEGIN
    -- another publisher's are invisible until it commits, and then they are partitions
    FOR forgotten IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'trailguard'::regnamespace
                     AND starts_with(relname, parent || '_staged_') ORDER BY relname LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I', forgotten);
    END LOOP;
    -- the CHECK says what the partition's bound will say, so that ATTACH need not read the rows
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS,
        CONSTRAINT belongs_to_its_interval CHECK (interval_start = timestamptz %L))', staged, parent || '_blank', starts);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO trailguard_writer', staged);
    RETURN staged;
END
$$;
COMMENT ON FUNCTION stage_flags IS 'Creates an empty table, without indexes, that swap_flags, in the same transaction, makes the interval''s partition; returns its name.';

CREATE FUNCTION index_flags(parent text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = trailguard, pg_temp SET maintenance_work_mem = '256MB' AS $$
DECLARE
    staged text := staged_flags(parent);
BEGIN
    EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (%I, interval_start)', staged, replace(parent, 'flag', 'id'));
    IF parent = 'event_flag' THEN
        EXECUTE format('CREATE INDEX ON %I (user_id)', staged);
    END IF;
END
$$;
COMMENT ON FUNCTION index_flags IS 'Gives the staged table the indexes of its parent: one sort after all rows are there costs less than finding each row''s place as it comes.';

CREATE OR REPLACE FUNCTION swap_flags(parent text, starts timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = trailguard, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    staged text := staged_flags(parent);
    -- 20140301 for midnight, 20140301t06 for six o'clock: every moment has a name of its own
    partition text := parent || '_' || rtrim(rtrim(to_char(starts, 'YYYYMMDD"t"HH24MISSUS'), '0'), 't');
    index_name text;
BEGIN
    -- even where ATTACH alone would do with less: a reader that has planned without the new partition must not then
    -- read the new scoring_run
    EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', parent);
    IF to_regclass(quote_ident(partition)) IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, partition);
        -- its files go after the commit has let the readers in again
        EXECUTE format('DROP TABLE %I', partition);
    END IF;
    IF to_regclass(quote_ident(staged)) IS NULL THEN
        RETURN;
    END IF;
    EXECUTE format('ALTER TABLE %I RENAME TO %I', staged, partition);
    FOR index_name IN SELECT indexrelid::regclass FROM pg_index WHERE indrelid = to_regclass(quote_ident(partition)) LOOP
        EXECUTE format('ALTER INDEX %I RENAME TO %I', index_name, replace(index_name, staged, partition));
    END LOOP;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES IN (%L)', parent, partition, starts);
END
$$;
COMMENT ON FUNCTION swap_flags IS 'Replaces the interval''s partition by what this session staged, or by nothing where it staged nothing.';

GRANT EXECUTE ON FUNCTION stage_flags, index_flags TO trailguard_writer;
