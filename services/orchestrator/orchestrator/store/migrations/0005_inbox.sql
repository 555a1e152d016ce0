-- Events from other systems (CloudEvents 1.0). Kept for as long as a node may look back; then deleted in batches.
-- Not partitioned by day: (source, id) must be unique over all days, and a partitioned table cannot promise that.

create sequence inbound_event_seq;

create table inbound_event (
  seq bigint primary key default nextval('inbound_event_seq'), -- the order of arrival
  project text not null,
  source text not null,
  id text not null,
  type text not null,
  subject text,
  time timestamptz,
  data json not null,
  attributes json not null, -- the others: datacontenttype, dataschema, data_base64 and extensions
  received_at timestamptz not null default now(),
  offered boolean not null default false, -- whatever waited for it when it came has seen it
  constraint inbound_event_once unique (project, source, id)
);

alter sequence inbound_event_seq owned by inbound_event.seq;

create index inbound_event_by_type on inbound_event (project, type, received_at, seq);
create index inbound_event_unoffered on inbound_event (seq) where not offered;
