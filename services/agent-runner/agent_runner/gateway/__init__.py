"""What an agent may ask for: HTTP/1.1 on a unix socket that reaches into its sandbox (design §7)."""
