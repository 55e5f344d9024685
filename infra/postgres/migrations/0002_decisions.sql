-- How flags came to be: the threshold, the promotion that made a model act, the run that scored an interval.

CREATE TABLE threshold (
    threshold_id text PRIMARY KEY,
    model_name text NOT NULL,
    model_version text NOT NULL,
    value double precision NOT NULL,
    method text NOT NULL,
    guarantee text NOT NULL,
    confidence double precision,
    calibration_data jsonb NOT NULL,
    valid_from timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT value_is_a_probability CHECK (value BETWEEN 0 AND 1),
    CONSTRAINT confidence_is_a_probability CHECK (confidence BETWEEN 0 AND 1),
    CONSTRAINT calibration_data_is_an_object CHECK (jsonb_typeof(calibration_data) = 'object')
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON threshold EXECUTE FUNCTION refuse_change();

COMMENT ON TABLE threshold IS 'Operating points, each chosen for one model version. Insert-only.';
COMMENT ON COLUMN threshold.threshold_id IS 'Stable name of this threshold; flags and runs refer to it.';
COMMENT ON COLUMN threshold.model_name IS 'Registered model the threshold was chosen for.';
COMMENT ON COLUMN threshold.model_version IS 'Version of the registered model.';
COMMENT ON COLUMN threshold.value IS 'Calibrated score from which a user is flagged, in [0, 1].';
COMMENT ON COLUMN threshold.method IS 'How it was chosen, for example learn_then_test.';
COMMENT ON COLUMN threshold.guarantee IS 'What is promised at this threshold, for example precision >= 0.9.';
COMMENT ON COLUMN threshold.confidence IS 'Probability with which the guarantee holds; null where none is claimed.';
COMMENT ON COLUMN threshold.calibration_data IS 'Which users it was chosen on: slice, counts, fingerprint.';
COMMENT ON COLUMN threshold.valid_from IS 'The as_of of the training that chose it.';
COMMENT ON COLUMN threshold.recorded_at IS 'When this row was written, by the clock of the database.';

CREATE TABLE promotion_ledger (
    promotion_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_name text NOT NULL,
    alias text NOT NULL,
    from_version text,
    to_version text NOT NULL,
    decided_by text NOT NULL,
    reason text NOT NULL,
    gate_results jsonb NOT NULL,
    dag_run_id text,
    decided_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT alias_moved CHECK (from_version IS DISTINCT FROM to_version),
    CONSTRAINT a_reason_is_given CHECK (btrim(reason) <> ''),
    CONSTRAINT one_move_per_dag_run UNIQUE (model_name, alias, dag_run_id)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON promotion_ledger EXECUTE FUNCTION refuse_change();

COMMENT ON TABLE promotion_ledger IS 'Who moved which alias from which version to which, why, and with which gate results. Append-only.';
COMMENT ON COLUMN promotion_ledger.promotion_id IS 'Order of the moves.';
COMMENT ON COLUMN promotion_ledger.model_name IS 'Registered model whose alias moved.';
COMMENT ON COLUMN promotion_ledger.alias IS 'The alias, for example champion.';
COMMENT ON COLUMN promotion_ledger.from_version IS 'Version that had the alias before; null when none had.';
COMMENT ON COLUMN promotion_ledger.to_version IS 'Version that has the alias from now on.';
COMMENT ON COLUMN promotion_ledger.decided_by IS 'Person, or program, that decided.';
COMMENT ON COLUMN promotion_ledger.reason IS 'Why, in words.';
COMMENT ON COLUMN promotion_ledger.gate_results IS 'Every gate that was asked, with its measured value, its limit and its answer.';
COMMENT ON COLUMN promotion_ledger.dag_run_id IS 'Airflow DAG run that moved it, so that a retry writes nothing twice; null when moved by hand.';
COMMENT ON COLUMN promotion_ledger.decided_at IS 'When, by the clock of the database.';

CREATE TABLE scoring_run (
    interval_start timestamptz NOT NULL,
    interval_end timestamptz NOT NULL,
    model_name text NOT NULL,
    model_version text NOT NULL,
    threshold_id text NOT NULL REFERENCES threshold,
    threshold double precision NOT NULL,
    label_as_of timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    stands boolean NOT NULL,
    users_scored bigint NOT NULL,
    users_active bigint NOT NULL,
    users_shadow bigint NOT NULL,
    score_quantiles jsonb NOT NULL,
    duration interval NOT NULL,
    dag_run_id text,
    published_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (interval_start, model_name, model_version),
    CONSTRAINT interval_is_forward CHECK (interval_start < interval_end),
    CONSTRAINT threshold_is_a_probability CHECK (threshold BETWEEN 0 AND 1),
    CONSTRAINT expires_after_its_interval CHECK (expires_at > interval_end),
    CONSTRAINT only_scored_users_are_flagged CHECK (
        users_active >= 0 AND users_shadow >= 0 AND users_active + users_shadow <= users_scored),
    CONSTRAINT score_quantiles_is_an_object CHECK (jsonb_typeof(score_quantiles) = 'object'),
    CONSTRAINT duration_is_not_negative CHECK (duration >= interval '0')
);
CREATE UNIQUE INDEX one_standing_run_per_interval ON scoring_run (interval_start) WHERE stands;
CREATE INDEX scoring_run_interval_end ON scoring_run (interval_end);
CREATE INDEX scoring_run_expires_at ON scoring_run (expires_at);

COMMENT ON TABLE scoring_run IS 'One row for each published interval and model version. The newest interval_end here is the moment up to which flags are known; expiry is measured against it.';
COMMENT ON COLUMN scoring_run.interval_start IS 'Start of the scored interval, inclusive.';
COMMENT ON COLUMN scoring_run.interval_end IS 'End of the scored interval, exclusive.';
COMMENT ON COLUMN scoring_run.model_name IS 'Registered model that scored.';
COMMENT ON COLUMN scoring_run.model_version IS 'Version of the registered model.';
COMMENT ON COLUMN scoring_run.threshold_id IS 'Threshold that decided who is active.';
COMMENT ON COLUMN scoring_run.threshold IS 'Its value.';
COMMENT ON COLUMN scoring_run.label_as_of IS 'Labels observed before this moment trained the model.';
COMMENT ON COLUMN scoring_run.expires_at IS 'The interval''s flags count until interval_end of some published interval reaches this.';
COMMENT ON COLUMN scoring_run.stands IS 'Whether the interval''s flags are of this run; false once another version replaced them.';
COMMENT ON COLUMN scoring_run.users_scored IS 'Users scored in the interval.';
COMMENT ON COLUMN scoring_run.users_active IS 'Users flagged active.';
COMMENT ON COLUMN scoring_run.users_shadow IS 'Users flagged only by a challenger.';
COMMENT ON COLUMN scoring_run.score_quantiles IS 'Quantiles of all scores of the interval, for example {"p50": 0.01, "p99": 0.7}.';
COMMENT ON COLUMN scoring_run.duration IS 'Time that scoring took.';
COMMENT ON COLUMN scoring_run.dag_run_id IS 'Airflow DAG run that published; null when published by hand.';
COMMENT ON COLUMN scoring_run.published_at IS 'When the flags became visible, by the clock of the database.';
