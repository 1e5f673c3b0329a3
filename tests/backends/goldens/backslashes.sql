-- Backslashes as Sigma counts them
-- 41c7f6fc-dd4f-5397-96d7-f2646bc01f67, for Sysmon as JSON
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
    LOWER("CommandLine") LIKE '%c:\users\public\%'
    OR LOWER("CommandLine") LIKE '%\\server\share%'
    OR "CommandLine" LIKE '%\*%'
  )
