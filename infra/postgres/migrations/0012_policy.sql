-- A version may get a new threshold without a new training, and "there is none" is an answer that is kept.

ALTER TABLE threshold
    ALTER COLUMN value DROP NOT NULL,
    ADD COLUMN shortfall text,
    ADD COLUMN label_as_of timestamptz,
    ADD COLUMN dag_run_id text,
    ADD CONSTRAINT a_shortfall_explains_a_missing_value CHECK ((value IS NULL) = (shortfall IS NOT NULL));

ALTER TABLE threshold DISABLE TRIGGER append_only;
UPDATE threshold SET label_as_of = valid_from;
ALTER TABLE threshold ENABLE TRIGGER append_only;
ALTER TABLE threshold ALTER COLUMN label_as_of SET NOT NULL;
CREATE INDEX threshold_of_a_version ON threshold (model_name, model_version, valid_from);

COMMENT ON COLUMN threshold.value IS 'Calibrated score from which a user is flagged, in [0, 1]; null where none keeps what was asked for.';
COMMENT ON COLUMN threshold.shortfall IS 'Why there is none: how far off the nearest is, and how many labels would prove it.';
COMMENT ON COLUMN threshold.label_as_of IS 'Labels observed before this moment trained the model version.';
COMMENT ON COLUMN threshold.valid_from IS 'Labels observed before this moment decided. Intervals that end at or after it are scored with this threshold, unless a newer one is valid by then.';
COMMENT ON COLUMN threshold.calibration_data IS 'Which users proposed and which decided, how many of them, the policy, and what the candidates said.';
COMMENT ON COLUMN threshold.dag_run_id IS 'Airflow DAG run that chose it; null when chosen by hand.';

CREATE OR REPLACE VIEW threshold_history AS SELECT * FROM threshold;
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['value', 'shortfall', 'label_as_of', 'valid_from', 'calibration_data', 'dag_run_id'] LOOP
        EXECUTE format('COMMENT ON COLUMN threshold_history.%I IS %L', name,
            (SELECT col_description(attrelid, attnum) FROM pg_attribute
             WHERE attrelid = 'threshold'::regclass AND attname = name));
    END LOOP;
END
$$;
