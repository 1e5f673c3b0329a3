-- Above and below
-- 88ecc2ec-3da7-58cf-ab6f-d4dda625f10d, for Sysmon as JSON
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
  AND TRY_CAST("DestinationPort" AS BIGINT) > 1023
  AND TRY_CAST("SourcePort" AS BIGINT) < 49152
  AND NOT COALESCE(
    TRY_CAST("DestinationPort" AS BIGINT) >= 6660
    AND TRY_CAST("SourcePort" AS BIGINT) <= 2000,
    FALSE
  )
