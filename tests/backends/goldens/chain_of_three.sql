-- Several hours with several connections to several addresses
-- chain_of_three, 0e0d5a44-6d0c-4a39-8a41-6a3a3f9c7b21, for Sysmon as JSON
-- window: the last 24h; as a rule it runs every 1h
-- approximate: Sysmon records connections only as its configuration says, and by default none
-- approximate: the inner correlation counts in fixed windows of 10m; events that straddle two of them can be missed
-- approximate: the inner correlation counts in fixed windows of 1h; events that straddle two of them can be missed
-- approximate: counts in the 24h before each run, where Sigma's window slides with every event; events that straddle two runs' windows can be missed
WITH matched AS (
  SELECT
    "Computer",
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
        ) AS layer_2
      ) AS layer_3
    ) AS layer_4
  ) AS recorded
  WHERE
    "Initiated" = TRUE
    AND (
      "DestinationAddress" LIKE '203.0.113.%'
      AND REGEXP_FULL_MATCH(
        "DestinationAddress",
        '(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}'
      )
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
    "EventTime" IS NOT NULL AND "HostKey" IS NOT NULL
), step_2 AS (
  SELECT
    *,
    MAKE_TIMESTAMP((
      EPOCH_US("EventTime") // 600000000
    ) * 600000000) AS "Window"
  FROM step_1
), step_3 AS (
  SELECT
    "HostKey",
    "DestinationAddress",
    "Window",
    COUNT(*) AS "EventCount",
    MIN("EventTime") AS "EventTime",
    MAX("EventTime") AS "EventEnd",
    MAX("Computer") AS "Computer"
  FROM step_2
  GROUP BY
    "HostKey",
    "DestinationAddress",
    "Window"
), step_4 AS (
  SELECT
    *
  FROM step_3
  WHERE
    "EventCount" >= 10
), step_5 AS (
  SELECT
    *
  FROM step_4
  WHERE
    "EventTime" IS NOT NULL
), step_6 AS (
  SELECT
    *,
    MAKE_TIMESTAMP((
      EPOCH_US("EventTime") // 3600000000
    ) * 3600000000) AS "Window2"
  FROM step_5
), step_7 AS (
  SELECT
    "HostKey",
    "Window2",
    "DestinationAddress",
    COUNT(*) AS "Events",
    MAX("Computer") AS "Computer"
  FROM step_6
  GROUP BY
    "HostKey",
    "Window2",
    "DestinationAddress"
), step_8 AS (
  SELECT
    "HostKey",
    "Window2",
    COUNT(*) AS "ValueCount",
    MAX("Computer") AS "Computer"
  FROM step_7
  GROUP BY
    "HostKey",
    "Window2"
), step_9 AS (
  SELECT
    *
  FROM step_8
  WHERE
    "ValueCount" >= 3
), step_10 AS (
  SELECT
    "HostKey",
    COUNT(*) AS "EventCount",
    MAX("Computer") AS "Computer"
  FROM step_9
  GROUP BY
    "HostKey"
), step_11 AS (
  SELECT
    *
  FROM step_10
  WHERE
    "EventCount" >= 4
)
SELECT
  "Computer",
  "HostKey",
  "EventCount"
FROM step_11
