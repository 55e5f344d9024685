-- The monitor has an answer between another threshold and another training.

COMMENT ON COLUMN monitor_decision.action IS
    'nothing, recalibrate (another threshold), fine_tune (a version that goes on from this one) or retrain (one from scratch).';
COMMENT ON COLUMN decision_history.action IS
    'nothing, recalibrate (another threshold), fine_tune (a version that goes on from this one) or retrain (one from scratch).';
