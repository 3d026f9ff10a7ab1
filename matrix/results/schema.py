"""The tables of a sweep's store, and how those of earlier versions become those of this one."""

from __future__ import annotations

import sqlite3

_VERSION_1 = """
CREATE TABLE trials (
    id TEXT PRIMARY KEY,         -- hash of everything that determines the outcome
    cell TEXT NOT NULL,          -- hash of the levels
    factors TEXT NOT NULL,       -- JSON object: name to level
    seed INTEGER NOT NULL,
    repeat INTEGER NOT NULL,
    outcome TEXT NOT NULL,       -- ran, skipped, unsatisfiable, failed-to-start
    reason TEXT,
    verdict TEXT,
    signature TEXT,
    phase TEXT,
    step INTEGER,
    culprit TEXT,
    culprit_file TEXT,
    library TEXT,
    cause TEXT,
    exception TEXT,
    signal TEXT,
    heap_message TEXT,
    summary TEXT,
    confidence REAL,
    observed_s REAL,
    detected_after_s REAL,
    phases TEXT NOT NULL,        -- JSON object: phase to {count, total_s, max_s}
    wall_s REAL,
    started_at TEXT,             -- UTC
    lock TEXT,                   -- locks.id
    folder TEXT                  -- of the run, relative to the sweep's
);
CREATE TABLE locks (
    versions TEXT PRIMARY KEY,   -- hash of what a library set asks for
    id TEXT NOT NULL,
    python TEXT NOT NULL,
    text TEXT NOT NULL,          -- requirements file with every package pinned
    resolved_at TEXT NOT NULL    -- UTC
);
"""
_VERSION_2 = """
ALTER TABLE trials ADD COLUMN artifacts TEXT NOT NULL DEFAULT '{}';  -- JSON object: name to path below the sweep's
ALTER TABLE trials ADD COLUMN host TEXT;              -- the machine that it ran on
ALTER TABLE trials ADD COLUMN gpu TEXT;               -- that was picked for it
ALTER TABLE trials ADD COLUMN peak_rss_bytes INTEGER; -- of all its processes together
ALTER TABLE trials ADD COLUMN beside REAL;            -- other trials of the sweep meanwhile, on average
ALTER TABLE trials ADD COLUMN load_before REAL;       -- load average over a minute
ALTER TABLE trials ADD COLUMN load_after REAL;
ALTER TABLE trials ADD COLUMN steal REAL;             -- share of its cores' time that the hypervisor took
ALTER TABLE trials ADD COLUMN throttled_s REAL;       -- held back by the CPU quota
ALTER TABLE trials ADD COLUMN stack TEXT;             -- where it stood: module:function, innermost call first
"""
_STEPS = (_VERSION_1, _VERSION_2)
"""From each version to the next; a store that is made takes all of them: it can't differ from a migrated one."""
VERSION = len(_STEPS)


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """
    Brings a store from ``version`` (0: a new one) to this one: all of the way or not at all.

    :raises sqlite3.Error: it can't be written, or holds something else.
    """
    steps = "".join(_STEPS[version:])
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version={VERSION}; COMMIT;")


def columns(connection: sqlite3.Connection) -> set[str]:
    """Names of the columns of a row per trial."""
    return {row[1] for row in connection.execute("PRAGMA table_info(trials)")}
