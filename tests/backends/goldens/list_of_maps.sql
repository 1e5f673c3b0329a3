-- A list of maps
-- 5b9553e4-166b-57ea-8c41-1275b7894651, for Sysmon as JSON
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
    (
      LOWER("Image") LIKE '%\curl.exe' AND LOWER("CommandLine") LIKE '% -o %'
    )
    OR LOWER("Image") LIKE '%\bitsadmin.exe'
  )
