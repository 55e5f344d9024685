-- Some users get no score: their trails are too short to judge, or unlike all that the model learned from.

ALTER TABLE scoring_run
    ADD COLUMN users_too_short bigint NOT NULL DEFAULT 0,
    ADD COLUMN users_too_unlike bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT users_without_a_score_are_counted CHECK (users_too_short >= 0 AND users_too_unlike >= 0);

COMMENT ON COLUMN scoring_run.users_scored IS 'Users who got a score in the interval.';
COMMENT ON COLUMN scoring_run.users_too_short IS 'Users without a score: they did too little yet for the model to tell anything.';
COMMENT ON COLUMN scoring_run.users_too_unlike IS 'Users without a score: what they did is unlike what all users did whom the model learned from, good and anomalous. Nobody flags them and nothing clears them; an analyst should look.';

-- a view's * is what the table's columns were when it was created
CREATE OR REPLACE VIEW run_history AS SELECT * FROM scoring_run;
CREATE OR REPLACE VIEW flag_counts AS
SELECT r.interval_start, r.interval_end, r.model_name, r.model_version, r.users_scored, r.users_active,
       r.users_shadow, count(f.user_id) AS users_cleared,
       r.users_active::double precision / nullif(r.users_scored, 0) AS active_share,
       r.users_too_short, r.users_too_unlike
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
        FOREACH name IN ARRAY ARRAY['users_scored', 'users_too_short', 'users_too_unlike'] LOOP
            EXECUTE format('COMMENT ON COLUMN %I.%I IS %L', viewed, name,
                (SELECT col_description(attrelid, attnum) FROM pg_attribute
                 WHERE attrelid = 'scoring_run'::regclass AND attname = name));
        END LOOP;
    END LOOP;
END
$$;
