-- Who may not take part, and what was done by whom. Columns have the same meaning, and as far as possible the same form, in
-- both dialects.

-- +goose Up
-- Whatever somebody did to others, or to the service. Whoever keeps the tables below in memory follows it.
CREATE TABLE audit (
    seq        bigint NOT NULL PRIMARY KEY, -- 1, 2, 3, … in the order in which transactions ended
    at         bigint NOT NULL,             -- Unix ms
    actor      text   NOT NULL,             -- user id
    action     text   NOT NULL,             -- ban, unban, mute, unmute, kick, slow, delete, …
    room       text   NOT NULL DEFAULT '',  -- *: everywhere; '': it is about no room
    target     text   NOT NULL DEFAULT '',  -- a user id, or an address or network with "ip:" before it, or the id of something
    reason     text   NOT NULL DEFAULT '',
    expires_at bigint,                      -- Unix ms; null: it does not end by itself
    details    text   NOT NULL DEFAULT '{}' -- a JSON object: what else there is to say
);
CREATE INDEX audit_room ON audit (room, seq);
CREATE INDEX audit_target ON audit (target, seq);
CREATE INDEX audit_actor ON audit (actor, seq);
CREATE INDEX audit_at ON audit (at);

-- The last seq. Whoever writes to audit takes it from here first, so that the order of numbers is that of commits.
CREATE TABLE audit_clock (
    only_one bigint NOT NULL PRIMARY KEY CHECK (only_one = 1),
    seq      bigint NOT NULL
);
INSERT INTO audit_clock (only_one, seq) VALUES (1, 0);

CREATE TABLE bans (
    room       text   NOT NULL, -- *: everywhere
    target     text   NOT NULL, -- as in audit
    actor      text   NOT NULL,
    reason     text   NOT NULL DEFAULT '',
    created_at bigint NOT NULL,
    expires_at bigint,          -- null: it lasts until it is lifted
    PRIMARY KEY (room, target)
);
CREATE INDEX bans_expire ON bans (expires_at);

CREATE TABLE mutes (
    room       text   NOT NULL, -- *: everywhere
    target     text   NOT NULL, -- a user id
    actor      text   NOT NULL,
    reason     text   NOT NULL DEFAULT '',
    created_at bigint NOT NULL,
    expires_at bigint,
    PRIMARY KEY (room, target)
);
CREATE INDEX mutes_expire ON mutes (expires_at);

CREATE TABLE room_settings (
    room         text   NOT NULL PRIMARY KEY,
    slow_seconds bigint NOT NULL -- between two lines of chat of one user; 0: none
);

-- +goose Down
DROP TABLE room_settings;
DROP TABLE mutes;
DROP TABLE bans;
DROP TABLE audit_clock;
DROP TABLE audit;
