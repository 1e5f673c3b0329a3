-- Botnet Node Beaconing to a Public Address
-- botnet_node_beaconing, 5a1d3a52-2a0f-4a4e-8f62-6f0de4a8a9c1 by Polysigma, for Sysmon as JSON
-- window: the last 24h; as a rule it runs every 1h
-- approximate: Sysmon records connections only as its configuration says, and by default none
WITH matched AS (
  SELECT
    `Computer`,
    `DestinationPort`,
    `Image`,
    `DestinationAddress`,
    `EventTime`,
    `HostKey`
  FROM (
    SELECT
      *,
      CASE
        WHEN NOT `DestinationAddress_written` LIKE '%:%'
        THEN `DestinationAddress_written`
        WHEN `DestinationAddress_written` RLIKE '^(?:(0*:)+ffff:(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)(\\.(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)){3})$'
        THEN REGEXP_REPLACE(`DestinationAddress_written`, '^(0*:)+ffff:([0-9.]+)$', '$2')
        WHEN NOT (
          `DestinationAddress_written` RLIKE '^(?:([0-9a-f]{1,4}(:[0-9a-f]{1,4})*)?::([0-9a-f]{1,4}(:[0-9a-f]{1,4})*)?|[0-9a-f]{1,4}(:[0-9a-f]{1,4})*)$'
          AND `DestinationAddress_full` RLIKE '^(?:[0-9a-f]{4}(:[0-9a-f]{4}){7})$'
        )
        THEN `DestinationAddress_written`
        WHEN `DestinationAddress_full` LIKE '0000:0000:0000:0000:0000:ffff:%'
        THEN CONCAT_WS(
          '.',
          CONV(SUBSTRING(`DestinationAddress_full`, 31, 2), 16, 10),
          CONV(SUBSTRING(`DestinationAddress_full`, 33, 2), 16, 10),
          CONV(SUBSTRING(`DestinationAddress_full`, 36, 2), 16, 10),
          CONV(SUBSTRING(`DestinationAddress_full`, 38, 2), 16, 10)
        )
        ELSE `DestinationAddress_full`
      END AS `DestinationAddress`
    FROM (
      SELECT
        *,
        CASE
          WHEN `DestinationAddress_written` LIKE '%:%'
          THEN REGEXP_REPLACE(
            REPLACE(
              `DestinationAddress_padded`,
              '::',
              ':' || REPEAT(
                '0000:',
                8 - CAST(LENGTH(REPLACE(`DestinationAddress_padded`, ':', '')) / 4 AS INT)
              )
            ),
            '^:|:$',
            ''
          )
        END AS `DestinationAddress_full`
      FROM (
        SELECT
          *,
          CASE
            WHEN `DestinationAddress_written` LIKE '%:%'
            THEN REGEXP_REPLACE(
              REGEXP_REPLACE(`DestinationAddress_written`, '(^|:)([0-9a-f]{1,4})', '$1000$2'),
              '(^|:)[0-9a-f]*([0-9a-f]{4})',
              '$1$2'
            )
          END AS `DestinationAddress_padded`
        FROM (
          SELECT
            *,
            CASE
              WHEN `DestinationIp` LIKE '%:%'
              THEN REGEXP_REPLACE(LOWER(`DestinationIp`), '%.*$', '')
              ELSE LOWER(`DestinationIp`)
            END AS `DestinationAddress_written`,
            TRY_CAST(`UtcTime` AS TIMESTAMP) AS `EventTime`,
            LOWER(`Computer`) AS `HostKey`
          FROM (
            SELECT
              NULLIF(`Computer`, '') AS `Computer`,
              NULLIF(`DestinationIp`, '') AS `DestinationIp`,
              TRY_CAST(`DestinationPort` AS BIGINT) AS `DestinationPort`,
              NULLIF(`Image`, '') AS `Image`,
              TRY_CAST(`Initiated` AS BOOLEAN) AS `Initiated`,
              NULLIF(`UtcTime`, '') AS `UtcTime`
            FROM sysmon
            WHERE
              TRY_CAST(`EventID` AS BIGINT) = 3
              AND (
                NULLIF(`Channel`, '') IS NULL
                OR `Channel` IN ('Microsoft-Windows-Sysmon/Operational', 'Linux-Sysmon/Operational')
              )
          ) AS layer_1
        ) AS layer_2
      ) AS layer_3
    ) AS layer_4
  ) AS recorded
  WHERE
    `Initiated` = TRUE
    AND `DestinationAddress` IS NOT NULL
    AND NOT COALESCE(
      (
        (
          `DestinationAddress` LIKE '0.%'
          OR `DestinationAddress` LIKE '10.%'
          OR (
            `DestinationAddress` LIKE '100.%'
            AND TRY_CAST(SPLIT_PART(`DestinationAddress`, '.', 2) AS INT) BETWEEN 64 AND 127
          )
          OR `DestinationAddress` LIKE '127.%'
          OR `DestinationAddress` LIKE '169.254.%'
          OR (
            `DestinationAddress` LIKE '172.%'
            AND TRY_CAST(SPLIT_PART(`DestinationAddress`, '.', 2) AS INT) BETWEEN 16 AND 31
          )
          OR `DestinationAddress` LIKE '192.0.0.%'
          OR `DestinationAddress` LIKE '192.88.99.%'
          OR `DestinationAddress` LIKE '192.168.%'
          OR (
            `DestinationAddress` LIKE '198.%'
            AND TRY_CAST(SPLIT_PART(`DestinationAddress`, '.', 2) AS INT) BETWEEN 18 AND 19
          )
          OR TRY_CAST(SPLIT_PART(`DestinationAddress`, '.', 1) AS INT) BETWEEN 224 AND 239
          OR TRY_CAST(SPLIT_PART(`DestinationAddress`, '.', 1) AS INT) BETWEEN 240 AND 255
        )
        AND `DestinationAddress` RLIKE '^(?:(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)(\\.(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)){3})$'
      )
      OR (
        (
          `DestinationAddress` = '0000:0000:0000:0000:0000:0000:0000:0000'
          OR `DestinationAddress` = '0000:0000:0000:0000:0000:0000:0000:0001'
          OR `DestinationAddress` LIKE '0064:ff9b:0001:%'
          OR `DestinationAddress` LIKE '0100:0000:0000:0000:%'
          OR `DestinationAddress` LIKE 'fc%'
          OR `DestinationAddress` LIKE 'fd%'
          OR `DestinationAddress` LIKE 'fe8%'
          OR `DestinationAddress` LIKE 'fe9%'
          OR `DestinationAddress` LIKE 'fea%'
          OR `DestinationAddress` LIKE 'feb%'
          OR `DestinationAddress` LIKE 'ff%'
        )
        AND `DestinationAddress` RLIKE '^(?:[0-9a-f]{4}(:[0-9a-f]{4}){7})$'
      ),
      FALSE
    )
    AND `EventTime` >= TIMESTAMP_MICROS((
      UNIX_MICROS(CURRENT_TIMESTAMP()) DIV 3600000000
    ) * 3600000000) - INTERVAL '86400' SECOND
    AND `EventTime` < TIMESTAMP_MICROS((
      UNIX_MICROS(CURRENT_TIMESTAMP()) DIV 3600000000
    ) * 3600000000)
), step_1 AS (
  SELECT
    *
  FROM matched
  WHERE
    `EventTime` IS NOT NULL
    AND `HostKey` IS NOT NULL
    AND `DestinationPort` IS NOT NULL
), step_2 AS (
  SELECT
    *,
    TIMESTAMP_MICROS((
      UNIX_MICROS(`EventTime`) DIV 3600000000
    ) * 3600000000) AS `Hour`
  FROM step_1
), step_3 AS (
  SELECT
    `HostKey`,
    `DestinationAddress`,
    `DestinationPort`,
    `Hour`,
    COUNT(*) AS `HourlyConnections`,
    NULLIF(SLICE(SORT_ARRAY(COLLECT_SET(`Image`)), 1, 5), ARRAY()) AS `Processes`,
    MAX(`Computer`) AS `Computer`
  FROM step_2
  GROUP BY
    `HostKey`,
    `DestinationAddress`,
    `DestinationPort`,
    `Hour`
), step_4 AS (
  SELECT
    `HostKey`,
    `DestinationAddress`,
    `DestinationPort`,
    CAST(SUM(`HourlyConnections`) AS BIGINT) AS `TotalConnections`,
    COUNT(*) AS `ActiveHours`,
    MIN(`HourlyConnections`) AS `MinHourlyConnections`,
    MAX(`HourlyConnections`) AS `MaxHourlyConnections`,
    NULLIF(
      SLICE(SORT_ARRAY(ARRAY_DISTINCT(FLATTEN(COLLECT_LIST(`Processes`)))), 1, 10),
      ARRAY()
    ) AS `Processes`,
    MAX(`Computer`) AS `Computer`
  FROM step_3
  GROUP BY
    `HostKey`,
    `DestinationAddress`,
    `DestinationPort`
), step_5 AS (
  SELECT
    *
  FROM step_4
  WHERE
    `TotalConnections` >= 20 AND `ActiveHours` >= 3
), step_6 AS (
  SELECT
    *,
    COALESCE(
      `DestinationPort` IN (1080, 4444, 6660, 6661, 6662, 6663, 6664, 6665, 6666, 6667, 6668, 6669, 6697),
      FALSE
    ) AS `WatchedPort`,
    CAST(`TotalConnections` AS DOUBLE) / NULLIF(`ActiveHours`, 0) AS `ConnectionsPerHour`
  FROM step_5
), step_7 AS (
  SELECT
    *,
    CASE
      WHEN `WatchedPort` = TRUE
      THEN 3
      WHEN `ConnectionsPerHour` > 10 AND `TotalConnections` > 50
      THEN 2
      WHEN `TotalConnections` > 200
      THEN 2
      WHEN `TotalConnections` > 100
      THEN 1
      ELSE 0
    END AS `BeaconingScore`
  FROM step_6
), step_8 AS (
  SELECT
    *
  FROM step_7
  WHERE
    `BeaconingScore` >= 1
)
SELECT
  `Computer`,
  `HostKey`,
  `DestinationAddress`,
  `DestinationPort`,
  `TotalConnections`,
  `ActiveHours`,
  `MinHourlyConnections`,
  `MaxHourlyConnections`,
  `Processes`,
  `WatchedPort`,
  `ConnectionsPerHour`,
  `BeaconingScore`
FROM step_8
ORDER BY
  `BeaconingScore` DESC,
  `TotalConnections` DESC,
  `HostKey` ASC NULLS LAST,
  `DestinationAddress` ASC NULLS LAST,
  `DestinationPort` ASC NULLS LAST
