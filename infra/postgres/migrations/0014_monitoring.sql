-- What the monitor found wrong, and what it decided to do about it.

CREATE TABLE alert (
    interval_start timestamptz NOT NULL,
    interval_end timestamptz NOT NULL,
    model_name text NOT NULL,
    model_version text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    told text NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (interval_start, kind, subject),
    CONSTRAINT interval_is_forward CHECK (interval_start < interval_end)
);
COMMENT ON TABLE alert IS 'What the monitor found wrong on a day. Looking at the day again replaces its alerts.';
COMMENT ON COLUMN alert.interval_start IS 'Start of the interval that was looked at, inclusive.';
COMMENT ON COLUMN alert.interval_end IS 'End of the interval, exclusive; nothing known later was used.';
COMMENT ON COLUMN alert.model_name IS 'Registered model whose flags stand for the interval.';
COMMENT ON COLUMN alert.model_version IS 'Version of the registered model.';
COMMENT ON COLUMN alert.kind IS 'feature_drift, score_drift, label_drift, new_kind, promise_broken or over_budget.';
COMMENT ON COLUMN alert.subject IS 'What it is about: an input of the model, a kind of label, a threshold.';
COMMENT ON COLUMN alert.told IS 'What is wrong, with its figures.';
COMMENT ON COLUMN alert.raised_at IS 'When, by the clock of the database.';

CREATE TABLE monitor_decision (
    interval_start timestamptz PRIMARY KEY,
    interval_end timestamptz NOT NULL,
    model_name text NOT NULL,
    model_version text NOT NULL,
    action text NOT NULL,
    reason text NOT NULL,
    dag_run_id text,
    decided_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT interval_is_forward CHECK (interval_start < interval_end),
    CONSTRAINT a_reason_is_given CHECK (btrim(reason) <> '')
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON monitor_decision
    EXECUTE FUNCTION refuse_change();
COMMENT ON TABLE monitor_decision IS 'What the monitor decided to do on a day, and why. Append-only: a decision that was made once stands.';
COMMENT ON COLUMN monitor_decision.interval_start IS 'Start of the interval that was looked at, inclusive.';
COMMENT ON COLUMN monitor_decision.interval_end IS 'End of the interval, exclusive.';
COMMENT ON COLUMN monitor_decision.model_name IS 'Registered model whose flags stand for the interval.';
COMMENT ON COLUMN monitor_decision.model_version IS 'Version of the registered model.';
COMMENT ON COLUMN monitor_decision.action IS 'nothing, recalibrate (another threshold) or retrain (another version).';
COMMENT ON COLUMN monitor_decision.reason IS 'Why, in words.';
COMMENT ON COLUMN monitor_decision.dag_run_id IS 'Airflow DAG run that decided; null when decided by hand.';
COMMENT ON COLUMN monitor_decision.decided_at IS 'When, by the clock of the database.';

CREATE VIEW alert_history AS SELECT * FROM alert;
CREATE VIEW decision_history AS SELECT * FROM monitor_decision;
COMMENT ON VIEW alert_history IS 'Every alert.';
COMMENT ON VIEW decision_history IS 'What the monitor decided each day.';
DO $$
DECLARE
    twin record;
BEGIN
    FOR twin IN SELECT viewed, attname AS name, col_description(attrelid, attnum) AS said
                FROM (VALUES ('alert', 'alert_history'), ('monitor_decision', 'decision_history')) AS pairs (told, viewed)
                JOIN pg_attribute ON attrelid = told::regclass AND attnum > 0 LOOP
        EXECUTE format('COMMENT ON COLUMN %I.%I IS %L', twin.viewed, twin.name, twin.said);
    END LOOP;
END
$$;

GRANT SELECT, INSERT, DELETE ON alert TO trailguard_writer;
GRANT SELECT, INSERT ON monitor_decision TO trailguard_writer;
GRANT SELECT ON alert_history, decision_history TO trailguard_analyst;
