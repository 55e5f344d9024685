-- What the recommender and the analysts read.

-- Declared immutable although it reads a table: the planner then knows the value and looks at no expired partition at
-- all, so that one user's flag is found as fast after three years as after one day. A plan kept too long sees an older
-- moment and reads more partitions, never fewer: the views still test expires_at on each row.
CREATE FUNCTION oldest_unexpired_interval() RETURNS timestamptz
LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = trailguard, pg_temp AS $$
    SELECT min(interval_start) FROM scoring_run
    WHERE stands AND expires_at > (SELECT max(interval_end) FROM scoring_run)
$$;
COMMENT ON FUNCTION oldest_unexpired_interval IS 'Start of the oldest published interval whose flags may still count.';
GRANT EXECUTE ON FUNCTION oldest_unexpired_interval TO trailguard_writer, trailguard_recommender, trailguard_analyst;

CREATE VIEW flag_verdict AS
SELECT DISTINCT ON (user_id, interval_start, event_id)
       user_id, interval_start, event_id, verdict, kind, confidence, comment, reviewer, reviewed_at
FROM review
ORDER BY user_id, interval_start, event_id, review_id DESC;

CREATE VIEW current_flag WITH (security_barrier) AS
SELECT user_id, score, threshold, rank, reason_codes, interval_start, interval_end, model_name, model_version,
       threshold_id, label_as_of, expires_at, published_at
FROM (SELECT DISTINCT ON (user_id) *
      FROM user_flag
      WHERE interval_start >= oldest_unexpired_interval()
      ORDER BY user_id, interval_start DESC) newest
WHERE state = 'active'
  AND expires_at > (SELECT max(interval_end) FROM scoring_run)
  AND NOT EXISTS (SELECT FROM flag_verdict v
                  WHERE v.user_id = newest.user_id AND v.interval_start = newest.interval_start
                    AND v.event_id IS NULL AND v.verdict = 'good');

CREATE VIEW current_event_flag WITH (security_barrier) AS
SELECT event_id, user_id, event_time, score, threshold, rank, reason_codes, interval_start, interval_end, model_name,
       model_version, threshold_id, label_as_of, expires_at, published_at
FROM (SELECT DISTINCT ON (user_id, event_id, event_time) *
      FROM event_flag
      WHERE interval_start >= oldest_unexpired_interval()
      ORDER BY user_id, event_id, event_time, interval_start DESC) newest
WHERE state = 'active'
  AND expires_at > (SELECT max(interval_end) FROM scoring_run)
  AND NOT EXISTS (SELECT FROM flag_verdict v
                  WHERE v.user_id = newest.user_id AND v.interval_start = newest.interval_start
                    AND v.event_id = newest.event_id AND v.verdict = 'good');

CREATE VIEW flag_history AS
SELECT f.user_id, f.interval_start, f.interval_end,
       CASE WHEN f.state = 'active' AND v.verdict = 'good' THEN 'cleared' ELSE f.state END AS state,
       CASE WHEN f.state = 'cleared' THEN 'run' WHEN f.state = 'active' AND v.verdict = 'good' THEN 'review' END AS cleared_by,
       f.score, f.threshold, f.rank, f.reason_codes, f.model_name, f.model_version, f.threshold_id, f.label_as_of,
       f.dag_run_id, f.expires_at, f.published_at, v.verdict, v.kind, v.reviewer, v.reviewed_at
FROM user_flag f
LEFT JOIN flag_verdict v ON v.user_id = f.user_id AND v.interval_start = f.interval_start AND v.event_id IS NULL;

CREATE VIEW event_flag_history AS
SELECT f.event_id, f.user_id, f.event_time, f.interval_start, f.interval_end,
       CASE WHEN f.state = 'active' AND v.verdict = 'good' THEN 'cleared' ELSE f.state END AS state,
       CASE WHEN f.state = 'cleared' THEN 'run' WHEN f.state = 'active' AND v.verdict = 'good' THEN 'review' END AS cleared_by,
       f.score, f.threshold, f.rank, f.reason_codes, f.model_name, f.model_version, f.threshold_id, f.label_as_of,
       f.dag_run_id, f.expires_at, f.published_at, v.verdict, v.kind, v.reviewer, v.reviewed_at
FROM event_flag f
LEFT JOIN flag_verdict v
    ON v.user_id = f.user_id AND v.interval_start = f.interval_start AND v.event_id = f.event_id;

CREATE VIEW run_history AS SELECT * FROM scoring_run;

CREATE VIEW flag_counts AS
SELECT r.interval_start, r.interval_end, r.model_name, r.model_version, r.users_scored, r.users_active,
       r.users_shadow, count(f.user_id) AS users_cleared,
       r.users_active::double precision / nullif(r.users_scored, 0) AS active_share
FROM scoring_run r
LEFT JOIN user_flag f ON f.interval_start = r.interval_start AND f.state = 'cleared'
WHERE r.stands
GROUP BY r.interval_start, r.model_name, r.model_version;

CREATE VIEW reason_counts AS
SELECT f.interval_start, reason ->> 'code' AS code, count(*) AS users,
       avg((reason ->> 'contribution')::double precision) AS mean_contribution
FROM user_flag f, jsonb_array_elements(f.reason_codes) AS reason
WHERE f.state = 'active'
GROUP BY f.interval_start, code;

CREATE VIEW threshold_history AS SELECT * FROM threshold;
CREATE VIEW promotion_history AS SELECT * FROM promotion_ledger;
CREATE VIEW label_history AS SELECT * FROM label;
CREATE VIEW review_history AS SELECT * FROM review;
CREATE VIEW partition_history AS SELECT * FROM ingested_partition;

COMMENT ON VIEW flag_verdict IS 'The newest review of each reviewed flag.';
COMMENT ON VIEW current_flag IS 'What the recommender reads: one row for each user who is flagged now. Now is the end of the newest published interval, not the wall clock, so that a backfilled past reads the same whenever it is read. The row of a user''s newest interval decides: it shows only when active, unexpired and not reviewed as good.';
COMMENT ON VIEW current_event_flag IS 'As current_flag, for single events.';
COMMENT ON VIEW flag_history IS 'Every decision about a user, with what reviewers said of it.';
COMMENT ON VIEW event_flag_history IS 'Every decision about an event, with what reviewers said of it.';
COMMENT ON VIEW run_history IS 'Every scoring run, replaced ones included.';
COMMENT ON VIEW flag_counts IS 'Each published interval: how many users were scored, flagged and cleared.';
COMMENT ON VIEW reason_counts IS 'Each interval''s reason codes: how many flags name them and how much they contribute.';
COMMENT ON VIEW threshold_history IS 'Every threshold.';
COMMENT ON VIEW promotion_history IS 'Every move of an alias.';
COMMENT ON VIEW label_history IS 'Every label.';
COMMENT ON VIEW review_history IS 'Every review.';
COMMENT ON VIEW partition_history IS 'What became of the raw rows of each partition.';

COMMENT ON COLUMN flag_verdict.verdict IS 'good or anomalous; the newest verdict on the flag.';
COMMENT ON COLUMN flag_verdict.kind IS 'What the reviewer found: fraud, bot, ...; none when good.';
COMMENT ON COLUMN flag_verdict.reviewer IS 'Who reviewed last.';
COMMENT ON COLUMN flag_verdict.reviewed_at IS 'When, by the clock of the database.';
COMMENT ON COLUMN flag_counts.users_cleared IS 'Users flagged in an earlier unexpired interval and scored below the threshold in this one.';
COMMENT ON COLUMN flag_counts.active_share IS 'users_active / users_scored; null when nobody was scored.';
COMMENT ON COLUMN reason_counts.code IS 'Reason code.';
COMMENT ON COLUMN reason_counts.users IS 'Active flags that name it.';
COMMENT ON COLUMN reason_counts.mean_contribution IS 'Mean contribution to those flags'' scores.';

-- A view's column that carries a table's column unchanged says what that column says.
DO $$
DECLARE
    twin record;
BEGIN
    FOR twin IN
        SELECT DISTINCT ON (viewed.oid, shown.attname)
               viewed.relname AS view_name, shown.attname AS column_name,
               col_description(source.attrelid, source.attnum) AS said
        FROM pg_class viewed
        JOIN pg_attribute shown ON shown.attrelid = viewed.oid AND shown.attnum > 0
        JOIN pg_rewrite rule ON rule.ev_class = viewed.oid
        JOIN pg_depend needs ON needs.classid = 'pg_rewrite'::regclass AND needs.objid = rule.oid
                            AND needs.refclassid = 'pg_class'::regclass
        JOIN pg_attribute source ON source.attrelid = needs.refobjid AND source.attname = shown.attname
        WHERE viewed.relkind = 'v' AND viewed.relnamespace = 'trailguard'::regnamespace
          AND col_description(viewed.oid, shown.attnum) IS NULL
          AND col_description(source.attrelid, source.attnum) IS NOT NULL
        ORDER BY viewed.oid, shown.attname,
                 (SELECT relname NOT IN ('user_flag', 'event_flag') FROM pg_class c WHERE c.oid = source.attrelid)
    LOOP
        EXECUTE format('COMMENT ON COLUMN %I.%I IS %L', twin.view_name, twin.column_name, twin.said);
    END LOOP;
END
$$;
COMMENT ON COLUMN flag_history.cleared_by IS 'run or review, where the state is cleared.';
COMMENT ON COLUMN event_flag_history.cleared_by IS 'run or review, where the state is cleared.';
