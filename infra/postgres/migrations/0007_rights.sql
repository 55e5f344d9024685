-- The least that each role needs. Nothing is granted to PUBLIC.

GRANT SELECT, INSERT, DELETE ON user_flag, event_flag TO trailguard_writer;
GRANT SELECT, INSERT, UPDATE ON scoring_run, ingested_partition TO trailguard_writer;
GRANT SELECT, INSERT ON threshold, promotion_ledger, label TO trailguard_writer;
GRANT SELECT ON review, current_flag, current_event_flag, flag_counts TO trailguard_writer;

GRANT SELECT ON current_flag, current_event_flag TO trailguard_recommender;

GRANT SELECT ON current_flag, current_event_flag, flag_history, event_flag_history, flag_verdict, flag_counts,
    reason_counts, run_history, threshold_history, promotion_history, label_history, review_history, partition_history
    TO trailguard_analyst;
GRANT INSERT (user_id, event_id, interval_start, verdict, kind, confidence, comment, reviewer) ON review
    TO trailguard_analyst;
