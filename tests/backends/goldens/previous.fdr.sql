-- Pauses between the hours with a connection
-- previous, 6c1b4d5e-5d0e-5a56-8f0b-0c9b1f1f3a11, for CrowdStrike Falcon Data Replicator
-- window: the last 24h; as a rule it runs every 1h
-- approximate: a connection is recorded when it is attempted, whether or not it was then established
-- approximate: of a connectionless protocol (UDP) only the first send of a flow is recorded, so its counts are low
WITH matched AS (
  SELECT
    "ComputerName",
    "RemotePort",
    "aid",
    "cid",
    "EventTime"
  FROM (
    SELECT
      *,
      COALESCE(
        MAKE_TIMESTAMP(CAST(ROUND((
          "ContextTimeStamp"
        ) * 1000000) AS BIGINT)),
        MAKE_TIMESTAMP(CAST(ROUND((
          CAST("timestamp" AS DOUBLE) / 1000
        ) * 1000000) AS BIGINT))
      ) AS "EventTime"
    FROM (
      SELECT
        NULLIF("ComputerName", '') AS "ComputerName",
        TRY_CAST("ContextTimeStamp" AS DOUBLE) AS "ContextTimeStamp",
        TRY_CAST("RemotePort" AS BIGINT) AS "RemotePort",
        NULLIF("aid", '') AS "aid",
        NULLIF("cid", '') AS "cid",
        TRY_CAST("timestamp" AS BIGINT) AS "timestamp"
      FROM fdr
      WHERE
        "event_simpleName" IN ('NetworkConnectIP4', 'NetworkConnectIP6')
        AND "event_platform" = 'Win'
    ) AS layer_1
  ) AS recorded
  WHERE
    "EventTime" >= MAKE_TIMESTAMP(
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
    "cid" IS NOT NULL AND "aid" IS NOT NULL AND "RemotePort" IS NOT NULL
), step_2 AS (
  SELECT
    *,
    MAKE_TIMESTAMP((
      EPOCH_US("EventTime") // 3600000000
    ) * 3600000000) AS "Hour"
  FROM step_1
), step_3 AS (
  SELECT
    "cid",
    "aid",
    "RemotePort",
    "Hour",
    COUNT(*) AS "Connections",
    MIN("EventTime") AS "FirstSeen",
    MAX("ComputerName") AS "ComputerName"
  FROM step_2
  GROUP BY
    "cid",
    "aid",
    "RemotePort",
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
    LAG("FirstSeen") OVER (PARTITION BY "cid", "aid", "RemotePort" ORDER BY "FirstSeen" ASC) AS "SeenBefore"
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
    "cid",
    "aid",
    "RemotePort",
    CAST(SUM("Connections") AS BIGINT) AS "Total",
    COUNT(CASE WHEN "Pause" IS NOT NULL THEN 1 END) AS "Pauses",
    MAX("Pause") AS "Longest",
    MAX("ComputerName") AS "ComputerName"
  FROM step_6
  GROUP BY
    "cid",
    "aid",
    "RemotePort"
), step_8 AS (
  SELECT
    *
  FROM step_7
  WHERE
    "Total" >= 2 AND "Pauses" >= 1
)
SELECT
  "ComputerName",
  "cid",
  "aid",
  "RemotePort",
  "Total",
  "Pauses",
  "Longest"
FROM step_8
ORDER BY
  "Longest" DESC,
  "cid" ASC,
  "aid" ASC,
  "RemotePort" ASC
