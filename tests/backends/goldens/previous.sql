-- Pauses between the hours with a connection
-- previous, 6c1b4d5e-5d0e-5a56-8f0b-0c9b1f1f3a11, for Sysmon as JSON
-- window: the last 24h; as a rule it runs every 1h
-- approximate: Sysmon records connections only as its configuration says, and by default none
WITH matched AS (
  SELECT
    "Computer",
    "DestinationPort",
    "EventTime",
    "HostKey"
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
        TRY_CAST("DestinationPort" AS BIGINT) AS "DestinationPort",
        TRY_CAST("Initiated" AS BOOLEAN) AS "Initiated",
        NULLIF("UtcTime", '') AS "UtcTime"
      FROM sysmon
      WHERE
        TRY_CAST("EventID" AS BIGINT) = 3
        AND (
          NULLIF("Channel", '') IS NULL
          OR "Channel" = 'Microsoft-Windows-Sysmon/Operational'
        )
    ) AS layer_1
  ) AS recorded
  WHERE
    "Initiated" = TRUE
    AND "EventTime" >= MAKE_TIMESTAMP(
      (
        EPOCH_US(CAST(NOW() AT TIME ZONE 'UTC' AS TIMESTAMP)) // 3600000000
      ) * 3600000000
    ) - INTERVAL '86400' SECOND
    AND "EventTime" < MAKE_TIMESTAMP(
      (
        EPOCH_US(CAST(NOW() AT TIME ZONE 'UTC' AS TIMESTAMP)) // 3600000000
      ) * 3600000000
    )
), step_1 AS (
  SELECT
    *
  FROM matched
  WHERE
    "EventTime" IS NOT NULL
    AND "HostKey" IS NOT NULL
    AND "DestinationPort" IS NOT NULL
), step_2 AS (
  SELECT
    *,
    MAKE_TIMESTAMP((
      EPOCH_US("EventTime") // 3600000000
    ) * 3600000000) AS "Hour"
  FROM step_1
), step_3 AS (
  SELECT
    "HostKey",
    "DestinationPort",
    "Hour",
    COUNT(*) AS "Connections",
    MIN("EventTime") AS "FirstSeen",
    MAX("Computer") AS "Computer"
  FROM step_2
  GROUP BY
    "HostKey",
    "DestinationPort",
    "Hour"
), step_4 AS (
  SELECT
    *
  FROM step_3
  WHERE
    "FirstSeen" IS NOT NULL
), step_5 AS (
  SELECT
    *,
    LAG("FirstSeen") OVER (PARTITION BY "HostKey", "DestinationPort" ORDER BY "FirstSeen" ASC) AS "SeenBefore"
  FROM step_4
), step_6 AS (
  SELECT
    *,
    CAST((
      EPOCH_US("FirstSeen") - EPOCH_US("SeenBefore")
    ) AS DOUBLE) / 1000000 AS "Pause"
  FROM step_5
), step_7 AS (
  SELECT
    "HostKey",
    "DestinationPort",
    CAST(SUM("Connections") AS BIGINT) AS "Total",
    COUNT(CASE WHEN "Pause" IS NOT NULL THEN 1 END) AS "Pauses",
    MAX("Pause") AS "Longest",
    MAX("Computer") AS "Computer"
  FROM step_6
  GROUP BY
    "HostKey",
    "DestinationPort"
), step_8 AS (
  SELECT
    *
  FROM step_7
  WHERE
    "Total" >= 2 AND "Pauses" >= 1
)
SELECT
  "Computer",
  "HostKey",
  "DestinationPort",
  "Total",
  "Pauses",
  "Longest"
FROM step_8
ORDER BY
  "Longest" DESC,
  "HostKey" ASC,
  "DestinationPort" ASC
