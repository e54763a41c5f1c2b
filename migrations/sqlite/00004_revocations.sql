-- Tokens that are no longer good.

-- +goose Up
CREATE TABLE revocations (
    target        TEXT    NOT NULL PRIMARY KEY, -- "jti:" and the id of a token, or "sub:" and a user id
    actor         TEXT    NOT NULL,             -- user id
    reason        TEXT    NOT NULL DEFAULT '',
    created_at    INTEGER NOT NULL,             -- Unix ms
    issued_before INTEGER,                      -- Unix ms; null: all of the user's
    expires_at    INTEGER                       -- Unix ms; null: it lasts until it is taken back
) STRICT;
CREATE INDEX revocations_expire ON revocations (expires_at);

-- +goose Down
DROP TABLE revocations;
