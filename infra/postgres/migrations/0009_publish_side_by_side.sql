-- A large interval is filled by several sessions side by side, each with a part of it: one backend keeps one core busy.
-- A part is a table of its own, created in the transaction that fills it, so that its rows can be frozen. All but the
-- publisher's own are committed while it holds the publisher's lock, and are then attached to the interval's table.

CREATE OR REPLACE FUNCTION staged_flags(parent text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF parent IS NULL OR parent NOT IN ('user_flag', 'event_flag') THEN
        RAISE EXCEPTION '% holds no flags', parent USING ERRCODE = 'wrong_object_type';
    END IF;
    RETURN parent || '_staged_' || pg_current_xact_id();
END
$$;
COMMENT ON FUNCTION staged_flags IS 'The name of the table that this transaction stages flags in: each has its own, for ever.';

-- 20140301 for midnight, 20140301t06 for six o'clock: every moment has a name of its own
CREATE FUNCTION partition_of(parent text, starts timestamptz) RETURNS text LANGUAGE sql STABLE SET timezone = 'UTC'
RETURN parent || '_' || rtrim(rtrim(to_char(starts, 'YYYYMMDD"t"HH24MISSUS'), '0'), 't');
COMMENT ON FUNCTION partition_of IS 'The name of an interval''s partition.';

DROP FUNCTION stage_flags;
CREATE FUNCTION stage_flags(parent text, starts timestamptz, first text, beyond text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = trailguard, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    staged text := staged_flags(parent);
    key text := replace(parent, 'flag', 'id');
    bounds text := nullif(concat_ws(' AND ', key || ' >= ' || quote_literal(first), key || ' < ' || quote_literal(beyond)), '');
BEGIN
    -- the CHECKs say what the partitions' bounds will say, so that ATTACH need not read the rows
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS,
        CONSTRAINT belongs_to_its_interval CHECK (interval_start = timestamptz %L) %s)', staged, parent || '_blank',
        starts, ', CONSTRAINT belongs_to_its_part CHECK (' || bounds || ')');
    EXECUTE format('GRANT SELECT, INSERT ON %I TO trailguard_writer', staged);
    RETURN staged;
END
$$;
COMMENT ON FUNCTION stage_flags IS 'Creates an empty table, without indexes, for the interval''s flags whose key is in [first, beyond), null where there is no bound; returns its name.';

CREATE FUNCTION await_turn() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = trailguard, pg_temp AS $$
DECLARE
    forgotten text;
BEGIN
    PERFORM pg_advisory_xact_lock(7417003);
    -- who lives commits staged tables only while it has this lock, and by its end they are partitions
    FOR forgotten IN SELECT relname FROM pg_class
                     WHERE relkind = 'r' AND NOT relispartition AND relnamespace = 'trailguard'::regnamespace
                     AND relname ~ '^(user|event)_flag_staged_\d+$'
                     AND relname NOT IN (staged_flags('user_flag'), staged_flags('event_flag')) LOOP
        EXECUTE format('DROP TABLE %I', forgotten);
    END LOOP;
END
$$;
COMMENT ON FUNCTION await_turn IS 'Waits until no other publisher changes what is published, keeps them waiting until the transaction ends, and drops what dead ones have left.';

CREATE FUNCTION rename_flags(old text, new text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    index_name text;
BEGIN
    EXECUTE format('ALTER TABLE %I RENAME TO %I', old, new);
    FOR index_name IN SELECT indexrelid::regclass FROM pg_index WHERE indrelid = to_regclass(quote_ident(new)) LOOP
        EXECUTE format('ALTER INDEX %I RENAME TO %I', index_name, replace(index_name, old, new));
    END LOOP;
END
$$;
COMMENT ON FUNCTION rename_flags IS 'Renames a table of flags and, after it, its indexes.';

CREATE FUNCTION gather_flags(parent text, starts timestamptz, others text[], bounds text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = trailguard, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    staged text := staged_flags(parent);
    parts text[] := staged || others;
    part text;
BEGIN
    FOR place IN 1..cardinality(parts) LOOP
        IF parts[place] !~ ('^' || parent || '_staged_\d+$') THEN
            RAISE EXCEPTION '% is no part of %', parts[place], parent USING ERRCODE = 'wrong_object_type';
        END IF;
        part := replace(parts[place], parent || '_staged', partition_of(parent, starts));
        PERFORM rename_flags(parts[place], part);
        parts[place] := part;
    END LOOP;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS,
        CONSTRAINT belongs_to_its_interval CHECK (interval_start = timestamptz %L)) PARTITION BY RANGE (%I)',
        staged, parent || '_blank', starts, replace(parent, 'flag', 'id'));
    EXECUTE format('GRANT SELECT ON %I TO trailguard_writer', staged);
    PERFORM index_flags(parent);
    FOR place IN 1..cardinality(parts) LOOP
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', staged, parts[place],
            coalesce(quote_literal(bounds[place - 1]), 'MINVALUE'), coalesce(quote_literal(bounds[place]), 'MAXVALUE'));
    END LOOP;
END
$$;
COMMENT ON FUNCTION gather_flags IS 'Makes what this transaction staged and what others staged and committed the parts of one table, in the order of their keys. bounds: where each of the others begins.';

CREATE OR REPLACE FUNCTION swap_flags(parent text, starts timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = trailguard, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    staged text := staged_flags(parent);
    partition text := partition_of(parent, starts);
BEGIN
    -- even where ATTACH alone would do with less: a reader that has planned without the new partition must not then
    -- read the new scoring_run
    EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', parent);
    IF to_regclass(quote_ident(partition)) IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, partition);
        -- its files go after the commit has let the readers in again
        EXECUTE format('DROP TABLE %I', partition);
    END IF;
    IF to_regclass(quote_ident(staged)) IS NOT NULL THEN
        PERFORM rename_flags(staged, partition);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES IN (%L)', parent, partition, starts);
    END IF;
END
$$;
COMMENT ON FUNCTION swap_flags IS 'Replaces the interval''s partition by what this transaction staged, or by nothing where it staged nothing.';

GRANT EXECUTE ON FUNCTION stage_flags, await_turn, gather_flags TO trailguard_writer;
