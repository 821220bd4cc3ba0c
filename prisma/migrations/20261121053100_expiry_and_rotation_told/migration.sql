-- AlterTable
ALTER TABLE "api_key_secrets" ADD COLUMN     "deliver_by" TIMESTAMPTZ(3),
ADD COLUMN     "rotation_deadline_at" TIMESTAMPTZ(3),
ADD COLUMN     "rotation_told_at" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "api_keys" ADD COLUMN     "expiry_told_at" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "outbox_event_secrets" (
    "event_id" UUID NOT NULL,
    "sealed" BYTEA NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "outbox_event_secrets_pkey" PRIMARY KEY ("event_id")
);

-- CreateIndex
CREATE INDEX "outbox_event_secrets_expires_at_idx" ON "outbox_event_secrets"("expires_at");

-- CreateIndex
CREATE INDEX "api_keys_expiry_untold_idx" ON "api_keys"("expires_at") WHERE (revoked_at is null and expires_at is not null and (expiry_told_at is null or expiry_told_at < expires_at));

-- CreateIndex
CREATE INDEX "api_keys_own_rotation_idx" ON "api_keys"("id") WHERE (revoked_at is null and config ? 'rotation');

-- AddForeignKey
ALTER TABLE "outbox_event_secrets" ADD CONSTRAINT "outbox_event_secrets_event_id_fkey" FOREIGN KEY ("event_id") REFERENCES "outbox_events"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What a receiver is told is sealed once; it can only be cleared away.
REVOKE UPDATE ON outbox_event_secrets FROM keyward_app;

-- Of keys that expired before anything was told of expiries nothing is told any more.
UPDATE api_keys SET expiry_told_at = expires_at WHERE expires_at <= now();
