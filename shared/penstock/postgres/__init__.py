"""What every service with a database has: its migrations, and the pool of its hot statements."""
