-- The trace that a webhook belongs to; and which of the bus's inboxes alerts were published to.

alter table notifier.alert_group add column traceparent text; -- W3C; of the webhook that told first

-- One row: when the stream was made that published alerts went to. Another one means that the bus was lost.
create table notifier.alert_inbox (
  one boolean primary key default true check (one),
  made_at text -- as the bus says it; null: not known yet
);
insert into notifier.alert_inbox default values;

create index alert_published on notifier.alert (published_at);
