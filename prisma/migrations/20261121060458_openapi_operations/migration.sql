-- AlterTable
ALTER TABLE "tenants" ADD COLUMN     "operations_revision" UUID;

-- CreateTable
CREATE TABLE "openapi_operations" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "namespace" TEXT NOT NULL,
    "method" TEXT NOT NULL,
    "path" TEXT NOT NULL,
    "base_path" TEXT NOT NULL,
    "scope" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "openapi_operations_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "openapi_operations_tenant_id_id_idx" ON "openapi_operations"("tenant_id", "id");

-- CreateIndex
CREATE INDEX "openapi_operations_tenant_id_namespace_idx" ON "openapi_operations"("tenant_id", "namespace");

-- AddForeignKey
ALTER TABLE "openapi_operations" ADD CONSTRAINT "openapi_operations_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
