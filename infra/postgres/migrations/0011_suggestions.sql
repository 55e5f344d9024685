-- Users whose label would teach most are suggested for a review, flagged or not; a review may name them as it may a flag.

CREATE TABLE review_suggestion (
    user_id text NOT NULL,
    interval_start timestamptz NOT NULL,
    interval_end timestamptz NOT NULL,
    rank integer NOT NULL,
    score double precision,
    why text NOT NULL,
    model_name text NOT NULL,
    model_version text NOT NULL,
    suggested_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, interval_start),
    CONSTRAINT interval_is_forward CHECK (interval_start < interval_end),
    CONSTRAINT rank_starts_at_one CHECK (rank >= 1),
    CONSTRAINT score_is_a_probability CHECK (score BETWEEN 0 AND 1),
    CONSTRAINT why_is_known CHECK (why IN ('unlike', 'uncertain', 'diverse')),
    CONSTRAINT only_the_unlike_have_no_score CHECK ((why = 'unlike') = (score IS NULL))
);

COMMENT ON TABLE review_suggestion IS 'Users whose label would teach the model most. Suggesting again replaces what was suggested of the same user and interval.';
COMMENT ON COLUMN review_suggestion.user_id IS 'The suggested user, flagged or not.';
COMMENT ON COLUMN review_suggestion.interval_start IS 'Start of the scored interval, inclusive; a review names it.';
COMMENT ON COLUMN review_suggestion.interval_end IS 'End of the scored interval, exclusive.';
COMMENT ON COLUMN review_suggestion.rank IS '1 is the user to begin with.';
COMMENT ON COLUMN review_suggestion.score IS 'Calibrated probability of being anomalous, in [0, 1]; null where the trail was too unlike training for a score.';
COMMENT ON COLUMN review_suggestion.why IS 'unlike: the trail is unlike all that the model knows. uncertain: the model is among the least sure of this user. diverse: it is less sure of others, who are like somebody on the list.';
COMMENT ON COLUMN review_suggestion.model_name IS 'Registered model that scored.';
COMMENT ON COLUMN review_suggestion.model_version IS 'Version of the registered model.';
COMMENT ON COLUMN review_suggestion.suggested_at IS 'When, by the clock of the database.';

CREATE VIEW suggested_review AS
SELECT s.user_id, s.interval_start, s.interval_end, s.rank, s.score, s.why, s.model_name, s.model_version, s.suggested_at
FROM review_suggestion s
WHERE NOT EXISTS (SELECT FROM label l WHERE l.user_id = s.user_id);
COMMENT ON VIEW suggested_review IS 'The suggestions that are still open: nobody has said anything of these users yet.';

DO $$
DECLARE
    twin record;
BEGIN
    FOR twin IN SELECT attname AS name, col_description(attrelid, attnum) AS said FROM pg_attribute
                WHERE attrelid = 'review_suggestion'::regclass AND attnum > 0 LOOP
        EXECUTE format('COMMENT ON COLUMN suggested_review.%I IS %L', twin.name, twin.said);
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION review_becomes_label() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = trailguard, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM user_flag f WHERE new.event_id IS NULL
                   AND (f.user_id, f.interval_start) = (new.user_id, new.interval_start)
                   UNION ALL
                   SELECT FROM event_flag e
                   WHERE (e.event_id, e.user_id, e.interval_start) = (new.event_id, new.user_id, new.interval_start)
                   UNION ALL
                   SELECT FROM review_suggestion s WHERE new.event_id IS NULL
                   AND (s.user_id, s.interval_start) = (new.user_id, new.interval_start))
    THEN
        RAISE EXCEPTION 'there is no such flag: user % event % interval %', new.user_id, new.event_id, new.interval_start
            USING ERRCODE = 'foreign_key_violation',
                  HINT = 'Take user_id, event_id and interval_start from flag_history, or from suggested_review.';
    END IF;
    INSERT INTO label (user_id, event_id, label, kind, source, confidence, observed_at)
    VALUES (new.user_id, new.event_id, CASE new.verdict WHEN 'anomalous' THEN 1 ELSE 0 END, new.kind, 'review',
            new.confidence, new.reviewed_at)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

COMMENT ON TABLE review IS 'An analyst''s verdict on one flag, or on a user who was suggested for review. The newest verdict on a flag counts; good clears it. Each becomes a label with source review. Append-only.';
COMMENT ON COLUMN review.user_id IS 'The user of the reviewed flag, or the suggested one.';
COMMENT ON COLUMN review.event_id IS 'The event of the reviewed flag; null for a flag on the user, or a suggestion.';
COMMENT ON COLUMN review.interval_start IS 'The interval of the reviewed flag or suggestion.';

GRANT SELECT, INSERT, UPDATE ON review_suggestion TO trailguard_writer;
GRANT SELECT ON suggested_review TO trailguard_analyst;
