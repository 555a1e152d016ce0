-- What people have answered to the agent of a unit, by the question's key. It outlives attempts.
alter table node add column answers json;

create type node_write_3 as (
  run_id uuid,
  name text,
  part_of text,
  state text,
  attempt integer,
  first_attempt integer,
  iteration integer,
  token uuid,
  runner text,
  publication integer,
  input text,
  output text,
  output_run uuid,
  previous text,
  answers text, -- null: as it was
  failure text,
  detail text,
  topic text,
  completed_version bigint,
  wake_in interval,
  wake_until timestamptz,
  deadline_in interval,
  attempt_expected integer,
  token_expected uuid
);
