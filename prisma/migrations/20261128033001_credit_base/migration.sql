-- A migration of its own: with the new columns it would hold the tables locked for everybody while it writes each row.
-- What credits were set to before is not known any more; what is there, or comes back with each refill, is the next best.
-- What was spent before is no news: of credits that are gone nothing is told until there are some again.
UPDATE api_key_credits
   SET base = greatest(remaining, coalesce(refill_amount, 0)),
       low_told_units = CASE WHEN remaining <= 0 THEN 0 END,
       exhausted_told = remaining <= 0;
