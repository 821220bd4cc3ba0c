-- What happened is told at least once: nothing that waits can be taken away by the server.
REVOKE DELETE ON outbox_events FROM keyward_app;
