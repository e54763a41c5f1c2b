-- What a platform builds its business on, beside the record itself: how many watched when, and webhooks that hear of it.
-- Columns have the same meaning, and as far as possible the same form, in both dialects.

-- +goose Up
ALTER TABLE broadcasts ADD COLUMN state TEXT NOT NULL DEFAULT 'ended'; -- live, reconnecting or ended: as of version
ALTER TABLE broadcasts ADD COLUMN window_ms INTEGER; -- as asked for at the start; null: the defaults
ALTER TABLE broadcasts ADD COLUMN seen_at INTEGER NOT NULL DEFAULT 0; -- the last sign of life, Unix ms

-- Each list is paged from the newest on by (started_at, id): an id alone is made by a node's clock.
DROP INDEX broadcasts_started;
DROP INDEX broadcasts_streamer;
DROP INDEX broadcasts_room;
-- The conditions are true of every broadcast. They keep databases from using an index that is not meant for a query, which
-- has to say the condition: from reading all of a room, say, for one who has many broadcasts but few there.
CREATE INDEX broadcasts_started ON broadcasts (started_at, id) WHERE streamer_name >= '';
CREATE INDEX broadcasts_streamer ON broadcasts (streamer, started_at, id) WHERE title >= '';
CREATE INDEX broadcasts_room ON broadcasts (room, started_at, id) WHERE title >= '';
CREATE INDEX broadcasts_streamer_room ON broadcasts (streamer, room, started_at, id);
CREATE INDEX broadcasts_last ON broadcasts (streamer, ended_at); -- when somebody's last one ended
CREATE INDEX broadcasts_open ON broadcasts (id) WHERE ended_at IS NULL;

CREATE TABLE viewer_samples (
    broadcast TEXT    NOT NULL,
    at        INTEGER NOT NULL, -- Unix ms, a whole minute
    viewers   INTEGER NOT NULL, -- connections at that moment
    PRIMARY KEY (broadcast, at)
) STRICT, WITHOUT ROWID;

-- How far each partition's notes were taken in: they may be read again after a crash.
CREATE TABLE note_cursors (
    partition_no INTEGER NOT NULL PRIMARY KEY,
    note         TEXT    NOT NULL -- the id of the last one
) STRICT;

-- Rooms that somebody watches, as webhooks were told.
CREATE TABLE occupied_rooms (
    room  TEXT    NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT;

CREATE TABLE webhooks (
    id            TEXT    NOT NULL PRIMARY KEY,
    url           TEXT    NOT NULL,
    events        TEXT    NOT NULL,           -- a JSON list of types
    secret        TEXT    NOT NULL,           -- whsec_…
    created_at    INTEGER NOT NULL,
    created_by    TEXT    NOT NULL,
    failures      INTEGER NOT NULL DEFAULT 0, -- in a row, of all attempts
    failing_since INTEGER,                    -- null: the last attempt went well
    retry_at      INTEGER NOT NULL DEFAULT 0, -- while it fails: when one attempt is made
    paused_at     INTEGER,                    -- null: it is not
    last_error    TEXT    NOT NULL DEFAULT ''
) STRICT;

-- What webhooks are told of. An event is written in the transaction that makes it true of the record, once.
CREATE TABLE webhook_events (
    id      TEXT    NOT NULL PRIMARY KEY, -- the webhook-id of its deliveries
    type    TEXT    NOT NULL,
    subject TEXT    NOT NULL,             -- whose events are delivered in order: a user id, or a room with "#" before it
    at      INTEGER NOT NULL,             -- when it happened
    body    TEXT    NOT NULL
) STRICT;
CREATE INDEX webhook_events_at ON webhook_events (at);

CREATE TABLE deliveries (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which one subject's are delivered
    webhook      TEXT    NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event        TEXT    NOT NULL REFERENCES webhook_events (id),
    subject      TEXT    NOT NULL,                   -- the event's
    state        TEXT    NOT NULL DEFAULT 'pending', -- pending, delivered or parked
    attempts     INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL,                   -- when it was written, or asked for again
    attempted_at INTEGER,                            -- the last time
    delivered_at INTEGER,
    status       INTEGER,                            -- what the endpoint answered last; null: nothing
    error        TEXT    NOT NULL DEFAULT ''         -- why the last attempt failed
) STRICT;
CREATE INDEX deliveries_waiting ON deliveries (webhook, subject, id) WHERE state = 'pending';
CREATE INDEX deliveries_old ON deliveries (state, created_at);
CREATE INDEX deliveries_listed ON deliveries (webhook, id);
CREATE INDEX deliveries_of_state ON deliveries (webhook, state, id);
CREATE INDEX deliveries_event ON deliveries (event);

-- One for each webhook and subject that have something to deliver. Who has leased it delivers its head, and nobody else.
CREATE TABLE delivery_lanes (
    webhook     TEXT    NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    subject     TEXT    NOT NULL,
    due_at      INTEGER NOT NULL,            -- when its head is to be tried
    leased_till INTEGER NOT NULL DEFAULT 0,
    lease       TEXT    NOT NULL DEFAULT '', -- whose
    version     INTEGER NOT NULL DEFAULT 0,  -- grows with each delivery that is added
    PRIMARY KEY (webhook, subject)
) STRICT;
CREATE INDEX delivery_lanes_due ON delivery_lanes (webhook, due_at);

-- +goose Down
DROP TABLE delivery_lanes;
DROP TABLE deliveries;
DROP TABLE webhook_events;
DROP TABLE webhooks;
DROP TABLE occupied_rooms;
DROP TABLE note_cursors;
DROP TABLE viewer_samples;
DROP INDEX broadcasts_open;
DROP INDEX broadcasts_last;
DROP INDEX broadcasts_streamer_room;
DROP INDEX broadcasts_room;
DROP INDEX broadcasts_streamer;
DROP INDEX broadcasts_started;
CREATE INDEX broadcasts_started ON broadcasts (started_at);
CREATE INDEX broadcasts_streamer ON broadcasts (streamer, id);
CREATE INDEX broadcasts_room ON broadcasts (room, id);
DELETE FROM broadcasts WHERE ended_at IS NULL;
ALTER TABLE broadcasts DROP COLUMN seen_at;
ALTER TABLE broadcasts DROP COLUMN window_ms;
ALTER TABLE broadcasts DROP COLUMN state;
