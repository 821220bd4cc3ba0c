-- AlterTable
ALTER TABLE "api_keys" ADD COLUMN     "sealed_private_metadata" BYTEA;
