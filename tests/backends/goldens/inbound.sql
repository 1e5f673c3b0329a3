-- A connection that was accepted
-- fb374917-e29c-5113-9ff4-4de799e3a719, for Sysmon as JSON
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
  AND TRY_CAST("Initiated" AS BOOLEAN) = FALSE
  AND TRY_CAST("DestinationPort" AS BIGINT) = 3389
