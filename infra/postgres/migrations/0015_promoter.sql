-- Who promotes has a role of their own: the writer, as which everything else runs, records no promotion any more.

DO $$
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO trailguard_promoter', current_database());
END
$$;

GRANT USAGE ON SCHEMA trailguard TO trailguard_promoter;
-- a promotion also records the threshold of the version that acts from now on
GRANT SELECT, INSERT ON promotion_ledger, threshold TO trailguard_promoter;
REVOKE INSERT ON promotion_ledger FROM trailguard_writer;
