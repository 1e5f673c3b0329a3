-- A field that is there, and one that is not
-- de38ce28-487d-51bc-bb70-61e00ed5acfe, for Sysmon as JSON
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
  AND NULLIF("CommandLine", '') IS NOT NULL
  AND NULLIF("ParentImage", '') IS NULL
