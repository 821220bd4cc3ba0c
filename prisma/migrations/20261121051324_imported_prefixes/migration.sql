-- CreateTable
CREATE TABLE "imported_prefixes" (
    "prefix" TEXT NOT NULL,

    CONSTRAINT "imported_prefixes_pkey" PRIMARY KEY ("prefix")
);
