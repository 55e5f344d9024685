-- Who may enter the database, and the names they see without a prefix.

DO $$
DECLARE
    shop name := current_database();
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', shop);
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO trailguard_writer, trailguard_recommender, trailguard_analyst', shop);
    -- labels are copied into a temporary table, from which the new ones are taken
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO trailguard_writer', shop);
    -- pg_temp last: a temporary table must never stand in for one of ours
    EXECUTE format('ALTER DATABASE %I SET search_path = trailguard, pg_temp', shop);
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA trailguard TO trailguard_writer, trailguard_recommender, trailguard_analyst;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

COMMENT ON SCHEMA trailguard IS 'Which users and events of this shop are anomalous, and how that was decided.';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', tg_table_name, lower(tg_op)
        USING ERRCODE = 'restrict_violation', HINT = 'Insert a row that says what is true now.';
END
$$;
