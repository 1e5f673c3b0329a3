-- Two ports that are the same
-- afbe30e4-35d4-5109-8483-8305a0180a9a, for Sysmon as JSON
-- approximate: Sysmon records connections only as its configuration says, and by default none
SELECT
  *
FROM sysmon
WHERE
  (
    TRY_CAST("EventID" AS BIGINT) = 3
    AND (
      NULLIF("Channel", '') IS NULL
      OR "Channel" = 'Microsoft-Windows-Sysmon/Operational'
    )
  )
  AND TRY_CAST("Initiated" AS BOOLEAN) = TRUE
  AND TRY_CAST("DestinationPort" AS BIGINT) = TRY_CAST("SourcePort" AS BIGINT)
