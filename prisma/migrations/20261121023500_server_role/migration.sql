-- Who migrates may also be who serves: a login that is no superuser needs to be a member of the role that it works as.
DO $$
BEGIN
  IF NOT pg_has_role(current_user, 'keyward_app', 'USAGE') THEN
    EXECUTE format('GRANT keyward_app TO %I', current_user);
  END IF;
EXCEPTION WHEN insufficient_privilege THEN NULL;
END
$$;
