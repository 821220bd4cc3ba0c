-- DropIndex
DROP INDEX "api_key_usage_tenant_id_api_key_id_key";

-- AlterTable
ALTER TABLE "api_key_usage" DROP CONSTRAINT "api_key_usage_pkey",
ADD CONSTRAINT "api_key_usage_pkey" PRIMARY KEY ("tenant_id", "api_key_id");
