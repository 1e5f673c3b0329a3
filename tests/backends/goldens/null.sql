-- Nothing there
-- 101581c2-9f81-5f11-8791-e0961263bf76, for Sysmon as JSON
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
  AND LOWER("Image") LIKE '%\svchost.exe'
