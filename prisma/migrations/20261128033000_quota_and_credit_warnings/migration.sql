-- AlterTable
ALTER TABLE "api_key_credits" ADD COLUMN     "base" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "exhausted_told" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "low_told_units" BIGINT;

-- AlterTable
ALTER TABLE "quota_counts" ADD COLUMN     "reached_told_limit" BIGINT,
ADD COLUMN     "warning_told_units" BIGINT;
