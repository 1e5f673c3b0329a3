-- Every measure and function of steps
-- measures, 10562427-ceee-5d74-b1cd-6ae95be95adf, for Sysmon as JSON
-- window: the last 6h; as a rule it runs every 15m
-- approximate: Sysmon records connections only as its configuration says, and by default none
WITH matched AS (
  SELECT
    `Computer`,
    `DestinationPort`,
    `Image`,
    `SourcePort`,
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
              TRY_CAST(`SourcePort` AS BIGINT) AS `SourcePort`,
              NULLIF(`UtcTime`, '') AS `UtcTime`
            FROM sysmon
            WHERE
              TRY_CAST(`EventID` AS BIGINT) = 3
              AND (
                NULLIF(`Channel`, '') IS NULL
                OR `Channel` = 'Microsoft-Windows-Sysmon/Operational'
              )
          ) AS layer_1
        ) AS layer_2
      ) AS layer_3
    ) AS layer_4
  ) AS recorded
  WHERE
    `Initiated` = TRUE
    AND (
      `DestinationAddress` LIKE '203.0.113.%'
      AND `DestinationAddress` RLIKE '^(?:(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)(\\.(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)){3})$'
    )
    AND `EventTime` >= TIMESTAMP_MICROS((
      UNIX_MICROS(CURRENT_TIMESTAMP()) DIV 900000000
    ) * 900000000) - INTERVAL '21600' SECOND
    AND `EventTime` < TIMESTAMP_MICROS((
      UNIX_MICROS(CURRENT_TIMESTAMP()) DIV 900000000
    ) * 900000000)
), step_1 AS (
  SELECT
    *
  FROM matched
  WHERE
    `EventTime` IS NOT NULL
), step_2 AS (
  SELECT
    *,
    TIMESTAMP_MICROS((
      UNIX_MICROS(`EventTime`) DIV 900000000
    ) * 900000000) AS `Quarter`
  FROM step_1
), step_3 AS (
  SELECT
    *,
    COALESCE(`Image`, 'none') AS `Program`
  FROM step_2
), step_4 AS (
  SELECT
    *
  FROM step_3
  WHERE
    `HostKey` IS NOT NULL AND `DestinationPort` IS NOT NULL
), step_5 AS (
  SELECT
    `HostKey`,
    `DestinationPort`,
    `Quarter`,
    COUNT(*) AS `Connections`,
    COUNT(CASE WHEN `SourcePort` >= 49152 THEN 1 END) AS `High`,
    COUNT(DISTINCT `DestinationAddress`) AS `Addresses`,
    MIN_BY(`Program`, `EventTime`) FILTER(WHERE
      `Program` IS NOT NULL) AS `FirstProgram`,
    MAX_BY(`Program`, `EventTime`) FILTER(WHERE
      `Program` IS NOT NULL) AS `LastProgram`,
    NULLIF(SLICE(SORT_ARRAY(COLLECT_SET(`Program`)), 1, 5), ARRAY()) AS `Programs`,
    MAX(`Computer`) AS `Computer`
  FROM step_4
  GROUP BY
    `HostKey`,
    `DestinationPort`,
    `Quarter`
), step_6 AS (
  SELECT
    `HostKey`,
    `DestinationPort`,
    CAST(SUM(`Connections`) AS BIGINT) AS `Total`,
    COUNT(*) AS `Quarters`,
    AVG(`Connections`) AS `Mean`,
    STDDEV_SAMP(`Connections`) AS `Deviation`,
    PERCENTILE(`Connections`, 0.5) AS `Middle`,
    MAX(`Connections`) AS `Most`,
    PERCENTILE(`Connections`, 0.9) AS `Ninety`,
    NULLIF(
      SLICE(SORT_ARRAY(ARRAY_DISTINCT(FLATTEN(COLLECT_LIST(`Programs`)))), 1, 10),
      ARRAY()
    ) AS `Programs`,
    COUNT(
      DISTINCT CASE
        WHEN `Connections` > 3 AND LOWER(`FirstProgram`) = 'svchost.exe'
        THEN `FirstProgram`
      END
    ) AS `Busy`,
    MAX(`Computer`) AS `Computer`
  FROM step_5
  GROUP BY
    `HostKey`,
    `DestinationPort`
), step_7 AS (
  SELECT
    *
  FROM step_6
  WHERE
    `Total` >= 10 AND (
      `Quarters` > 2 OR `Most` > 5
    ) AND `Deviation` IS NOT NULL
), step_8 AS (
  SELECT
    *,
    1 - (
      CAST(`Deviation` AS DOUBLE) / NULLIF((
        `Mean` + 1
      ), 0)
    ) AS `Steadiness`,
    ROUND(`Mean`, 1) AS `Shown`,
    COALESCE(CAST(`Deviation` AS DOUBLE) / NULLIF(`Mean`, 0) < 0.5, FALSE) AS `Even`
  FROM step_7
), step_9 AS (
  SELECT
    *,
    CASE
      WHEN `Even` = TRUE AND `Total` > 100
      THEN 3
      WHEN NOT COALESCE(`Even` = TRUE, FALSE)
      THEN 1
      ELSE 0
    END AS `Points`
  FROM step_8
)
SELECT
  `Computer`,
  `HostKey`,
  `DestinationPort`,
  `Total`,
  `Steadiness`,
  `Shown`,
  `Points`,
  `Programs`
FROM step_9
ORDER BY
  `Points` DESC,
  `HostKey` ASC NULLS LAST,
  `DestinationPort` ASC NULLS LAST
LIMIT 100
