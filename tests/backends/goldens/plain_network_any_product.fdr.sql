-- A connection in either direction
-- 91ffea23-9a3f-5efa-b776-294e5a014a85, for CrowdStrike Falcon Data Replicator
-- approximate: a connection is recorded when it is attempted, whether or not it was then established
SELECT
  *
  EXCLUDE ("SourceAddress_written", "SourceAddress_padded", "SourceAddress_full")
FROM (
  SELECT
    *,
    CASE
      WHEN NOT "SourceAddress_written" LIKE '%:%'
      THEN "SourceAddress_written"
      WHEN REGEXP_FULL_MATCH(
        "SourceAddress_written",
        '(0*:)+ffff:(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}'
      )
      THEN REGEXP_REPLACE("SourceAddress_written", '^(0*:)+ffff:([0-9.]+)$', '\2', 'g')
      WHEN NOT (
        REGEXP_FULL_MATCH(
          "SourceAddress_written",
          '([0-9a-f]{1,4}(:[0-9a-f]{1,4})*)?::([0-9a-f]{1,4}(:[0-9a-f]{1,4})*)?|[0-9a-f]{1,4}(:[0-9a-f]{1,4})*'
        )
        AND REGEXP_FULL_MATCH("SourceAddress_full", '[0-9a-f]{4}(:[0-9a-f]{4}){7}')
      )
      THEN "SourceAddress_written"
      WHEN "SourceAddress_full" LIKE '0000:0000:0000:0000:0000:ffff:%'
      THEN CONCAT_WS(
        '.',
        CAST('0x' || SUBSTRING("SourceAddress_full", 31, 2) AS INT),
        CAST('0x' || SUBSTRING("SourceAddress_full", 33, 2) AS INT),
        CAST('0x' || SUBSTRING("SourceAddress_full", 36, 2) AS INT),
        CAST('0x' || SUBSTRING("SourceAddress_full", 38, 2) AS INT)
      )
      ELSE "SourceAddress_full"
    END AS "SourceAddress"
  FROM (
    SELECT
      *,
      CASE
        WHEN "SourceAddress_written" LIKE '%:%'
        THEN REGEXP_REPLACE(
          REPLACE(
            "SourceAddress_padded",
            '::',
            ':' || REPEAT('0000:', 8 - CAST(LENGTH(REPLACE("SourceAddress_padded", ':', '')) / 4 AS INT))
          ),
          '^:|:$',
          '',
          'g'
        )
      END AS "SourceAddress_full"
    FROM (
      SELECT
        *,
        CASE
          WHEN "SourceAddress_written" LIKE '%:%'
          THEN REGEXP_REPLACE(
            REGEXP_REPLACE("SourceAddress_written", '(^|:)([0-9a-f]{1,4})', '\1000\2', 'g'),
            '(^|:)[0-9a-f]*([0-9a-f]{4})',
            '\1\2',
            'g'
          )
        END AS "SourceAddress_padded"
      FROM (
        SELECT
          *,
          CASE
            WHEN LOWER("event_simpleName") IN ('networkreceiveacceptip4', 'networkreceiveacceptip6')
            THEN TRY_CAST("LocalPort" AS BIGINT)
            ELSE TRY_CAST("RemotePort" AS BIGINT)
          END AS "DestinationPort",
          CASE
            WHEN CASE
              WHEN LOWER("event_simpleName") IN ('networkreceiveacceptip4', 'networkreceiveacceptip6')
              THEN COALESCE(NULLIF("RemoteAddressIP4", ''), NULLIF("RemoteAddressIP6", ''))
              ELSE COALESCE(NULLIF("LocalAddressIP4", ''), NULLIF("LocalAddressIP6", ''))
            END LIKE '%:%'
            THEN REGEXP_REPLACE(
              LOWER(
                CASE
                  WHEN LOWER("event_simpleName") IN ('networkreceiveacceptip4', 'networkreceiveacceptip6')
                  THEN COALESCE(NULLIF("RemoteAddressIP4", ''), NULLIF("RemoteAddressIP6", ''))
                  ELSE COALESCE(NULLIF("LocalAddressIP4", ''), NULLIF("LocalAddressIP6", ''))
                END
              ),
              '%.*$',
              '',
              'g'
            )
            ELSE LOWER(
              CASE
                WHEN LOWER("event_simpleName") IN ('networkreceiveacceptip4', 'networkreceiveacceptip6')
                THEN COALESCE(NULLIF("RemoteAddressIP4", ''), NULLIF("RemoteAddressIP6", ''))
                ELSE COALESCE(NULLIF("LocalAddressIP4", ''), NULLIF("LocalAddressIP6", ''))
              END
            )
          END AS "SourceAddress_written"
        FROM (
          SELECT
            *
          FROM fdr
          WHERE
            "event_simpleName" IN (
              'NetworkConnectIP4',
              'NetworkConnectIP6',
              'NetworkReceiveAcceptIP4',
              'NetworkReceiveAcceptIP6'
            )
        ) AS layer_1
      ) AS layer_2
    ) AS layer_3
  ) AS layer_4
  WHERE
    "DestinationPort" = 3389 AND "SourceAddress" = '198.51.100.7'
) AS found
