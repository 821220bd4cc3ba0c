-- AlterTable
ALTER TABLE "api_keys" ADD COLUMN     "disabled_by_key_id" UUID,
ADD COLUMN     "disabled_by_user_id" UUID,
ADD COLUMN     "disabled_reason" TEXT,
ADD COLUMN     "revoked_by_key_id" UUID,
ADD COLUMN     "revoked_by_user_id" UUID;

-- CreateIndex
CREATE INDEX "api_keys_disabled_by_user_id_idx" ON "api_keys"("disabled_by_user_id") WHERE (disabled_by_user_id is not null);

-- CreateIndex
CREATE INDEX "api_keys_disabled_by_key_id_idx" ON "api_keys"("disabled_by_key_id") WHERE (disabled_by_key_id is not null);

-- CreateIndex
CREATE INDEX "api_keys_revoked_by_user_id_idx" ON "api_keys"("revoked_by_user_id") WHERE (revoked_by_user_id is not null);

-- CreateIndex
CREATE INDEX "api_keys_revoked_by_key_id_idx" ON "api_keys"("revoked_by_key_id") WHERE (revoked_by_key_id is not null);

-- AddForeignKey
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_disabled_by_user_id_fkey" FOREIGN KEY ("disabled_by_user_id") REFERENCES "users"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_disabled_by_key_id_fkey" FOREIGN KEY ("disabled_by_key_id") REFERENCES "api_keys"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_revoked_by_user_id_fkey" FOREIGN KEY ("revoked_by_user_id") REFERENCES "users"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_revoked_by_key_id_fkey" FOREIGN KEY ("revoked_by_key_id") REFERENCES "api_keys"("id") ON DELETE SET NULL ON UPDATE CASCADE;
