-- AlterTable
ALTER TABLE "api_key_credits" ADD COLUMN     "base" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "exhausted_told" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "low_told_units" BIGINT;

-- AlterTable
ALTER TABLE "quota_counts" ADD COLUMN     "reached_told_limit" BIGINT,
ADD COLUMN     "warning_told_units" BIGINT;

-- What credits were set to before is not known any more; what is there, or comes back with each refill, is the next best.
UPDATE api_key_credits SET base = greatest(remaining, coalesce(refill_amount, 0));
