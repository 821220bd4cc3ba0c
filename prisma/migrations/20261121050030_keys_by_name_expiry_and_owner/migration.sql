-- AlterTable
ALTER TABLE "api_key_usage" ALTER COLUMN "last_used_at" DROP NOT NULL;

-- CreateIndex
CREATE INDEX "api_keys_tenant_id_name_id_idx" ON "api_keys"("tenant_id", "name", "id");

-- CreateIndex
CREATE INDEX "api_keys_tenant_id_expires_at_id_idx" ON "api_keys"("tenant_id", "expires_at", "id");

-- CreateIndex
CREATE INDEX "api_keys_tenant_id_owner_id_created_at_id_idx" ON "api_keys"("tenant_id", "owner_id", "created_at", "id");
