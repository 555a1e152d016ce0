"""The servers that Penstock brings along: PostgreSQL and NATS as child processes, and who watches over them."""
