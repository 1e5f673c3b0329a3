-- Dashes of every kind
-- 8394aa1c-c920-56b7-9a0a-12187c5d4545, for Sysmon as JSON
-- fidelity: exact
SELECT
  *
FROM sysmon
WHERE
  (
    TRY_CAST("EventID" AS BIGINT) = 1
    AND (
      NULLIF("Channel", '') IS NULL
      OR "Channel" = 'Microsoft-Windows-Sysmon/Operational'
    )
  )
  AND (
    LOWER("CommandLine") LIKE '% -urlcache %'
    OR LOWER("CommandLine") LIKE '% /urlcache %'
    OR LOWER("CommandLine") LIKE '% –urlcache %'
    OR LOWER("CommandLine") LIKE '% —urlcache %'
    OR LOWER("CommandLine") LIKE '% ―urlcache %'
  )
