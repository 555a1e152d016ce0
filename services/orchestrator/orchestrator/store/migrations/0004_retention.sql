-- Retention: the timeline in monthly partitions, how long each project keeps its runs, and when an artifact was
-- last stored. The former version's statements run unchanged; they wait while the timeline is moved.

-- The lowest id that a run of this moment can have. Ids are UUIDv7: a range of ids is a range of start times.
create function penstock_first_id(moment timestamptz) returns uuid language sql immutable strict as $$
  select (lpad(to_hex(floor(extract(epoch from moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- The month in which a run with this id started, in UTC; null for an id that is no UUIDv7.
create function penstock_month_of(id uuid) returns timestamptz language sql immutable strict as $$
  select case when substr(id::text, 15, 1) = '7' then
    date_trunc('month', to_timestamp(
      ('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0
    ), 'UTC')
  end
$$;

-- Makes sure of the partition for the runs of a month; false when it is there. What the default partition has of
-- that month moves into it. The lock is the one of migrations: two orchestrators may ask at once.
create function penstock_add_month(moment timestamptz) returns boolean language plpgsql as $$
declare
  month timestamp := date_trunc('month', moment at time zone 'UTC');
  partition text := 'run_event_' || to_char(month, 'YYYY_MM');
  low uuid := penstock_first_id(month at time zone 'UTC');
  high uuid := penstock_first_id((month + interval '1 month') at time zone 'UTC');
begin
  perform pg_advisory_xact_lock(7069837411);
  if to_regclass(partition) is not null then
    return false;
  end if;
  execute format('create table %I (like run_event including all)', partition);
  lock table run_event_default in access exclusive mode;
  execute format(
    'with moved as (delete from run_event_default where run_id >= %L and run_id < %L returning *)'
    ' insert into %I select * from moved', low, high, partition
  );
  execute format('alter table run_event attach partition %I for values from (%L) to (%L)', partition, low, high);
  return true;
end
$$;

alter table run_event rename to run_event_before;
alter index if exists run_event_pkey rename to run_event_before_pkey;
create table run_event (like run_event_before including all) partition by range (run_id);
-- For ids that are not of their time: those of tests, and of a clock that is wrong.
create table run_event_default partition of run_event default;

select penstock_add_month(month)
from (
  select penstock_month_of(id) as month from run
  union select now()
  union select now() + interval '1 month'
) as started
where month <= now() + interval '1 month';

insert into run_event select * from run_event_before;
drop table run_event_before;

-- `retention` is counted from a run's end. A project without a row keeps to PENSTOCK_ORCHESTRATOR_RETENTION_DAYS.
create table project_settings (
  project text primary key,
  retention interval not null default '30 days' check (retention > interval '0'),
  changed_at timestamptz not null default now(),
  changed_by text not null default ''
);

-- Storing the same bytes again begins their grace anew: they are about to be named.
alter table artifact add column stored_at timestamptz not null default now();

create index idempotency_by_run on idempotency (run_id);
