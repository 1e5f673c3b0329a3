-- An empty command line
-- 00e3d31e-52f0-54b8-ad1e-fc14f964a0e9, for Sysmon as JSON
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
  AND NULLIF("CommandLine", '') IS NULL
  AND LOWER("Image") LIKE '%\rundll32.exe'
