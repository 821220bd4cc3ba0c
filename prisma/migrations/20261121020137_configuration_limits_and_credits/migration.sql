-- CreateEnum
CREATE TYPE "refill_interval" AS ENUM ('DAY', 'MONTH');

-- AlterTable
ALTER TABLE "api_keys" ADD COLUMN     "config" JSONB NOT NULL DEFAULT '{}',
ADD COLUMN     "sealed_signing_secret" BYTEA;

-- AlterTable
ALTER TABLE "tenants" ADD COLUMN     "config" JSONB NOT NULL DEFAULT '{}';

-- CreateTable
CREATE TABLE "api_key_credits" (
    "api_key_id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "remaining" BIGINT NOT NULL,
    "epoch" BIGINT NOT NULL DEFAULT 0,
    "refill_amount" INTEGER,
    "refill_every" "refill_interval",
    "refilled_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "api_key_credits_pkey" PRIMARY KEY ("api_key_id")
);

-- CreateTable
CREATE TABLE "quota_counts" (
    "subject_id" UUID NOT NULL,
    "unit" TEXT NOT NULL,
    "period_id" TEXT NOT NULL,
    "used" BIGINT NOT NULL,

    CONSTRAINT "quota_counts_pkey" PRIMARY KEY ("subject_id","unit","period_id")
);

-- CreateTable
CREATE TABLE "quota_flushes" (
    "node_id" UUID NOT NULL,
    "sequence" BIGINT NOT NULL,
    "flushed_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "quota_flushes_pkey" PRIMARY KEY ("node_id")
);

-- CreateTable
CREATE TABLE "nonces" (
    "api_key_id" UUID NOT NULL,
    "nonce" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "nonces_pkey" PRIMARY KEY ("api_key_id","nonce")
);

-- CreateIndex
CREATE UNIQUE INDEX "api_key_credits_tenant_id_api_key_id_key" ON "api_key_credits"("tenant_id", "api_key_id");

-- CreateIndex
CREATE INDEX "quota_flushes_flushed_at_idx" ON "quota_flushes"("flushed_at");

-- CreateIndex
CREATE INDEX "nonces_expires_at_idx" ON "nonces"("expires_at");

-- AddForeignKey
ALTER TABLE "api_key_credits" ADD CONSTRAINT "api_key_credits_tenant_id_api_key_id_fkey" FOREIGN KEY ("tenant_id", "api_key_id") REFERENCES "api_keys"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;


-- Whatever goes wrong above it, the database never holds a debt.
ALTER TABLE "api_key_credits" ADD CONSTRAINT "api_key_credits_never_negative" CHECK (remaining >= 0);
