-- Botnet Node Beaconing to a Public Address
-- botnet_node_beaconing, 5a1d3a52-2a0f-4a4e-8f62-6f0de4a8a9c1 by Polysigma, for CrowdStrike Falcon Data Replicator
-- window: the last 24h; as a rule it runs every 1h
-- approximate: a connection is recorded when it is attempted, whether or not it was then established
-- approximate: of a connectionless protocol (UDP) only the first send of a flow is recorded, so its counts are low
WITH matched AS (
  SELECT
    "ComputerName",
    "ContextBaseFileName",
    "RemotePort",
    "aid",
    "cid",
    "EventTime",
    "RemoteAddress"
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
              NULLIF("ContextBaseFileName", '') AS "ContextBaseFileName",
              TRY_CAST("ContextTimeStamp" AS DOUBLE) AS "ContextTimeStamp",
              NULLIF("RemoteAddressIP4", '') AS "RemoteAddressIP4",
              NULLIF("RemoteAddressIP6", '') AS "RemoteAddressIP6",
              TRY_CAST("RemotePort" AS BIGINT) AS "RemotePort",
              NULLIF("aid", '') AS "aid",
              NULLIF("cid", '') AS "cid",
              TRY_CAST("timestamp" AS BIGINT) AS "timestamp"
            FROM fdr
            WHERE
              "event_simpleName" IN ('NetworkConnectIP4', 'NetworkConnectIP6')
          ) AS layer_1
        ) AS layer_2
      ) AS layer_3
    ) AS layer_4
  ) AS recorded
  WHERE
    "RemoteAddress" IS NOT NULL
    AND NOT COALESCE(
      (
        (
          "RemoteAddress" LIKE '0.%'
          OR "RemoteAddress" LIKE '10.%'
          OR (
            "RemoteAddress" LIKE '100.%'
            AND TRY_CAST(SPLIT_PART("RemoteAddress", '.', 2) AS INT) BETWEEN 64 AND 127
          )
          OR "RemoteAddress" LIKE '127.%'
          OR "RemoteAddress" LIKE '169.254.%'
          OR (
            "RemoteAddress" LIKE '172.%'
            AND TRY_CAST(SPLIT_PART("RemoteAddress", '.', 2) AS INT) BETWEEN 16 AND 31
          )
          OR "RemoteAddress" LIKE '192.0.0.%'
          OR "RemoteAddress" LIKE '192.88.99.%'
          OR "RemoteAddress" LIKE '192.168.%'
          OR (
            "RemoteAddress" LIKE '198.%'
            AND TRY_CAST(SPLIT_PART("RemoteAddress", '.', 2) AS INT) BETWEEN 18 AND 19
          )
          OR TRY_CAST(SPLIT_PART("RemoteAddress", '.', 1) AS INT) BETWEEN 224 AND 239
          OR TRY_CAST(SPLIT_PART("RemoteAddress", '.', 1) AS INT) BETWEEN 240 AND 255
        )
        AND REGEXP_FULL_MATCH(
          "RemoteAddress",
          '(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}'
        )
      )
      OR (
        (
          "RemoteAddress" = '0000:0000:0000:0000:0000:0000:0000:0000'
          OR "RemoteAddress" = '0000:0000:0000:0000:0000:0000:0000:0001'
          OR "RemoteAddress" LIKE '0064:ff9b:0001:%'
          OR "RemoteAddress" LIKE '0100:0000:0000:0000:%'
          OR "RemoteAddress" LIKE 'fc%'
          OR "RemoteAddress" LIKE 'fd%'
          OR "RemoteAddress" LIKE 'fe8%'
          OR "RemoteAddress" LIKE 'fe9%'
          OR "RemoteAddress" LIKE 'fea%'
          OR "RemoteAddress" LIKE 'feb%'
          OR "RemoteAddress" LIKE 'ff%'
        )
        AND REGEXP_FULL_MATCH("RemoteAddress", '[0-9a-f]{4}(:[0-9a-f]{4}){7}')
      ),
      FALSE
    )
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
    "RemoteAddress",
    "RemotePort",
    "Hour",
    COUNT(*) AS "HourlyConnections",
    LIST_SLICE(
      LIST_SORT(
        LIST(DISTINCT "ContextBaseFileName") FILTER(WHERE
          "ContextBaseFileName" IS NOT NULL)
      ),
      1,
      5
    ) AS "Processes",
    MAX("ComputerName") AS "ComputerName"
  FROM step_2
  GROUP BY
    "cid",
    "aid",
    "RemoteAddress",
    "RemotePort",
    "Hour"
), step_4 AS (
  SELECT
    "cid",
    "aid",
    "RemoteAddress",
    "RemotePort",
    CAST(SUM("HourlyConnections") AS BIGINT) AS "TotalConnections",
    COUNT(*) AS "ActiveHours",
    MIN("HourlyConnections") AS "MinHourlyConnections",
    MAX("HourlyConnections") AS "MaxHourlyConnections",
    LIST_SLICE(
      LIST_SORT(
        LIST_DISTINCT(FLATTEN(LIST("Processes") FILTER(WHERE
          "Processes" IS NOT NULL)))
      ),
      1,
      10
    ) AS "Processes",
    MAX("ComputerName") AS "ComputerName"
  FROM step_3
  GROUP BY
    "cid",
    "aid",
    "RemoteAddress",
    "RemotePort"
), step_5 AS (
  SELECT
    *
  FROM step_4
  WHERE
    "TotalConnections" >= 20 AND "ActiveHours" >= 3
), step_6 AS (
  SELECT
    *,
    COALESCE(
      "RemotePort" IN (1080, 4444, 6660, 6661, 6662, 6663, 6664, 6665, 6666, 6667, 6668, 6669, 6697),
      FALSE
    ) AS "WatchedPort",
    CAST("TotalConnections" AS DOUBLE) / NULLIF("ActiveHours", 0) AS "ConnectionsPerHour"
  FROM step_5
), step_7 AS (
  SELECT
    *,
    CASE
      WHEN "WatchedPort" = TRUE
      THEN 3
      WHEN "ConnectionsPerHour" > 10 AND "TotalConnections" > 50
      THEN 2
      WHEN "TotalConnections" > 200
      THEN 2
      WHEN "TotalConnections" > 100
      THEN 1
      ELSE 0
    END AS "BeaconingScore"
  FROM step_6
), step_8 AS (
  SELECT
    *
  FROM step_7
  WHERE
    "BeaconingScore" >= 1
)
SELECT
  "ComputerName",
  "cid",
  "aid",
  "RemoteAddress",
  "RemotePort",
  "TotalConnections",
  "ActiveHours",
  "MinHourlyConnections",
  "MaxHourlyConnections",
  "Processes",
  "WatchedPort",
  "ConnectionsPerHour",
  "BeaconingScore"
FROM step_8
ORDER BY
  "BeaconingScore" DESC,
  "TotalConnections" DESC,
  "cid" ASC,
  "aid" ASC,
  "RemoteAddress" ASC,
  "RemotePort" ASC
