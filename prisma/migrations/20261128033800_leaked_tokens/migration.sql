-- AlterTable
ALTER TABLE "api_key_secrets" ADD COLUMN     "leaked_at" TIMESTAMPTZ(3);
