-- Tasks are kept as a log: what was submitted is a row that hardly ever changes, and what
-- became of it is in other tables, so that where a task stands follows from where it is
-- found. In this order:
--
--   ends    it has ended
--   leases  a worker has it (of a server that runs; the next one takes them back)
--   waits   without an ord: it waits for a time
--   ready   it waits for its turn
--
-- task_list, at the end, shows that. seq is the first half of an id: 48 bits of
-- milliseconds since 1970 and 16 that count up, which together are given once. Times are
-- microseconds since 1970 in UTC, durations nanoseconds.

-- Names that rows would else repeat. What is in here stays.
CREATE TABLE names (
  plugin    INTEGER PRIMARY KEY,
  namespace TEXT NOT NULL,
  name      TEXT NOT NULL,
  UNIQUE (namespace, name)
) STRICT;

CREATE TABLE digests (
  n      INTEGER PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE tasks (
  seq        INTEGER PRIMARY KEY,
  id         TEXT    NOT NULL,
  plugin     INTEGER NOT NULL,
  priority   INTEGER NOT NULL,
  version    INTEGER NOT NULL, -- 0: the one that is live when it is run
  digest     INTEGER,
  created_us INTEGER NOT NULL,
  due_us     INTEGER,          -- as it was submitted; NULL: at once
  schedule   TEXT,             -- that submitted it
  terms      TEXT    NOT NULL, -- JSON; empty: as always
  input      BLOB              -- NULL: it is one of the files
) STRICT;

CREATE INDEX tasks_plugin ON tasks (plugin, seq);
CREATE INDEX tasks_schedule ON tasks (schedule, seq) WHERE schedule IS NOT NULL;

-- What waits for its turn, or has it: a lane is what one plugin and priority have in here,
-- in the order of ord. That is the task's seq, or, of one that came later than that says,
-- another number from the same counter, which is then in waits as well.
CREATE TABLE ready (
  plugin   INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  ord      INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  attempt  INTEGER NOT NULL, -- the number of the next one
  callback INTEGER NOT NULL, -- 1: a URL is told when it has ended
  PRIMARY KEY (plugin, priority, ord)
) STRICT, WITHOUT ROWID;

-- What waits for a time, or did and is in ready by now.
CREATE TABLE waits (
  seq      INTEGER PRIMARY KEY,
  plugin   INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  attempt  INTEGER NOT NULL,
  callback INTEGER NOT NULL,
  failed   INTEGER NOT NULL, -- 1: an attempt failed; 0: it was submitted for later
  due_us   INTEGER,
  ord      INTEGER           -- NULL: it waits
) STRICT;

CREATE INDEX waits_due ON waits (due_us, seq) WHERE ord IS NULL;

-- What was leased together, and not all of it is done: JSON, [[seq, attempt], ...].
CREATE TABLE leases (
  n     INTEGER PRIMARY KEY,
  tasks TEXT NOT NULL
) STRICT;

-- Attempts that did not succeed, or left more than ends has room for: JSON, oldest first.
CREATE TABLE tries (
  seq      INTEGER PRIMARY KEY,
  attempts TEXT NOT NULL
) STRICT;

-- Tasks that have ended. From attempt to run_ns is the last attempt, unless tries has it.
CREATE TABLE ends (
  seq        INTEGER PRIMARY KEY,
  plugin     INTEGER NOT NULL,
  state      INTEGER NOT NULL, -- 4 succeeded, 5 dead, 6 canceled
  ended_us   INTEGER NOT NULL,
  expires_us INTEGER NOT NULL,
  attempt    INTEGER,
  begun_us   INTEGER,
  version    INTEGER,
  digest     INTEGER,
  fuel       INTEGER,
  queue_ns   INTEGER,
  run_ns     INTEGER,
  output     BLOB              -- NULL: there is none, or it is one of the files
) STRICT;

CREATE INDEX ends_state ON ends (state, plugin, seq) WHERE state <> 4;
CREATE INDEX ends_expires ON ends (expires_us);

-- Inputs and outputs that are files beside the database, named by their number in 16
-- hexadecimal digits.
CREATE TABLE files (
  seq   INTEGER NOT NULL,
  part  INTEGER NOT NULL, -- 0 input, 1 output
  file  INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (seq, part)
) STRICT, WITHOUT ROWID;

-- Keys under which tasks are submitted once.
CREATE TABLE keys (
  namespace   TEXT    NOT NULL,
  key         TEXT    NOT NULL,
  fingerprint TEXT    NOT NULL,
  id          TEXT    NOT NULL,
  until_us    INTEGER NOT NULL,
  PRIMARY KEY (namespace, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX keys_until ON keys (until_us);

-- What ended tasks owe to a URL.
CREATE TABLE callbacks (
  seq     INTEGER PRIMARY KEY,
  id      TEXT    NOT NULL,
  due_us  INTEGER NOT NULL,
  tried   INTEGER NOT NULL,
  message TEXT    NOT NULL
) STRICT;

CREATE INDEX callbacks_due ON callbacks (due_us, seq);

CREATE TABLE schedules (
  namespace  TEXT    NOT NULL,
  name       TEXT    NOT NULL,
  spec       TEXT    NOT NULL, -- JSON
  created_us INTEGER NOT NULL,
  updated_us INTEGER NOT NULL,
  fired_us   INTEGER, -- the moment that it last submitted a task for
  last       TEXT,    -- that task
  PRIMARY KEY (namespace, name)
) STRICT, WITHOUT ROWID;

-- The greatest id of a task that is gone; at most one row.
CREATE TABLE last (
  id TEXT NOT NULL
) STRICT;

CREATE VIEW task_list AS
WITH leased AS (
  SELECT l.value ->> 0 AS seq, max(l.value ->> 1) AS attempt
  FROM leases, json_each(leases.tasks) AS l GROUP BY 1
), tried AS (
  SELECT seq, attempts ->> '$[#-1].number' AS number, attempts ->> '$[#-1].message' AS message FROM tries
)
SELECT
  t.id,
  n.namespace,
  n.name AS plugin,
  t.priority,
  CASE
    WHEN e.state = 4 THEN 'succeeded'
    WHEN e.state = 5 THEN 'dead'
    WHEN e.state = 6 THEN 'canceled'
    WHEN w.seq IS NOT NULL AND w.ord IS NULL THEN iif(w.failed, 'failed', 'scheduled')
    WHEN l.attempt > coalesce(r.number, 0) THEN 'running'
    ELSE 'queued'
  END AS state,
  coalesce(e.attempt, r.number, 0) AS attempts,
  strftime('%Y-%m-%dT%H:%M:%fZ', t.created_us / 1000 / 1e3, 'unixepoch') AS created,
  strftime('%Y-%m-%dT%H:%M:%fZ', iif(e.seq IS NULL AND w.ord IS NULL, w.due_us, NULL) / 1000 / 1e3, 'unixepoch') AS due,
  strftime('%Y-%m-%dT%H:%M:%fZ', e.ended_us / 1000 / 1e3, 'unixepoch') AS ended,
  r.message
FROM tasks AS t
JOIN names AS n USING (plugin)
LEFT JOIN ends AS e ON e.seq = t.seq
LEFT JOIN waits AS w ON w.seq = t.seq
LEFT JOIN leased AS l ON l.seq = t.seq
LEFT JOIN tried AS r ON r.seq = t.seq;
