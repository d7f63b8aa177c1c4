-- Where calls go besides to the live version, and how that came about: JSON with
-- previous, canary, takeover and last_canary, none of which must be there.

ALTER TABLE plugins ADD COLUMN release TEXT NOT NULL DEFAULT '{}';
