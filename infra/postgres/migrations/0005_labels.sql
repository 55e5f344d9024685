-- What is known about users and events, who said so and when; and what was read of the raw files.

-- Two ways of writing one verdict give one id: text as JSON, numbers and times as their bytes.
CREATE FUNCTION label_id(user_id text, event_id text, label smallint, kind text, source text,
                         confidence double precision, observed_at timestamptz)
RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(convert_to(jsonb_build_array(user_id, event_id, label, kind, source)::text, 'UTF8')
              || float8send(confidence) || timestamptz_send(observed_at));
COMMENT ON FUNCTION label_id IS 'Content hash of a label: the same verdict, dropped twice, is one row.';
GRANT EXECUTE ON FUNCTION label_id TO trailguard_writer;

CREATE TABLE label (
    label_id bytea GENERATED ALWAYS AS
        (label_id(user_id, event_id, label, kind, source, confidence, observed_at)) STORED PRIMARY KEY,
    user_id text NOT NULL,
    event_id text,
    label smallint NOT NULL,
    kind text NOT NULL,
    source text NOT NULL,
    confidence double precision NOT NULL,
    observed_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT label_is_zero_or_one CHECK (label IN (0, 1)),
    CONSTRAINT only_a_bad_label_has_a_kind CHECK ((label = 0) = (kind = 'none')),
    CONSTRAINT confidence_is_above_zero CHECK (confidence > 0 AND confidence <= 1)
);
CREATE INDEX label_observed_at ON label (observed_at);
CREATE INDEX label_user_id ON label (user_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON label EXECUTE FUNCTION refuse_change();

COMMENT ON TABLE label IS 'Verdicts about users and events, as they became known. Append-only; a later verdict overrules, it does not replace.';
COMMENT ON COLUMN label.label_id IS 'Content hash of the seven contract columns: the same verdict, dropped twice, is one row.';
COMMENT ON COLUMN label.user_id IS 'The user the verdict is about.';
COMMENT ON COLUMN label.event_id IS 'The event of theirs it names; null when it names the user.';
COMMENT ON COLUMN label.label IS '1 anomalous, 0 reviewed and found good.';
COMMENT ON COLUMN label.kind IS 'fraud, fake_order, fake_review, malicious_click, bot, ...; none for label 0.';
COMMENT ON COLUMN label.source IS 'Who said so: moderators, chargeback, review, ...';
COMMENT ON COLUMN label.confidence IS 'How sure the source is, in (0, 1].';
COMMENT ON COLUMN label.observed_at IS 'When we learned it: training as of an earlier moment does not see it.';
COMMENT ON COLUMN label.recorded_at IS 'When this row was written, by the clock of the database.';

CREATE TABLE review (
    review_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text NOT NULL,
    event_id text,
    interval_start timestamptz NOT NULL,
    verdict text NOT NULL,
    kind text NOT NULL,
    confidence double precision NOT NULL DEFAULT 1,
    comment text,
    reviewer text NOT NULL,
    reviewed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT verdict_is_known CHECK (verdict IN ('good', 'anomalous')),
    CONSTRAINT only_an_anomaly_has_a_kind CHECK ((verdict = 'good') = (kind = 'none')),
    CONSTRAINT confidence_is_above_zero CHECK (confidence > 0 AND confidence <= 1),
    CONSTRAINT reviewer_is_named CHECK (btrim(reviewer) <> '')
);
CREATE INDEX review_flag ON review (user_id, interval_start);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON review EXECUTE FUNCTION refuse_change();

COMMENT ON TABLE review IS 'An analyst''s verdict on one flag. The newest verdict on a flag counts; good clears it. Each becomes a label with source review. Append-only.';
COMMENT ON COLUMN review.review_id IS 'Order of the reviews.';
COMMENT ON COLUMN review.user_id IS 'The user of the reviewed flag.';
COMMENT ON COLUMN review.event_id IS 'The event of the reviewed flag; null for a flag on the user.';
COMMENT ON COLUMN review.interval_start IS 'The interval of the reviewed flag.';
COMMENT ON COLUMN review.verdict IS 'good or anomalous.';
COMMENT ON COLUMN review.kind IS 'What it is: fraud, fake_review, bot, ...; none when good.';
COMMENT ON COLUMN review.confidence IS 'How sure the reviewer is, in (0, 1].';
COMMENT ON COLUMN review.comment IS 'What the reviewer saw.';
COMMENT ON COLUMN review.reviewer IS 'Who reviewed.';
COMMENT ON COLUMN review.reviewed_at IS 'When, by the clock of the database; the label''s observed_at.';

CREATE FUNCTION review_becomes_label() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = trailguard, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM user_flag f WHERE new.event_id IS NULL
                   AND (f.user_id, f.interval_start) = (new.user_id, new.interval_start)
                   UNION ALL
                   SELECT FROM event_flag e
                   WHERE (e.event_id, e.user_id, e.interval_start) = (new.event_id, new.user_id, new.interval_start))
    THEN
        RAISE EXCEPTION 'there is no such flag: user % event % interval %', new.user_id, new.event_id, new.interval_start
            USING ERRCODE = 'foreign_key_violation', HINT = 'Take user_id, event_id and interval_start from flag_history.';
    END IF;
    INSERT INTO label (user_id, event_id, label, kind, source, confidence, observed_at)
    VALUES (new.user_id, new.event_id, CASE new.verdict WHEN 'anomalous' THEN 1 ELSE 0 END, new.kind, 'review',
            new.confidence, new.reviewed_at)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER review_becomes_label AFTER INSERT ON review FOR EACH ROW EXECUTE FUNCTION review_becomes_label();

CREATE TABLE ingested_partition (
    kind text NOT NULL,
    interval_start timestamptz NOT NULL,
    interval_end timestamptz NOT NULL,
    rows_in bigint NOT NULL,
    accepted bigint NOT NULL,
    duplicate bigint NOT NULL,
    quarantined bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, interval_start),
    CONSTRAINT kind_is_known CHECK (kind IN ('events', 'labels')),
    CONSTRAINT interval_is_forward CHECK (interval_start < interval_end),
    CONSTRAINT counts_are_not_negative CHECK (least(accepted, duplicate, quarantined) >= 0),
    CONSTRAINT rows_add_up CHECK (rows_in = accepted + duplicate + quarantined)
);
COMMENT ON TABLE ingested_partition IS 'What became of the raw rows of each partition.';
COMMENT ON COLUMN ingested_partition.kind IS 'events or labels.';
COMMENT ON COLUMN ingested_partition.interval_start IS 'Start of the partition, inclusive.';
COMMENT ON COLUMN ingested_partition.interval_end IS 'End of the partition, exclusive.';
COMMENT ON COLUMN ingested_partition.rows_in IS 'Raw rows read.';
COMMENT ON COLUMN ingested_partition.accepted IS 'Rows that keep the contract, each once.';
COMMENT ON COLUMN ingested_partition.duplicate IS 'Rows that were there already.';
COMMENT ON COLUMN ingested_partition.quarantined IS 'Rows that break the contract, kept with their reason.';
COMMENT ON COLUMN ingested_partition.recorded_at IS 'When this row was last written, by the clock of the database.';
