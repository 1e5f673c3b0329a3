-- Several attempts, then a question who one is
-- chain_over_several, 6c1d3c0e-8f37-4f39-9c4f-2b1d9a7a4c55, for Sysmon as JSON
-- window: the last 1h; as a rule it runs every 1h
-- approximate: the inner correlation counts in fixed windows of 5m; events that straddle two of them can be missed
-- approximate: in an order a hit of a correlation counts as there from its first event to its last
-- approximate: counts in the 1h before each run, where Sigma's window slides with every event; events that straddle two runs' windows can be missed
WITH matched_1 AS (
  SELECT
    "Computer",
    "EventTime",
    "HostKey",
    'run_as' AS "Rule"
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
    LOWER("Image") LIKE '%\runas.exe'
    AND "EventTime" >= MAKE_TIMESTAMP(
      (
        EPOCH_US(CAST(NOW() AT TIME ZONE 'UTC' AS TIMESTAMP)) // 300000000
      ) * 300000000
    ) - INTERVAL '3600' SECOND
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
        EPOCH_US(CAST(NOW() AT TIME ZONE 'UTC' AS TIMESTAMP)) // 300000000
      ) * 300000000
    ) - INTERVAL '3600' SECOND
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
), step_1_1_0 AS (
  SELECT
    *
  FROM step_0
  WHERE
    "Rule" IN ('run_as')
), step_1_1_1 AS (
  SELECT
    *
  FROM step_1_1_0
  WHERE
    "EventTime" IS NOT NULL AND "HostKey" IS NOT NULL
), step_1_1_2 AS (
  SELECT
    *,
    MAKE_TIMESTAMP((
      EPOCH_US("EventTime") // 300000000
    ) * 300000000) AS "Window"
  FROM step_1_1_1
), step_1_1_3 AS (
  SELECT
    "HostKey",
    "Window",
    COUNT(*) AS "EventCount",
    MIN("EventTime") AS "EventTime",
    MAX("EventTime") AS "EventEnd",
    MAX("Computer") AS "Computer"
  FROM step_1_1_2
  GROUP BY
    "HostKey",
    "Window"
), step_1_1_4 AS (
  SELECT
    *
  FROM step_1_1_3
  WHERE
    "EventCount" >= 5
), hits_1_1 AS (
  SELECT
    "HostKey",
    "Computer",
    "EventEnd",
    "EventTime",
    'several_attempts' AS "Rule"
  FROM step_1_1_4
), step_1_2_0 AS (
  SELECT
    *
  FROM step_0
  WHERE
    "Rule" IN ('whoami')
), step_1_2_1 AS (
  SELECT
    *,
    "EventTime" AS "EventEnd"
  FROM step_1_2_0
), hits_1_2 AS (
  SELECT
    "HostKey",
    "Computer",
    "EventEnd",
    "EventTime",
    'whoami' AS "Rule"
  FROM step_1_2_1
), step_1 AS (
  SELECT
    *
  FROM hits_1_1
  UNION ALL
  SELECT
    *
  FROM hits_1_2
), step_2 AS (
  SELECT
    *
  FROM step_1
  WHERE
    "HostKey" IS NOT NULL
), step_3 AS (
  SELECT
    *
  FROM step_2
  WHERE
    "EventTime" IS NOT NULL AND "EventEnd" IS NOT NULL
), step_4 AS (
  SELECT
    "HostKey",
    MAX("Computer") AS "Computer",
    MIN(CASE WHEN "Rule" = 'several_attempts' THEN "EventTime" END) AS "From1",
    MAX(CASE WHEN "Rule" = 'whoami' THEN "EventEnd" END) AS "Until2"
  FROM step_3
  GROUP BY
    "HostKey"
), step_5 AS (
  SELECT
    *
  FROM step_4
  WHERE
    "From1" <= "Until2"
)
SELECT
  "Computer",
  "HostKey"
FROM step_5
