-- Swapping an interval's partition needs the owner's rights. The writer borrows them here, for this alone.

CREATE FUNCTION stage_flags(parent text, starts timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = trailguard, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    staged text := parent || '_staged';
BEGIN
    IF parent NOT IN ('user_flag', 'event_flag') THEN
        RAISE EXCEPTION '% holds no flags', parent USING ERRCODE = 'wrong_object_type';
    END IF;
    IF to_regclass(quote_ident(staged)) IS NOT NULL THEN -- left by somebody who committed without swapping
        EXECUTE format('DROP TABLE %I', staged);
    END IF;
    -- the CHECK says what the partition's bound will say, so that ATTACH need not read the rows
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES
        INCLUDING COMMENTS, CONSTRAINT belongs_to_its_interval CHECK (interval_start = timestamptz %L))',
        staged, parent, starts);
    EXECUTE format('GRANT INSERT ON %I TO trailguard_writer', staged);
END
$$;
COMMENT ON FUNCTION stage_flags IS 'Creates the empty table <parent>_staged that swap_flags, in the same transaction, makes the interval''s partition.';

CREATE FUNCTION swap_flags(parent text, starts timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = trailguard, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    staged text := parent || '_staged';
    -- 20140301 for midnight, 20140301t06 for six o'clock: every moment has a name of its own
    partition text := parent || '_' || rtrim(rtrim(to_char(starts, 'YYYYMMDD"t"HH24MISSUS'), '0'), 't');
    index_name text;
BEGIN
    IF parent NOT IN ('user_flag', 'event_flag') THEN
        RAISE EXCEPTION '% holds no flags', parent USING ERRCODE = 'wrong_object_type';
    END IF;
    -- even where ATTACH alone would do with less: a reader that has planned without the new partition must not then
    -- read the new scoring_run
    EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', parent);
    IF to_regclass(quote_ident(partition)) IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, partition);
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
COMMENT ON FUNCTION swap_flags IS 'Replaces the interval''s partition by <parent>_staged, or by nothing where none is staged.';

GRANT EXECUTE ON FUNCTION stage_flags, swap_flags TO trailguard_writer;
