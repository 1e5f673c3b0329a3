-- Base64 of UTF-16 at any offset
-- 5861c925-108e-54c8-a9e5-b52aa2c77db4, for Sysmon as JSON
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
    LOWER("CommandLine") LIKE '%sqbfafga%'
    OR LOWER("CommandLine") LIKE '%karqbya%'
    OR LOWER("CommandLine") LIKE '%jaeuawa%'
  )
