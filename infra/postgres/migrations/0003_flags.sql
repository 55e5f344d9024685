-- The product: who is flagged, in which interval, and why.

CREATE FUNCTION are_reason_codes(codes jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(codes) = 'array' THEN
    jsonb_array_length(codes) = jsonb_array_length(jsonb_path_query_array(codes,
        'strict $[*] ? (@.code like_regex "." && @.contribution.type() == "number"
                        && exists(@.value) && exists(@.typical))'))
    ELSE false END;
GRANT EXECUTE ON FUNCTION are_reason_codes TO trailguard_writer;

CREATE TABLE user_flag (
    user_id text NOT NULL,
    interval_start timestamptz NOT NULL,
    interval_end timestamptz NOT NULL,
    state text NOT NULL,
    score double precision NOT NULL,
    threshold double precision NOT NULL,
    rank integer,
    reason_codes jsonb NOT NULL,
    model_name text NOT NULL,
    model_version text NOT NULL,
    threshold_id text NOT NULL,
    label_as_of timestamptz NOT NULL,
    dag_run_id text,
    expires_at timestamptz NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, interval_start),
    CONSTRAINT state_is_known CHECK (state IN ('active', 'shadow', 'cleared')),
    CONSTRAINT score_is_a_probability CHECK (score BETWEEN 0 AND 1),
    CONSTRAINT threshold_is_a_probability CHECK (threshold BETWEEN 0 AND 1),
    CONSTRAINT active_reached_threshold CHECK (state <> 'active' OR score >= threshold),
    CONSTRAINT cleared_is_below_threshold CHECK (state <> 'cleared' OR score < threshold),
    CONSTRAINT rank_starts_at_one CHECK (rank >= 1),
    CONSTRAINT active_has_a_rank CHECK (state <> 'active' OR rank IS NOT NULL),
    CONSTRAINT reason_codes_are_complete CHECK (are_reason_codes(reason_codes)),
    CONSTRAINT active_has_a_reason CHECK (state <> 'active' OR reason_codes <> '[]'),
    CONSTRAINT interval_is_forward CHECK (interval_start < interval_end),
    CONSTRAINT expires_after_its_interval CHECK (expires_at > interval_end)
) PARTITION BY LIST (interval_start);


COMMENT ON TABLE user_flag IS 'Decisions about users, one partition for each interval, swapped whole. The row of the newest interval decides.';
COMMENT ON COLUMN user_flag.user_id IS 'The flagged user.';
COMMENT ON COLUMN user_flag.interval_start IS 'Start of the scored interval, inclusive; the partition key.';
COMMENT ON COLUMN user_flag.interval_end IS 'End of the scored interval, exclusive.';
COMMENT ON COLUMN user_flag.state IS 'active: acted on. shadow: flagged by a challenger alone, never acted on. cleared: flagged in an earlier unexpired interval and scored below the threshold in this one.';
COMMENT ON COLUMN user_flag.score IS 'Calibrated probability of being anomalous, in [0, 1].';
COMMENT ON COLUMN user_flag.threshold IS 'The threshold''s value when the score was judged.';
COMMENT ON COLUMN user_flag.rank IS '1 is the most anomalous of the interval; null for cleared rows.';
COMMENT ON COLUMN user_flag.reason_codes IS 'Array of {code, contribution, value, typical}, the largest contribution first: what raised the score, the measured value, and what is typical of good users.';
COMMENT ON COLUMN user_flag.model_name IS 'Registered model that scored.';
COMMENT ON COLUMN user_flag.model_version IS 'Version of the registered model.';
COMMENT ON COLUMN user_flag.threshold_id IS 'Row of threshold that decided.';
COMMENT ON COLUMN user_flag.label_as_of IS 'Labels observed before this moment trained the model.';
COMMENT ON COLUMN user_flag.dag_run_id IS 'Airflow DAG run that published the row''s interval; null when published by hand.';
COMMENT ON COLUMN user_flag.expires_at IS 'The row counts until interval_end of some published interval reaches this.';
COMMENT ON COLUMN user_flag.published_at IS 'When the row became visible, by the clock of the database.';

CREATE TABLE event_flag (
    event_id text NOT NULL,
    user_id text NOT NULL,
    event_time timestamptz NOT NULL,
    interval_start timestamptz NOT NULL,
    interval_end timestamptz NOT NULL,
    state text NOT NULL,
    score double precision NOT NULL,
    threshold double precision NOT NULL,
    rank integer,
    reason_codes jsonb NOT NULL,
    model_name text NOT NULL,
    model_version text NOT NULL,
    threshold_id text NOT NULL,
    label_as_of timestamptz NOT NULL,
    dag_run_id text,
    expires_at timestamptz NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, interval_start),
    CONSTRAINT state_is_known CHECK (state IN ('active', 'shadow', 'cleared')),
    CONSTRAINT score_is_a_probability CHECK (score BETWEEN 0 AND 1),
    CONSTRAINT threshold_is_a_probability CHECK (threshold BETWEEN 0 AND 1),
    CONSTRAINT active_reached_threshold CHECK (state <> 'active' OR score >= threshold),
    CONSTRAINT cleared_is_below_threshold CHECK (state <> 'cleared' OR score < threshold),
    CONSTRAINT rank_starts_at_one CHECK (rank >= 1),
    CONSTRAINT active_has_a_rank CHECK (state <> 'active' OR rank IS NOT NULL),
    CONSTRAINT reason_codes_are_complete CHECK (are_reason_codes(reason_codes)),
    CONSTRAINT active_has_a_reason CHECK (state <> 'active' OR reason_codes <> '[]'),
    CONSTRAINT interval_is_forward CHECK (interval_start < interval_end),
    CONSTRAINT expires_after_its_interval CHECK (expires_at > interval_end)
) PARTITION BY LIST (interval_start);

CREATE INDEX event_flag_user_id ON event_flag (user_id);


COMMENT ON TABLE event_flag IS 'Decisions about single events, one partition for each interval, swapped whole.';
COMMENT ON COLUMN event_flag.event_id IS 'The flagged event.';
COMMENT ON COLUMN event_flag.user_id IS 'The user whose event it is.';
COMMENT ON COLUMN event_flag.event_time IS 'When the event happened.';
COMMENT ON COLUMN event_flag.interval_start IS 'Start of the scored interval, inclusive; the partition key.';
COMMENT ON COLUMN event_flag.interval_end IS 'End of the scored interval, exclusive.';
COMMENT ON COLUMN event_flag.state IS 'active: acted on. shadow: flagged by a challenger alone, never acted on. cleared: flagged in an earlier unexpired interval and scored below the threshold in this one.';
COMMENT ON COLUMN event_flag.score IS 'Calibrated probability of being anomalous, in [0, 1].';
COMMENT ON COLUMN event_flag.threshold IS 'The threshold''s value when the score was judged.';
COMMENT ON COLUMN event_flag.rank IS '1 is the most anomalous of the interval; null for cleared rows.';
COMMENT ON COLUMN event_flag.reason_codes IS 'Array of {code, contribution, value, typical}, the largest contribution first: what raised the score, the measured value, and what is typical of good users.';
COMMENT ON COLUMN event_flag.model_name IS 'Registered model that scored.';
COMMENT ON COLUMN event_flag.model_version IS 'Version of the registered model.';
COMMENT ON COLUMN event_flag.threshold_id IS 'Row of threshold that decided.';
COMMENT ON COLUMN event_flag.label_as_of IS 'Labels observed before this moment trained the model.';
COMMENT ON COLUMN event_flag.dag_run_id IS 'Airflow DAG run that published the row''s interval; null when published by hand.';
COMMENT ON COLUMN event_flag.expires_at IS 'The row counts until interval_end of some published interval reaches this.';
COMMENT ON COLUMN event_flag.published_at IS 'When the row became visible, by the clock of the database.';
