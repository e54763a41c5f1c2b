-- The record of broadcasts: one row for each period of being live, written when it starts and completed when it ends.
-- Columns have the same meaning, and as far as possible the same form, in both dialects.

-- +goose Up
CREATE TABLE broadcasts (
    id             uuid   NOT NULL PRIMARY KEY,  -- UUIDv7
    streamer       text   NOT NULL,              -- user id
    streamer_name  text   NOT NULL,
    room           text   NOT NULL,
    title          text   NOT NULL DEFAULT '',
    category       text   NOT NULL DEFAULT '',
    language       text   NOT NULL DEFAULT '',
    tags           text   NOT NULL DEFAULT '[]', -- a JSON list; text, as nothing searches inside
    -- Unix milliseconds, which is what presence counts in: no time zone, no rounding, the same driver code for both.
    started_at     bigint NOT NULL,
    ended_at       bigint,                       -- null while the broadcast is not known to have ended
    reason         text   NOT NULL DEFAULT '',   -- why it ended
    version        bigint NOT NULL,              -- of the last transition written; older ones change nothing
    peak_viewers   bigint,
    unique_viewers bigint,
    watch_seconds  bigint
);

-- Each list is paged from the newest on by (started_at, id).
CREATE INDEX broadcasts_started ON broadcasts (started_at);
CREATE INDEX broadcasts_streamer ON broadcasts (streamer, id); -- pages are in the order of ids
CREATE INDEX broadcasts_room ON broadcasts (room, id);

-- +goose Down
DROP TABLE broadcasts;
