-- The notifier's own schema. Alerts and deliveries come with migrations of their own.
create schema if not exists notifier;
