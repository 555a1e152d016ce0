-- Stores: tables of a project's own whose rows outlive runs, and what each node of a run changed in them.
create table store (
  project text not null,
  name text not null check (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  definition json not null, -- as its author wrote it: description, and the tables with the schemas of their rows
  digest text not null,
  changed_at timestamptz not null default now(),
  primary key (project, name)
);

-- Versions of rows come from here, so that none ever stands for two values, also not after a row was deleted. What an
-- undo restores has the version again that it had: another node that wrote it before can be undone next.
create sequence store_version as bigint;

create table store_row (
  project text not null,
  store text not null,
  table_name text not null,
  key text collate "C" not null check (char_length(key) between 1 and 200),
  value jsonb not null check (jsonb_typeof(value) = 'object'),
  version bigint not null,
  run uuid, -- who wrote it last: an attempt of a run that may be gone by now, or
  node text,
  attempt integer,
  by text, -- a person
  written_at timestamptz not null default now(),
  primary key (project, store, table_name, key),
  foreign key (project, store) references store (project, name),
  constraint store_row_has_one_writer
    check ((run is null) = (by is not null) and (run is null) = (node is null) and (run is null) = (attempt is null))
);

create index store_row_by_value on store_row using gin (value jsonb_path_ops);

-- What a node of a run did to a row, over all its attempts: as it found it, and as it left it. No version: no row.
create table store_change (
  project text not null,
  store text not null,
  run_id uuid not null,
  node text not null,
  attempt integer not null,
  table_name text not null,
  key text collate "C" not null,
  before jsonb,
  before_version bigint,
  after jsonb,
  after_version bigint,
  interrupted boolean not null default false, -- somebody else wrote the row between two writes of this node
  changed_at timestamptz not null default now(),
  undone_at timestamptz,
  undone_by text, -- the node that undid it
  primary key (run_id, node, project, store, table_name, key),
  constraint store_change_before_is_whole check ((before is null) = (before_version is null)),
  constraint store_change_after_is_whole check ((after is null) = (after_version is null)),
  constraint store_change_undone_is_whole check ((undone_at is null) = (undone_by is null))
);
