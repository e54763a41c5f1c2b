-- Who may not take part, and what was done by whom. Columns have the same meaning, and as far as possible the same form, in
-- both dialects.

-- +goose Up
-- Whatever somebody did to others, or to the service. Whoever keeps the tables below in memory follows it.
CREATE TABLE audit (
    seq        INTEGER NOT NULL PRIMARY KEY, -- 1, 2, 3, … in the order in which transactions ended
    at         INTEGER NOT NULL,             -- Unix ms
    actor      TEXT    NOT NULL,             -- user id
    action     TEXT    NOT NULL,             -- ban, unban, mute, unmute, kick, slow, delete, …
    room       TEXT    NOT NULL DEFAULT '',  -- *: everywhere; '': it is about no room
    target     TEXT    NOT NULL DEFAULT '',  -- a user id, or an address or network with "ip:" before it, or the id of something
    reason     TEXT    NOT NULL DEFAULT '',
    expires_at INTEGER,                      -- Unix ms; null: it does not end by itself
    details    TEXT    NOT NULL DEFAULT '{}' -- a JSON object: what else there is to say
) STRICT;
CREATE INDEX audit_room ON audit (room, seq);
CREATE INDEX audit_target ON audit (target, seq);
CREATE INDEX audit_actor ON audit (actor, seq);
CREATE INDEX audit_at ON audit (at);

-- The last seq. Whoever writes to audit takes it from here first, so that the order of numbers is that of commits.
CREATE TABLE audit_clock (
    only_one INTEGER NOT NULL PRIMARY KEY CHECK (only_one = 1),
    seq      INTEGER NOT NULL
) STRICT;
INSERT INTO audit_clock (only_one, seq) VALUES (1, 0);

CREATE TABLE bans (
    room       TEXT    NOT NULL, -- *: everywhere
    target     TEXT    NOT NULL, -- as in audit
    actor      TEXT    NOT NULL,
    reason     TEXT    NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    expires_at INTEGER,          -- null: it lasts until it is lifted
    PRIMARY KEY (room, target)
) STRICT;
CREATE INDEX bans_expire ON bans (expires_at);

CREATE TABLE mutes (
    room       TEXT    NOT NULL, -- *: everywhere
    target     TEXT    NOT NULL, -- a user id
    actor      TEXT    NOT NULL,
    reason     TEXT    NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (room, target)
) STRICT;
CREATE INDEX mutes_expire ON mutes (expires_at);

CREATE TABLE room_settings (
    room         TEXT    NOT NULL PRIMARY KEY,
    slow_seconds INTEGER NOT NULL -- between two lines of chat of one user; 0: none
) STRICT;

-- +goose Down
DROP TABLE room_settings;
DROP TABLE mutes;
DROP TABLE bans;
DROP TABLE audit_clock;
DROP TABLE audit;
