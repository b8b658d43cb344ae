-- Times are milliseconds since 1970. `kind` tells what `value` is:
-- 0 long, 1 double, 2 truth value (0 or 1), 3 text, 4 JSON.
CREATE TABLE IF NOT EXISTS devices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL,
    last_seen_ms INTEGER,
    certificate BLOB UNIQUE, -- DER of the leaf, for X.509 credentials
    token TEXT UNIQUE,       -- the access token, for the other kind
    CHECK ((certificate IS NULL) <> (token IS NULL))
);
CREATE TABLE IF NOT EXISTS keys (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS series (
    device INTEGER NOT NULL,
    key INTEGER NOT NULL,
    ts_ms INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    value,
    PRIMARY KEY (device, key, ts_ms)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS latest (
    device INTEGER NOT NULL,
    key INTEGER NOT NULL,
    ts_ms INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    value,
    PRIMARY KEY (device, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attributes (
    device INTEGER NOT NULL,
    scope INTEGER NOT NULL, -- 0 client, 1 shared
    key TEXT NOT NULL,
    updated_ms INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    value,
    PRIMARY KEY (device, scope, key)
) WITHOUT ROWID;
-- Device profiles and dashboards, as ThingsBoard's REST interface has them.
CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL, -- 0 device profile, 1 dashboard
    created_ms INTEGER NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL -- JSON
);
-- Which profile let a device in; the default one where there is no row.
CREATE TABLE IF NOT EXISTS memberships (
    device INTEGER PRIMARY KEY,
    profile INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS claims (
    device INTEGER PRIMARY KEY,
    secret TEXT NOT NULL,
    expires_ms INTEGER NOT NULL
);
-- Devices that are the customer's, of whom there is one.
CREATE TABLE IF NOT EXISTS owned (
    device INTEGER PRIMARY KEY
);
-- Packages of firmware; those of no profile were given to one device alone, and are gone with their last.
CREATE TABLE IF NOT EXISTS packages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created_ms INTEGER NOT NULL,
    profile INTEGER,
    title TEXT NOT NULL,
    version TEXT NOT NULL,
    tag TEXT,
    data BLOB
);
CREATE UNIQUE INDEX IF NOT EXISTS package_names ON packages (title, version) WHERE profile IS NOT NULL;
-- Which package a device has of its own; without one it has that of its profile.
CREATE TABLE IF NOT EXISTS assigned (
    device INTEGER PRIMARY KEY,
    package INTEGER NOT NULL
);
