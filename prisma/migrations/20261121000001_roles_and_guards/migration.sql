-- The server works as `keyward_app`: neither a superuser nor the owner of a table, so that the guards below bind it.
-- Roles belong to the whole PostgreSQL server and may be there already, from another database or a concurrent migration.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'keyward_app') THEN
    CREATE ROLE keyward_app NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

GRANT USAGE ON SCHEMA public TO keyward_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO keyward_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO keyward_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO keyward_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO keyward_app;

-- The server reads which migrations were applied and changes none of that.
DO $$
BEGIN
  IF to_regclass('public._prisma_migrations') IS NOT NULL THEN
    REVOKE INSERT, UPDATE, DELETE ON _prisma_migrations FROM keyward_app;
  END IF;
END
$$;

-- An audit event is never changed and never deleted by the server. Sealing fills three empty columns, once.
REVOKE UPDATE, DELETE ON audit_events FROM keyward_app;
GRANT UPDATE (sequence, previous_hash, hash) ON audit_events TO keyward_app;

CREATE FUNCTION audit_events_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.sequence IS NOT NULL OR NEW.previous_hash IS NOT NULL OR NEW.hash IS NOT NULL THEN
      RAISE EXCEPTION 'an audit event is inserted unsealed' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
  END IF;
  IF OLD.hash IS NOT NULL THEN
    RAISE EXCEPTION 'a sealed audit event cannot be changed' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.sequence IS NULL OR NEW.hash IS NULL OR NEW.previous_hash IS NULL THEN
    RAISE EXCEPTION 'an audit event is sealed whole' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END
$$;

CREATE TRIGGER audit_events_guard BEFORE INSERT OR UPDATE ON audit_events
  FOR EACH ROW EXECUTE FUNCTION audit_events_guard();

-- What an event says stays as it was said; only that it was dispatched is noted.
REVOKE UPDATE ON outbox_events FROM keyward_app;
GRANT UPDATE (dispatched_at) ON outbox_events TO keyward_app;
