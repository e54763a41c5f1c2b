-- The record of broadcasts: one row for each period of being live, written when it starts and completed when it ends.
-- Columns have the same meaning, and as far as possible the same form, in both dialects.

-- +goose Up
CREATE TABLE broadcasts (
    id             TEXT    NOT NULL PRIMARY KEY, -- UUIDv7 in lower case, so that it sorts as PostgreSQL's uuid does
    streamer       TEXT    NOT NULL,             -- user id
    streamer_name  TEXT    NOT NULL,
    room           TEXT    NOT NULL,
    title          TEXT    NOT NULL DEFAULT '',
    category       TEXT    NOT NULL DEFAULT '',
    language       TEXT    NOT NULL DEFAULT '',
    tags           TEXT    NOT NULL DEFAULT '[]', -- a JSON list; text, as nothing searches inside
    -- Unix milliseconds, which is what presence counts in: no time zone, no rounding, the same driver code for both.
    started_at     INTEGER NOT NULL,
    ended_at       INTEGER,                      -- null while the broadcast is not known to have ended
    reason         TEXT    NOT NULL DEFAULT '',  -- why it ended
    version        INTEGER NOT NULL,             -- of the last transition written; older ones change nothing
    peak_viewers   INTEGER,
    unique_viewers INTEGER,
    watch_seconds  INTEGER
) STRICT;

-- Each list is paged from the newest on by (started_at, id).
CREATE INDEX broadcasts_started ON broadcasts (started_at);
CREATE INDEX broadcasts_streamer ON broadcasts (streamer, id); -- pages are in the order of ids
CREATE INDEX broadcasts_room ON broadcasts (room, id);

-- +goose Down
DROP TABLE broadcasts;
