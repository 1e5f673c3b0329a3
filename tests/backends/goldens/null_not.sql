-- Something there
-- 3e296452-f1ab-5b7f-b957-568589d9c1cb, for Sysmon as JSON
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
  AND LOWER("Image") LIKE '%\svchost.exe'
  AND NULLIF("CommandLine", '') IS NOT NULL
