-- A user's name, a lookup and a connection
-- temporal, 5f278d56-c683-59f5-a339-78abef24df97, for CrowdStrike Falcon Data Replicator
-- window: the last 15m; as a rule it runs every 15m
-- approximate: DnsRequest is deduplicated per process by name and answers for up to 24 hours, so that in a shorter window a name that was asked for earlier is missing
-- approximate: a connection is recorded when it is attempted, whether or not it was then established
-- approximate: counts in the 15m before each run, where Sigma's window slides with every event; events that straddle two runs' windows can be missed
WITH matched_1 AS (
  SELECT
    "ComputerName",
    "aid",
    "cid",
    "EventTime",
    'whoami' AS "Rule"
  FROM (
    SELECT
      *,
      COALESCE(
        MAKE_TIMESTAMP(CAST(ROUND((
          "ContextTimeStamp"
        ) * 1000000) AS BIGINT)),
        MAKE_TIMESTAMP(CAST(ROUND((
          "ProcessStartTime"
        ) * 1000000) AS BIGINT)),
        MAKE_TIMESTAMP(CAST(ROUND((
          CAST("timestamp" AS DOUBLE) / 1000
        ) * 1000000) AS BIGINT))
      ) AS "EventTime"
    FROM (
      SELECT
        NULLIF("ComputerName", '') AS "ComputerName",
        TRY_CAST("ContextTimeStamp" AS DOUBLE) AS "ContextTimeStamp",
        NULLIF("ImageFileName", '') AS "ImageFileName",
        TRY_CAST("ProcessStartTime" AS DOUBLE) AS "ProcessStartTime",
        NULLIF("aid", '') AS "aid",
        NULLIF("cid", '') AS "cid",
        TRY_CAST("timestamp" AS BIGINT) AS "timestamp"
      FROM fdr
      WHERE
        "event_simpleName" IN ('ProcessRollup2', 'SyntheticProcessRollup2')
        AND "event_platform" = 'Win'
    ) AS layer_1
  ) AS recorded
  WHERE
    LOWER("ImageFileName") LIKE '%\whoami.exe'
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
    "ComputerName",
    "aid",
    "cid",
    "EventTime",
    'lookup' AS "Rule"
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
        NULLIF("DomainName", '') AS "DomainName",
        NULLIF("aid", '') AS "aid",
        NULLIF("cid", '') AS "cid",
        TRY_CAST("timestamp" AS BIGINT) AS "timestamp"
      FROM fdr
      WHERE
        "event_simpleName" IN ('DnsRequest', 'SuspiciousDnsRequest')
        AND "event_platform" = 'Win'
    ) AS layer_1
  ) AS recorded
  WHERE
    LOWER("DomainName") LIKE '%.example.net'
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
), matched_3 AS (
  SELECT
    "ComputerName",
    "aid",
    "cid",
    "EventTime",
    'outbound' AS "Rule"
  FROM (
    SELECT
      *,
      CASE
        WHEN NOT "RemoteAddress_written" LIKE '%:%'
        THEN "RemoteAddress_written"
        WHEN REGEXP_FULL_MATCH(
          "RemoteAddress_written",
          '(0*:)+ffff:(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}'
        )
        THEN REGEXP_REPLACE("RemoteAddress_written", '^(0*:)+ffff:([0-9.]+)$', '\2', 'g')
        WHEN NOT (
          REGEXP_FULL_MATCH(
            "RemoteAddress_written",
            '([0-9a-f]{1,4}(:[0-9a-f]{1,4})*)?::([0-9a-f]{1,4}(:[0-9a-f]{1,4})*)?|[0-9a-f]{1,4}(:[0-9a-f]{1,4})*'
          )
          AND REGEXP_FULL_MATCH("RemoteAddress_full", '[0-9a-f]{4}(:[0-9a-f]{4}){7}')
        )
        THEN "RemoteAddress_written"
        WHEN "RemoteAddress_full" LIKE '0000:0000:0000:0000:0000:ffff:%'
        THEN CONCAT_WS(
          '.',
          CAST('0x' || SUBSTRING("RemoteAddress_full", 31, 2) AS INT),
          CAST('0x' || SUBSTRING("RemoteAddress_full", 33, 2) AS INT),
          CAST('0x' || SUBSTRING("RemoteAddress_full", 36, 2) AS INT),
          CAST('0x' || SUBSTRING("RemoteAddress_full", 38, 2) AS INT)
        )
        ELSE "RemoteAddress_full"
      END AS "RemoteAddress"
    FROM (
      SELECT
        *,
        CASE
          WHEN "RemoteAddress_written" LIKE '%:%'
          THEN REGEXP_REPLACE(
            REPLACE(
              "RemoteAddress_padded",
              '::',
              ':' || REPEAT('0000:', 8 - CAST(LENGTH(REPLACE("RemoteAddress_padded", ':', '')) / 4 AS INT))
            ),
            '^:|:$',
            '',
            'g'
          )
        END AS "RemoteAddress_full"
      FROM (
        SELECT
          *,
          CASE
            WHEN "RemoteAddress_written" LIKE '%:%'
            THEN REGEXP_REPLACE(
              REGEXP_REPLACE("RemoteAddress_written", '(^|:)([0-9a-f]{1,4})', '\1000\2', 'g'),
              '(^|:)[0-9a-f]*([0-9a-f]{4})',
              '\1\2',
              'g'
            )
          END AS "RemoteAddress_padded"
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
            ) AS "EventTime",
            CASE
              WHEN COALESCE("RemoteAddressIP4", "RemoteAddressIP6") LIKE '%:%'
              THEN REGEXP_REPLACE(LOWER(COALESCE("RemoteAddressIP4", "RemoteAddressIP6")), '%.*$', '', 'g')
              ELSE LOWER(COALESCE("RemoteAddressIP4", "RemoteAddressIP6"))
            END AS "RemoteAddress_written"
          FROM (
            SELECT
              NULLIF("ComputerName", '') AS "ComputerName",
              TRY_CAST("ContextTimeStamp" AS DOUBLE) AS "ContextTimeStamp",
              NULLIF("RemoteAddressIP4", '') AS "RemoteAddressIP4",
              NULLIF("RemoteAddressIP6", '') AS "RemoteAddressIP6",
              NULLIF("aid", '') AS "aid",
              NULLIF("cid", '') AS "cid",
              TRY_CAST("timestamp" AS BIGINT) AS "timestamp"
            FROM fdr
            WHERE
              "event_simpleName" IN ('NetworkConnectIP4', 'NetworkConnectIP6')
              AND "event_platform" = 'Win'
          ) AS layer_1
        ) AS layer_2
      ) AS layer_3
    ) AS layer_4
  ) AS recorded
  WHERE
    (
      "RemoteAddress" LIKE '203.0.113.%'
      AND REGEXP_FULL_MATCH(
        "RemoteAddress",
        '(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}'
      )
    )
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
  UNION ALL
  SELECT
    *
  FROM matched_3
), step_1 AS (
  SELECT
    *
  FROM step_0
  WHERE
    "cid" IS NOT NULL AND "aid" IS NOT NULL
), step_2 AS (
  SELECT
    "cid",
    "aid",
    "Rule",
    COUNT(*) AS "Events",
    MAX("ComputerName") AS "ComputerName"
  FROM step_1
  GROUP BY
    "cid",
    "aid",
    "Rule"
), step_3 AS (
  SELECT
    "cid",
    "aid",
    COUNT(*) AS "RuleCount",
    MAX("ComputerName") AS "ComputerName"
  FROM step_2
  GROUP BY
    "cid",
    "aid"
), step_4 AS (
  SELECT
    *
  FROM step_3
  WHERE
    "RuleCount" >= 3
)
SELECT
  "ComputerName",
  "cid",
  "aid",
  "RuleCount"
FROM step_4
