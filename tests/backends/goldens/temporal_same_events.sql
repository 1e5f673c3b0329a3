-- The user's name, and all of it
-- temporal_same_events, 0d0c9f1e-5c0e-4d4a-9d2c-3f0a8c1b7e55, for Sysmon as JSON
-- window: the last 15m; as a rule it runs every 15m
-- approximate: counts in the 15m before each run, where Sigma's window slides with every event; events that straddle two runs' windows can be missed
WITH matched_1 AS (
  SELECT
    "Computer",
    "EventTime",
    "HostKey",
    'whoami' AS "Rule"
  FROM (
    SELECT
      *,
      CASE
        WHEN REGEXP_MATCHES("UtcTime", '[+-][0-9]{2}:?[0-9]{2}$')
        THEN TRY_CAST("UtcTime" AS TIMESTAMPTZ) AT TIME ZONE 'UTC'
        ELSE TRY_CAST("UtcTime" AS TIMESTAMP)
      END AS "EventTime",
      LOWER("Computer") AS "HostKey"
    FROM (
      SELECT
        NULLIF("Computer", '') AS "Computer",
        NULLIF("Image", '') AS "Image",
        NULLIF("UtcTime", '') AS "UtcTime"
      FROM sysmon
      WHERE
        TRY_CAST("EventID" AS BIGINT) = 1
        AND (
          NULLIF("Channel", '') IS NULL
          OR "Channel" = 'Microsoft-Windows-Sysmon/Operational'
        )
    ) AS layer_1
  ) AS recorded
  WHERE
    LOWER("Image") LIKE '%\whoami.exe'
    AND "EventTime" >= MAKE_TIMESTAMP(
      (
        EPOCH_US(CAST(NOW() AT TIME ZONE 'UTC' AS TIMESTAMP)) // 900000000
      ) * 900000000
    ) - INTERVAL '900' SECOND
    AND "EventTime" < MAKE_TIMESTAMP(
      (
        EPOCH_US(CAST(NOW() AT TIME ZONE 'UTC' AS TIMESTAMP)) // 900000000
      ) * 900000000
    )
), matched_2 AS (
  SELECT
    "Computer",
    "EventTime",
    "HostKey",
    'child' AS "Rule"
  FROM (
    SELECT
      *,
      CASE
        WHEN REGEXP_MATCHES("UtcTime", '[+-][0-9]{2}:?[0-9]{2}$')
        THEN TRY_CAST("UtcTime" AS TIMESTAMPTZ) AT TIME ZONE 'UTC'
        ELSE TRY_CAST("UtcTime" AS TIMESTAMP)
      END AS "EventTime",
      LOWER("Computer") AS "HostKey"
    FROM (
      SELECT
        NULLIF("CommandLine", '') AS "CommandLine",
        NULLIF("Computer", '') AS "Computer",
        NULLIF("UtcTime", '') AS "UtcTime"
      FROM sysmon
      WHERE
        TRY_CAST("EventID" AS BIGINT) = 1
        AND (
          NULLIF("Channel", '') IS NULL
          OR "Channel" = 'Microsoft-Windows-Sysmon/Operational'
        )
    ) AS layer_1
  ) AS recorded
  WHERE
    LOWER("CommandLine") LIKE '%/all%'
    AND "EventTime" >= MAKE_TIMESTAMP(
      (
        EPOCH_US(CAST(NOW() AT TIME ZONE 'UTC' AS TIMESTAMP)) // 900000000
      ) * 900000000
    ) - INTERVAL '900' SECOND
    AND "EventTime" < MAKE_TIMESTAMP(
      (
        EPOCH_US(CAST(NOW() AT TIME ZONE 'UTC' AS TIMESTAMP)) // 900000000
      ) * 900000000
    )
), step_0 AS (
  SELECT
    *
  FROM matched_1
  UNION ALL
  SELECT
    *
  FROM matched_2
), step_1 AS (
  SELECT
    *
  FROM step_0
  WHERE
    "HostKey" IS NOT NULL
), step_2 AS (
  SELECT
    "HostKey",
    "Rule",
    COUNT(*) AS "Events",
    MAX("Computer") AS "Computer"
  FROM step_1
  GROUP BY
    "HostKey",
    "Rule"
), step_3 AS (
  SELECT
    "HostKey",
    COUNT(*) AS "RuleCount",
    MAX("Computer") AS "Computer"
  FROM step_2
  GROUP BY
    "HostKey"
), step_4 AS (
  SELECT
    *
  FROM step_3
  WHERE
    "RuleCount" >= 2
)
SELECT
  "Computer",
  "HostKey",
  "RuleCount"
FROM step_4
