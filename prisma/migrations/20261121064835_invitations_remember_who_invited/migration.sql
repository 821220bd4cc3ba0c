-- AlterTable
ALTER TABLE "invitations" ADD COLUMN     "invited_by_key_id" UUID,
ADD COLUMN     "invited_by_user_id" UUID;
