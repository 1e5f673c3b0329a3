-- Botnet Node Beaconing to a Public Address
-- botnet_node_beaconing, 5a1d3a52-2a0f-4a4e-8f62-6f0de4a8a9c1 by Polysigma, for Sysmon as JSON
-- window: the last 24h; as a rule it runs every 1h
-- approximate: Sysmon records connections only as its configuration says, and by default none
-- approximate: counts in the 24h before each run, where Sigma's window slides with every event; events that straddle two runs' windows can be missed
WITH matched AS (
  SELECT
    "Computer",
    "DestinationPort",
    "DestinationAddress",
    "EventTime",
    "HostKey"
  FROM (
    SELECT
      *,
      CASE
        WHEN NOT "DestinationAddress_written" LIKE '%:%'
        THEN "DestinationAddress_written"
        WHEN REGEXP_FULL_MATCH(
          "DestinationAddress_written",
          '(0*:)+ffff:(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}'
        )
        THEN REGEXP_REPLACE("DestinationAddress_written", '^(0*:)+ffff:([0-9.]+)$', '\2', 'g')
        WHEN NOT (
          REGEXP_FULL_MATCH(
            "DestinationAddress_written",
            '([0-9a-f]{1,4}(:[0-9a-f]{1,4})*)?::([0-9a-f]{1,4}(:[0-9a-f]{1,4})*)?|[0-9a-f]{1,4}(:[0-9a-f]{1,4})*'
          )
          AND REGEXP_FULL_MATCH("DestinationAddress_full", '[0-9a-f]{4}(:[0-9a-f]{4}){7}')
        )
        THEN "DestinationAddress_written"
        WHEN "DestinationAddress_full" LIKE '0000:0000:0000:0000:0000:ffff:%'
        THEN CONCAT_WS(
          '.',
          CAST('0x' || SUBSTRING("DestinationAddress_full", 31, 2) AS INT),
          CAST('0x' || SUBSTRING("DestinationAddress_full", 33, 2) AS INT),
          CAST('0x' || SUBSTRING("DestinationAddress_full", 36, 2) AS INT),
          CAST('0x' || SUBSTRING("DestinationAddress_full", 38, 2) AS INT)
        )
        ELSE "DestinationAddress_full"
      END AS "DestinationAddress"
    FROM (
      SELECT
        *,
        CASE
          WHEN "DestinationAddress_written" LIKE '%:%'
          THEN REGEXP_REPLACE(
            REPLACE(
              "DestinationAddress_padded",
              '::',
              ':' || REPEAT(
                '0000:',
                8 - CAST(LENGTH(REPLACE("DestinationAddress_padded", ':', '')) / 4 AS INT)
              )
            ),
            '^:|:$',
            '',
            'g'
          )
        END AS "DestinationAddress_full"
      FROM (
        SELECT
          *,
          CASE
            WHEN "DestinationAddress_written" LIKE '%:%'
            THEN REGEXP_REPLACE(
              REGEXP_REPLACE("DestinationAddress_written", '(^|:)([0-9a-f]{1,4})', '\1000\2', 'g'),
              '(^|:)[0-9a-f]*([0-9a-f]{4})',
              '\1\2',
              'g'
            )
          END AS "DestinationAddress_padded"
        FROM (
          SELECT
            *,
            CASE
              WHEN "DestinationIp" LIKE '%:%'
              THEN REGEXP_REPLACE(LOWER("DestinationIp"), '%.*$', '', 'g')
              ELSE LOWER("DestinationIp")
            END AS "DestinationAddress_written",
            CASE
              WHEN REGEXP_MATCHES("UtcTime", '[+-][0-9]{2}:?[0-9]{2}$')
              THEN TRY_CAST("UtcTime" AS TIMESTAMPTZ) AT TIME ZONE 'UTC'
              ELSE TRY_CAST("UtcTime" AS TIMESTAMP)
            END AS "EventTime",
            LOWER("Computer") AS "HostKey"
          FROM (
            SELECT
              NULLIF("Computer", '') AS "Computer",
              NULLIF("DestinationIp", '') AS "DestinationIp",
              TRY_CAST("DestinationPort" AS BIGINT) AS "DestinationPort",
              TRY_CAST("Initiated" AS BOOLEAN) AS "Initiated",
              NULLIF("UtcTime", '') AS "UtcTime"
            FROM sysmon
            WHERE
              TRY_CAST("EventID" AS BIGINT) = 3
              AND (
                NULLIF("Channel", '') IS NULL
                OR "Channel" IN ('Microsoft-Windows-Sysmon/Operational', 'Linux-Sysmon/Operational')
              )
          ) AS layer_1
        ) AS layer_2
      ) AS layer_3
    ) AS layer_4
  ) AS recorded
  WHERE
    "Initiated" = TRUE
    AND "DestinationAddress" IS NOT NULL
    AND NOT COALESCE(
      (
        (
          "DestinationAddress" LIKE '0.%'
          OR "DestinationAddress" LIKE '10.%'
          OR (
            "DestinationAddress" LIKE '100.%'
            AND TRY_CAST(SPLIT_PART("DestinationAddress", '.', 2) AS INT) BETWEEN 64 AND 127
          )
          OR "DestinationAddress" LIKE '127.%'
          OR "DestinationAddress" LIKE '169.254.%'
          OR (
            "DestinationAddress" LIKE '172.%'
            AND TRY_CAST(SPLIT_PART("DestinationAddress", '.', 2) AS INT) BETWEEN 16 AND 31
          )
          OR "DestinationAddress" LIKE '192.0.0.%'
          OR "DestinationAddress" LIKE '192.88.99.%'
          OR "DestinationAddress" LIKE '192.168.%'
          OR (
            "DestinationAddress" LIKE '198.%'
            AND TRY_CAST(SPLIT_PART("DestinationAddress", '.', 2) AS INT) BETWEEN 18 AND 19
          )
          OR TRY_CAST(SPLIT_PART("DestinationAddress", '.', 1) AS INT) BETWEEN 224 AND 239
          OR TRY_CAST(SPLIT_PART("DestinationAddress", '.', 1) AS INT) BETWEEN 240 AND 255
        )
        AND REGEXP_FULL_MATCH(
          "DestinationAddress",
          '(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}'
        )
      )
      OR (
        (
          "DestinationAddress" = '0000:0000:0000:0000:0000:0000:0000:0000'
          OR "DestinationAddress" = '0000:0000:0000:0000:0000:0000:0000:0001'
          OR "DestinationAddress" LIKE '0064:ff9b:0001:%'
          OR "DestinationAddress" LIKE '0100:0000:0000:0000:%'
          OR "DestinationAddress" LIKE 'fc%'
          OR "DestinationAddress" LIKE 'fd%'
          OR "DestinationAddress" LIKE 'fe8%'
          OR "DestinationAddress" LIKE 'fe9%'
          OR "DestinationAddress" LIKE 'fea%'
          OR "DestinationAddress" LIKE 'feb%'
          OR "DestinationAddress" LIKE 'ff%'
        )
        AND REGEXP_FULL_MATCH("DestinationAddress", '[0-9a-f]{4}(:[0-9a-f]{4}){7}')
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
    "HostKey" IS NOT NULL AND "DestinationPort" IS NOT NULL
), step_2 AS (
  SELECT
    "HostKey",
    "DestinationAddress",
    "DestinationPort",
    COUNT(*) AS "EventCount",
    MAX("Computer") AS "Computer"
  FROM step_1
  GROUP BY
    "HostKey",
    "DestinationAddress",
    "DestinationPort"
), step_3 AS (
  SELECT
    *
  FROM step_2
  WHERE
    "EventCount" >= 20
)
SELECT
  "Computer",
  "HostKey",
  "DestinationAddress",
  "DestinationPort",
  "EventCount"
FROM step_3
