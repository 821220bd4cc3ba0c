-- CreateIndex
CREATE INDEX "scopes_inactive_idx" ON "scopes"("tenant_id", "name") WHERE (not active);
