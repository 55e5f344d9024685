-- Some would-be flags are never acted on, so that precision can be estimated without the flags' own effect.

DO $$
DECLARE
    flags text;
BEGIN
    -- the blanks are what staged partitions are made like; partitions inherit from their parent
    FOREACH flags IN ARRAY ARRAY['user_flag', 'event_flag', 'user_flag_blank', 'event_flag_blank'] LOOP
        EXECUTE format('ALTER TABLE %I
            DROP CONSTRAINT state_is_known, DROP CONSTRAINT active_reached_threshold, DROP CONSTRAINT active_has_a_rank,
            DROP CONSTRAINT active_has_a_reason,
            ADD CONSTRAINT state_is_known CHECK (state IN (''active'', ''holdout'', ''shadow'', ''cleared'')),
            ADD CONSTRAINT active_reached_threshold CHECK (state NOT IN (''active'', ''holdout'') OR score >= threshold),
            ADD CONSTRAINT active_has_a_rank CHECK (state NOT IN (''active'', ''holdout'') OR rank IS NOT NULL),
            ADD CONSTRAINT active_has_a_reason CHECK (state NOT IN (''active'', ''holdout'') OR reason_codes <> ''[]'')',
            flags);
        EXECUTE format('COMMENT ON COLUMN %I.state IS %L', flags,
            'active: acted on. holdout: as certain, but held out by a keyed hash of the user and never acted on. shadow: flagged by a challenger and scored below the threshold by the champion, never acted on. cleared: flagged in an earlier unexpired interval and scored below the threshold in this one.');
    END LOOP;
    FOREACH flags IN ARRAY ARRAY['flag_history', 'event_flag_history'] LOOP
        EXECUTE format('COMMENT ON COLUMN %I.state IS %L', flags,
            (SELECT col_description(attrelid, attnum) FROM pg_attribute
             WHERE attrelid = 'user_flag'::regclass AND attname = 'state'));
    END LOOP;
END
$$;

ALTER TABLE scoring_run
    ADD COLUMN users_holdout bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT only_scored_users_are_flagged,
    ADD CONSTRAINT only_scored_users_are_flagged CHECK (users_active >= 0 AND users_shadow >= 0 AND users_holdout >= 0
        AND users_active + users_shadow + users_holdout <= users_scored);
COMMENT ON COLUMN scoring_run.users_holdout IS 'Users as certain as those flagged active, held out: never acted on.';
COMMENT ON COLUMN scoring_run.users_shadow IS 'Users flagged by a challenger and scored below the threshold by the champion.';

-- a view's * is what the table's columns were when it was created
CREATE OR REPLACE VIEW run_history AS SELECT * FROM scoring_run;
CREATE OR REPLACE VIEW flag_counts AS
SELECT r.interval_start, r.interval_end, r.model_name, r.model_version, r.users_scored, r.users_active,
       r.users_shadow, count(f.user_id) AS users_cleared,
       r.users_active::double precision / nullif(r.users_scored, 0) AS active_share,
       r.users_too_short, r.users_too_unlike, r.users_holdout
FROM scoring_run r
LEFT JOIN user_flag f ON f.interval_start = r.interval_start AND f.state = 'cleared'
WHERE r.stands
GROUP BY r.interval_start, r.model_name, r.model_version;

DO $$
DECLARE
    name text;
    viewed text;
BEGIN
    FOREACH viewed IN ARRAY ARRAY['run_history', 'flag_counts'] LOOP
        FOREACH name IN ARRAY ARRAY['users_holdout', 'users_shadow'] LOOP
            EXECUTE format('COMMENT ON COLUMN %I.%I IS %L', viewed, name,
                (SELECT col_description(attrelid, attnum) FROM pg_attribute
                 WHERE attrelid = 'scoring_run'::regclass AND attname = name));
        END LOOP;
    END LOOP;
END
$$;
