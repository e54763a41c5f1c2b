-- What a platform builds its business on, beside the record itself: how many watched when, and webhooks that hear of it.
-- Columns have the same meaning, and as far as possible the same form, in both dialects.

-- +goose Up
ALTER TABLE broadcasts ADD COLUMN state text NOT NULL DEFAULT 'ended'; -- live, reconnecting or ended: as of version
ALTER TABLE broadcasts ADD COLUMN window_ms bigint; -- as asked for at the start; null: the defaults
ALTER TABLE broadcasts ADD COLUMN seen_at bigint NOT NULL DEFAULT 0; -- the last sign of life, Unix ms

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
-- Most are in the streamer's own room: who takes the two to be independent thinks that there are few, and sorts them.
CREATE STATISTICS broadcasts_whose_room (dependencies) ON streamer, room FROM broadcasts;
CREATE INDEX broadcasts_last ON broadcasts (streamer, ended_at); -- when somebody's last one ended
CREATE INDEX broadcasts_open ON broadcasts (id) WHERE ended_at IS NULL;

CREATE TABLE viewer_samples (
    broadcast uuid   NOT NULL,
    at        bigint NOT NULL, -- Unix ms, a whole minute
    viewers   bigint NOT NULL, -- connections at that moment
    PRIMARY KEY (broadcast, at)
);

-- How far each partition's notes were taken in: they may be read again after a crash.
CREATE TABLE note_cursors (
    partition_no bigint NOT NULL PRIMARY KEY,
    note         text   NOT NULL -- the id of the last one
);

-- Rooms that somebody watches, as webhooks were told.
CREATE TABLE occupied_rooms (
    room  text   NOT NULL PRIMARY KEY,
    since bigint NOT NULL
);

CREATE TABLE webhooks (
    id            text   NOT NULL PRIMARY KEY,
    url           text   NOT NULL,
    events        text   NOT NULL,           -- a JSON list of types
    secret        text   NOT NULL,           -- whsec_…
    created_at    bigint NOT NULL,
    created_by    text   NOT NULL,
    failures      bigint NOT NULL DEFAULT 0, -- in a row, of all attempts
    failing_since bigint,                    -- null: the last attempt went well
    retry_at      bigint NOT NULL DEFAULT 0, -- while it fails: when one attempt is made
    paused_at     bigint,                    -- null: it is not
    last_error    text   NOT NULL DEFAULT ''
);

-- What webhooks are told of. An event is written in the transaction that makes it true of the record, once.
CREATE TABLE webhook_events (
    id      text   NOT NULL PRIMARY KEY, -- the webhook-id of its deliveries
    type    text   NOT NULL,
    subject text   NOT NULL,             -- whose events are delivered in order: a user id, or a room with "#" before it
    at      bigint NOT NULL,             -- when it happened
    body    text   NOT NULL
);
CREATE INDEX webhook_events_at ON webhook_events (at);

CREATE TABLE deliveries (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- the order in which one subject's are delivered
    webhook      text   NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event        text   NOT NULL REFERENCES webhook_events (id),
    subject      text   NOT NULL,                                 -- the event's
    state        text   NOT NULL DEFAULT 'pending',               -- pending, delivered or parked
    attempts     bigint NOT NULL DEFAULT 0,
    created_at   bigint NOT NULL,                                 -- when it was written, or asked for again
    attempted_at bigint,                                          -- the last time
    delivered_at bigint,
    status       bigint,                                          -- what the endpoint answered last; null: nothing
    error        text   NOT NULL DEFAULT ''                       -- why the last attempt failed
);
CREATE INDEX deliveries_waiting ON deliveries (webhook, subject, id) WHERE state = 'pending';
CREATE INDEX deliveries_old ON deliveries (state, created_at);
CREATE INDEX deliveries_listed ON deliveries (webhook, id);
CREATE INDEX deliveries_of_state ON deliveries (webhook, state, id);
CREATE INDEX deliveries_event ON deliveries (event);

-- One for each webhook and subject that have something to deliver. Who has leased it delivers its head, and nobody else.
CREATE TABLE delivery_lanes (
    webhook     text   NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    subject     text   NOT NULL,
    due_at      bigint NOT NULL,            -- when its head is to be tried
    leased_till bigint NOT NULL DEFAULT 0,
    lease       text   NOT NULL DEFAULT '', -- whose
    version     bigint NOT NULL DEFAULT 0,  -- grows with each delivery that is added
    PRIMARY KEY (webhook, subject)
);
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
DROP STATISTICS broadcasts_whose_room;
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
