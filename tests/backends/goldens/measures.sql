-- Every measure and function of steps
-- measures, 10562427-ceee-5d74-b1cd-6ae95be95adf, for Sysmon as JSON
-- window: the last 6h; as a rule it runs every 15m
-- approximate: Sysmon records connections only as its configuration says, and by default none
WITH matched AS (
  SELECT
    "Computer",
    "DestinationPort",
    "Image",
    "SourcePort",
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
              NULLIF("Image", '') AS "Image",
              TRY_CAST("Initiated" AS BOOLEAN) AS "Initiated",
              TRY_CAST("SourcePort" AS BIGINT) AS "SourcePort",
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
    ) - INTERVAL '21600' SECOND
    AND "EventTime" < MAKE_TIMESTAMP(
      (
        EPOCH_US(CAST(NOW() AT TIME ZONE 'UTC' AS TIMESTAMP)) // 900000000
      ) * 900000000
    )
), step_1 AS (
  SELECT
    *
  FROM matched
  WHERE
    "EventTime" IS NOT NULL
), step_2 AS (
  SELECT
    *,
    MAKE_TIMESTAMP((
      EPOCH_US("EventTime") // 900000000
    ) * 900000000) AS "Quarter"
  FROM step_1
), step_3 AS (
  SELECT
    *,
    COALESCE("Image", 'none') AS "Program"
  FROM step_2
), step_4 AS (
  SELECT
    *
  FROM step_3
  WHERE
    "HostKey" IS NOT NULL AND "DestinationPort" IS NOT NULL
), step_5 AS (
  SELECT
    "HostKey",
    "DestinationPort",
    "Quarter",
    COUNT(*) AS "Connections",
    COUNT(CASE WHEN "SourcePort" >= 49152 THEN 1 END) AS "High",
    COUNT(DISTINCT "DestinationAddress") AS "Addresses",
    ARG_MIN("Program", "EventTime") AS "FirstProgram",
    ARG_MAX("Program", "EventTime") AS "LastProgram",
    LIST_SLICE(LIST_SORT(LIST(DISTINCT "Program") FILTER(WHERE
      "Program" IS NOT NULL)), 1, 5) AS "Programs",
    MAX("Computer") AS "Computer"
  FROM step_4
  GROUP BY
    "HostKey",
    "DestinationPort",
    "Quarter"
), step_6 AS (
  SELECT
    "HostKey",
    "DestinationPort",
    CAST(SUM("Connections") AS BIGINT) AS "Total",
    COUNT(*) AS "Quarters",
    AVG("Connections") AS "Mean",
    STDDEV_SAMP("Connections") AS "Deviation",
    QUANTILE_CONT("Connections", 0.5) AS "Middle",
    MAX("Connections") AS "Most",
    QUANTILE_CONT("Connections", 0.9) AS "Ninety",
    LIST_SLICE(
      LIST_SORT(LIST_DISTINCT(FLATTEN(LIST("Programs") FILTER(WHERE
        "Programs" IS NOT NULL)))),
      1,
      10
    ) AS "Programs",
    COUNT(
      DISTINCT CASE
        WHEN "Connections" > 3 AND LOWER("FirstProgram") = 'svchost.exe'
        THEN "FirstProgram"
      END
    ) AS "Busy",
    MAX("Computer") AS "Computer"
  FROM step_5
  GROUP BY
    "HostKey",
    "DestinationPort"
), step_7 AS (
  SELECT
    *
  FROM step_6
  WHERE
    "Total" >= 10 AND (
      "Quarters" > 2 OR "Most" > 5
    ) AND "Deviation" IS NOT NULL
), step_8 AS (
  SELECT
    *,
    1 - (
      CAST("Deviation" AS DOUBLE) / NULLIF((
        "Mean" + 1
      ), 0)
    ) AS "Steadiness",
    ROUND("Mean", 1) AS "Shown",
    COALESCE(CAST("Deviation" AS DOUBLE) / NULLIF("Mean", 0) < 0.5, FALSE) AS "Even"
  FROM step_7
), step_9 AS (
  SELECT
    *,
    CASE
      WHEN "Even" = TRUE AND "Total" > 100
      THEN 3
      WHEN NOT COALESCE("Even" = TRUE, FALSE)
      THEN 1
      ELSE 0
    END AS "Points"
  FROM step_8
)
SELECT
  "Computer",
  "HostKey",
  "DestinationPort",
  "Total",
  "Steadiness",
  "Shown",
  "Points",
  "Programs"
FROM step_9
ORDER BY
  "Points" DESC,
  "HostKey" ASC,
  "DestinationPort" ASC
LIMIT 100
