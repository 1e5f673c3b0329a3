-- A process that looks up a name and connects
-- aliases, 72c728c6-16a2-5f46-b96c-94b73dbd3124, for Sysmon as JSON
-- window: the last 5m; as a rule it runs every 5m
-- approximate: counts in the 5m before each run, where Sigma's window slides with every event; events that straddle two runs' windows can be missed
WITH matched_1 AS (
  SELECT
    "Computer",
    "EventTime",
    "HostKey",
    "Name",
    'lookup' AS "Rule"
  FROM (
    SELECT
      *,
      CASE
        WHEN REGEXP_MATCHES("UtcTime", '[+-][0-9]{2}:?[0-9]{2}$')
        THEN TRY_CAST("UtcTime" AS TIMESTAMPTZ) AT TIME ZONE 'UTC'
        ELSE TRY_CAST("UtcTime" AS TIMESTAMP)
      END AS "EventTime",
      LOWER("Computer") AS "HostKey",
      "QueryName" AS "Name"
    FROM (
      SELECT
        NULLIF("Computer", '') AS "Computer",
        NULLIF("QueryName", '') AS "QueryName",
        NULLIF("UtcTime", '') AS "UtcTime"
      FROM sysmon
      WHERE
        TRY_CAST("EventID" AS BIGINT) = 22
        AND (
          NULLIF("Channel", '') IS NULL
          OR "Channel" = 'Microsoft-Windows-Sysmon/Operational'
        )
    ) AS layer_1
  ) AS recorded
  WHERE
    LOWER("QueryName") LIKE '%.example.net'
    AND "EventTime" >= MAKE_TIMESTAMP(
      (
        EPOCH_US(CAST(NOW() AT TIME ZONE 'UTC' AS TIMESTAMP)) // 300000000
      ) * 300000000
    ) - INTERVAL '300' SECOND
    AND "EventTime" < MAKE_TIMESTAMP(
      (
        EPOCH_US(CAST(NOW() AT TIME ZONE 'UTC' AS TIMESTAMP)) // 300000000
      ) * 300000000
    )
), matched_2 AS (
  SELECT
    "Computer",
    "EventTime",
    "HostKey",
    "Name",
    'whoami' AS "Rule"
  FROM (
    SELECT
      *,
      CASE
        WHEN REGEXP_MATCHES("UtcTime", '[+-][0-9]{2}:?[0-9]{2}$')
        THEN TRY_CAST("UtcTime" AS TIMESTAMPTZ) AT TIME ZONE 'UTC'
        ELSE TRY_CAST("UtcTime" AS TIMESTAMP)
      END AS "EventTime",
      LOWER("Computer") AS "HostKey",
      "CommandLine" AS "Name"
    FROM (
      SELECT
        NULLIF("CommandLine", '') AS "CommandLine",
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
        EPOCH_US(CAST(NOW() AT TIME ZONE 'UTC' AS TIMESTAMP)) // 300000000
      ) * 300000000
    ) - INTERVAL '300' SECOND
    AND "EventTime" < MAKE_TIMESTAMP(
      (
        EPOCH_US(CAST(NOW() AT TIME ZONE 'UTC' AS TIMESTAMP)) // 300000000
      ) * 300000000
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
    "HostKey" IS NOT NULL AND "Name" IS NOT NULL
), step_2 AS (
  SELECT
    "HostKey",
    "Name",
    "Rule",
    COUNT(*) AS "Events",
    MAX("Computer") AS "Computer"
  FROM step_1
  GROUP BY
    "HostKey",
    "Name",
    "Rule"
), step_3 AS (
  SELECT
    "HostKey",
    "Name",
    COUNT(*) AS "RuleCount",
    MAX("Computer") AS "Computer"
  FROM step_2
  GROUP BY
    "HostKey",
    "Name"
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
  "Name",
  "RuleCount"
FROM step_4
