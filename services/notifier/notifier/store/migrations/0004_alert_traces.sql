-- The span of the webhook that told of alerts first: runs that they start go on in its trace.
alter table notifier.alert_group add column traceparent text;
