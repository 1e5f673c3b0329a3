-- A user's name, then a lookup or not, then a connection
-- temporal_ordered_extended, 9d7c3d9c-52c7-4f6d-8f0e-0a2b5b8e4d21, for Sysmon as JSON
-- window: the last 15m; as a rule it runs every 15m
-- approximate: Sysmon records connections only as its configuration says, and by default none
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
    'lookup' AS "Rule"
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
    "Computer",
    "EventTime",
    "HostKey",
    'outbound' AS "Rule"
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
    "HostKey" IS NOT NULL
), step_2 AS (
  SELECT
    *
  FROM step_1
  WHERE
    "EventTime" IS NOT NULL
), step_3 AS (
  SELECT
    *,
    MIN(CASE WHEN "Rule" = 'whoami' THEN "EventTime" END) OVER (PARTITION BY "HostKey") AS "Order1From1",
    MAX(CASE WHEN "Rule" = 'outbound' THEN "EventTime" END) OVER (PARTITION BY "HostKey") AS "Order1Until3"
  FROM step_2
), step_4 AS (
  SELECT
    "HostKey",
    MAX("Computer") AS "Computer",
    MIN(
      CASE WHEN "Rule" = 'lookup' AND "EventTime" >= "Order1From1" THEN "EventTime" END
    ) AS "Order1From2",
    MIN(CASE WHEN "Rule" = 'whoami' THEN "EventTime" END) AS "Order2From1",
    MAX(CASE WHEN "Rule" = 'outbound' THEN "EventTime" END) AS "Order2Until2",
    MAX("Order1Until3") AS "Order1Until3",
    COUNT(CASE WHEN "Rule" = 'lookup' THEN 1 END) AS "Order2Unwanted"
  FROM step_3
  GROUP BY
    "HostKey"
), step_5 AS (
  SELECT
    *
  FROM step_4
  WHERE
    "Order1From2" <= "Order1Until3"
    OR (
      "Order2From1" <= "Order2Until2" AND "Order2Unwanted" = 0
    )
)
SELECT
  "Computer",
  "HostKey"
FROM step_5
