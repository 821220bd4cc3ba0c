-- AlterTable
ALTER TABLE "api_key_secrets" ADD COLUMN     "grace_seconds" INTEGER,
ADD COLUMN     "last_used_at" TIMESTAMPTZ(3);

-- CreateIndex
CREATE UNIQUE INDEX "api_key_secrets_one_pending_key" ON "api_key_secrets"("tenant_id", "api_key_id") WHERE (activated_at is null and retires_at is null);
