-- A connection to a port of remote shells
-- 6add2552-deec-507e-879a-839d083769c3, for CrowdStrike Falcon Data Replicator
-- approximate: a connection is recorded when it is attempted, whether or not it was then established
SELECT
  *
  EXCLUDE ("RemoteAddress_written", "RemoteAddress_padded", "RemoteAddress_full")
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
          CASE
            WHEN COALESCE(NULLIF("RemoteAddressIP4", ''), NULLIF("RemoteAddressIP6", '')) LIKE '%:%'
            THEN REGEXP_REPLACE(
              LOWER(COALESCE(NULLIF("RemoteAddressIP4", ''), NULLIF("RemoteAddressIP6", ''))),
              '%.*$',
              '',
              'g'
            )
            ELSE LOWER(COALESCE(NULLIF("RemoteAddressIP4", ''), NULLIF("RemoteAddressIP6", '')))
          END AS "RemoteAddress_written"
        FROM (
          SELECT
            *
          FROM fdr
          WHERE
            "event_simpleName" IN ('NetworkConnectIP4', 'NetworkConnectIP6')
            AND "event_platform" = 'Win'
        ) AS layer_1
      ) AS layer_2
    ) AS layer_3
  ) AS layer_4
  WHERE
    TRY_CAST("RemotePort" AS BIGINT) IN (4444, 5555)
    AND "RemoteAddress" = '203.0.113.10'
) AS found
