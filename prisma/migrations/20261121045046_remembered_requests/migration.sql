-- CreateTable
CREATE TABLE "remembered_requests" (
    "request_hash" BYTEA NOT NULL,
    "tenant_id" UUID,
    "sealed_input_hash" BYTEA NOT NULL,
    "result_id" UUID,
    "sealed_secrets" BYTEA,
    "secrets_expire_at" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "remembered_requests_pkey" PRIMARY KEY ("request_hash")
);

-- CreateIndex
CREATE INDEX "remembered_requests_tenant_id_idx" ON "remembered_requests"("tenant_id");

-- CreateIndex
CREATE INDEX "remembered_requests_secrets_idx" ON "remembered_requests"("secrets_expire_at") WHERE (secrets_expire_at is not null);

-- CreateIndex
CREATE INDEX "remembered_requests_expires_at_idx" ON "remembered_requests"("expires_at");

-- AddForeignKey
ALTER TABLE "remembered_requests" ADD CONSTRAINT "remembered_requests_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
