-- Tokens that are no longer good.

-- +goose Up
CREATE TABLE revocations (
    target        text   NOT NULL PRIMARY KEY, -- "jti:" and the id of a token, or "sub:" and a user id
    actor         text   NOT NULL,             -- user id
    reason        text   NOT NULL DEFAULT '',
    created_at    bigint NOT NULL,             -- Unix ms
    issued_before bigint,                      -- Unix ms; null: all of the user's
    expires_at    bigint                       -- Unix ms; null: it lasts until it is taken back
);
CREATE INDEX revocations_expire ON revocations (expires_at);

-- +goose Down
DROP TABLE revocations;
