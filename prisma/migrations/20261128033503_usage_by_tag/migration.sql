-- CreateTable
CREATE TABLE "usage_tag_minutes" (
    "tenant_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "minute" TIMESTAMPTZ(3) NOT NULL,
    "value" TEXT NOT NULL,
    "api_key_id" UUID NOT NULL,
    "code" TEXT NOT NULL,
    "count" BIGINT NOT NULL,

    CONSTRAINT "usage_tag_minutes_pkey" PRIMARY KEY ("tenant_id","name","minute","value","api_key_id","code")
);

-- CreateTable
CREATE TABLE "usage_tags" (
    "tenant_id" UUID NOT NULL,
    "day" DATE NOT NULL,
    "name" TEXT NOT NULL,
    "value" TEXT NOT NULL,

    CONSTRAINT "usage_tags_pkey" PRIMARY KEY ("tenant_id","day","name","value")
);
