-- A total is answered by the index alone: what it counts, adds up and looks for stands in it, and a reading's own page, one
-- for each of a month's readings, is not read.

-- Where there are many readings it is made beforehand, while they come in (docs/design/databases.md). One that was begun
-- there and broken off is of no use.
do $$
begin
    if exists (select from pg_catalog.pg_index
                where indexrelid = pg_catalog.to_regclass('usage.events_by_use_with_value') and not indisvalid) then
        drop index usage.events_by_use_with_value;
    end if;
end $$;
create index if not exists events_by_use_with_value on usage.events (tenant_id, customer_id, meter_id, at)
    include (value, status, subscription_id);
drop index usage.events_by_use;

-- Only of pages that are known to be seen by all is an index believed: vacuum says so after every hundredth part that came
-- in, and not after a fifth, which is the present month.
alter table usage.events set (autovacuum_vacuum_insert_scale_factor = 0.01);
