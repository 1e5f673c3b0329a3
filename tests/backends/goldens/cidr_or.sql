-- A network or a port
-- 7cbaa1d6-ed4f-5611-9fbf-ffcf35f18be1, for Sysmon as JSON
-- approximate: Sysmon records connections only as its configuration says, and by default none
SELECT
  *
  EXCLUDE ("DestinationAddress_written", "DestinationAddress_padded", "DestinationAddress_full")
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
            WHEN NULLIF("DestinationIp", '') LIKE '%:%'
            THEN REGEXP_REPLACE(LOWER(NULLIF("DestinationIp", '')), '%.*$', '', 'g')
            ELSE LOWER(NULLIF("DestinationIp", ''))
          END AS "DestinationAddress_written"
        FROM (
          SELECT
            *
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
  WHERE
    TRY_CAST("Initiated" AS BOOLEAN) = TRUE
    AND (
      (
        "DestinationAddress" LIKE '203.0.113.%'
        AND REGEXP_FULL_MATCH(
          "DestinationAddress",
          '(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}'
        )
      )
      OR TRY_CAST("DestinationPort" AS BIGINT) = 4444
    )
) AS found
