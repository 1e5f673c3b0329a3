-- All of several selections
-- 7844e825-4b09-5b71-8980-3da7403f6ab6, for Sysmon as JSON
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
  AND LOWER("Image") LIKE '%\reg.exe'
  AND LOWER("CommandLine") LIKE '% save %'
  AND (
    LOWER("CommandLine") LIKE '%hklm\sam%'
    OR LOWER("CommandLine") LIKE '%hklm\system%'
  )
