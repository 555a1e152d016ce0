"""The bus: connection, streams, a continuous pull loop and a pipelined publisher, on nats-py."""
