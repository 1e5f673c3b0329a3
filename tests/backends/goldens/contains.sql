-- Contains
-- 11f6689d-b57f-54c8-9f3d-ff4f4bda90ee, for Sysmon as JSON
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
  AND LOWER("CommandLine") LIKE '%invoke-webrequest%'
